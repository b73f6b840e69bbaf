"""Real servers for all tests: one private PostgreSQL and Valkey a run, one database cloned from a template a worker."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from tests.at_length import AT_LENGTH, is_left_out
from tests.sharing_out import FileByFile, longest_first
from zerosum.adapters.clock import now
from zerosum.db.engine import Database, make_engine
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import LedgerRecord, insert_ledger
from zerosum.db.schema.migrations import migrate
from zerosum.db.schema.provisioning import OWNER_ROLE, SERVICE_ROLE, provision
from zerosum.domain.identifiers import LedgerId
from zerosum.embedded import DataDir, EmbeddedPostgres, EmbeddedValkey, find_valkey

Made = TypeVar("Made")

TEMPLATE = "zerosum_template"
CLONE_ATTEMPTS_MAX = 50

IN_MEMORY_BYTES_FREE = 8 * 1024**3
WAL_MAX = "1GB"
"""In place of the product's eight, which are meant for disks."""

IDLE_TIMEOUT = "60s"
"""What prepares and looks at the ground is no service: a machine that stood still meanwhile is no failure of it."""

if importlib.util.find_spec("sniffio") is None:
    # httpx looks for it at each request, which took a tenth of its time.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

GC_THRESHOLDS = (50_000, 50, 100)
"""As the service's own processes have them."""


@dataclass(frozen=True)
class Servers:
    """Where the servers of this run are. `superuser_dsn` names the maintenance database `postgres`."""

    superuser_dsn: str
    service_password: str
    redis_url: str

    def dsn(self, database: str, *, superuser: bool = False) -> str:
        if superuser:
            return self.superuser_dsn.rsplit("/", 1)[0] + f"/{database}"
        address = self.superuser_dsn.rsplit("@", 1)[1].rsplit("/", 1)[0]
        return f"postgresql://{SERVICE_ROLE}:{self.service_password}@{address}/{database}"


@dataclass(frozen=True)
class TestDatabase:
    """A migrated database of this test process."""

    __test__ = False

    name: str
    service_dsn: str
    superuser_dsn: str


FOLDER_OF_THE_RUN = "TESTS_FOLDER_OF_THE_RUN"
"""The variable that names it: what its processes share, and is gone with it."""

WHERE_SERVERS_ARE = ("TESTS_SUPERUSER_DSN", "TESTS_SERVICE_PASSWORD", "TESTS_REDIS_URL")


class RunningServers:
    """The servers, owned by the process that started them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zerosum-tests-", dir=_in_memory()))
        self.folder.chmod(0o711)  # as root the servers run as another account, which must pass through
        self.data_dir = DataDir(self.folder / "data", state_root=self.folder / "state")
        self.postgres = EmbeddedPostgres(self.data_dir, notify=lambda _: None, max_connections=400)
        self.postgres.start()
        binary = find_valkey()
        assert binary is not None, "the tests need the extra `embedded`"
        self.valkey = EmbeddedValkey(self.data_dir, binary, notify=lambda _: None)
        self.valkey.start()
        self.servers = Servers(self.postgres.superuser_dsn, self.data_dir.app_password, self.valkey.url)
        asyncio.run(make_template(self.servers))

    @property
    def environment(self) -> dict[str, str]:
        """Tests that find it there start no servers of their own."""
        values = (self.servers.superuser_dsn, self.servers.service_password, self.servers.redis_url)
        return dict(zip(WHERE_SERVERS_ARE, values, strict=True))

    def stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()
        self.data_dir.delete()
        shutil.rmtree(self.folder)


def _in_memory() -> Path | None:
    """Where files need no disk, if there is much room: the suite commits some hundred thousand times.

    These servers never crash, those that do have folders of their own. Their settings are the product's, syncing too.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < IN_MEMORY_BYTES_FREE:
        return None
    return memory


async def make_template(servers: Servers) -> None:
    superuser = await asyncpg.connect(servers.superuser_dsn)
    await superuser.execute(f"alter system set max_wal_size = '{WAL_MAX}'")
    await superuser.execute("select pg_reload_conf()")
    await superuser.close()
    await provision(servers.superuser_dsn, database=TEMPLATE, service_password=servers.service_password)
    await migrate(servers.dsn(TEMPLATE, superuser=True), role=OWNER_ROLE)


_running_key = pytest.StashKey[RunningServers]()


def pytest_configure(config: pytest.Config) -> None:
    """With several workers the controlling process starts the servers before they do."""
    gc.set_threshold(*GC_THRESHOLDS)
    is_controller = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if is_controller and not config.option.collectonly:
        running = config.stash[_running_key] = RunningServers()
        os.environ.update(running.environment | {FOLDER_OF_THE_RUN: str(running.folder)})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not AT_LENGTH:
        left_out = [item for item in items if is_left_out(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not is_left_out(item)]
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile:
    return FileByFile(config, log)


def pytest_collection_finish() -> None:
    """All tests and all code are there and will stay: nobody need search them for garbage again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    running = config.stash.get(_running_key, None)
    if running is not None:
        running.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    if all(name in os.environ for name in WHERE_SERVERS_ARE):
        yield Servers(*(os.environ[name] for name in WHERE_SERVERS_ARE))
        return
    running = RunningServers()
    yield running.servers
    running.stop()


async def clone_database(servers: Servers, name: str) -> TestDatabase:
    """A fresh copy of the migrated template. Workers that clone at once wait for each other."""
    connection = await asyncpg.connect(servers.superuser_dsn)
    try:
        await connection.execute(f'drop database if exists "{name}" with (force)')
        for attempt in range(CLONE_ATTEMPTS_MAX):
            try:
                await connection.execute(f'create database "{name}" template "{TEMPLATE}" owner "{OWNER_ROLE}"')
                break
            except asyncpg.ObjectInUseError:
                if attempt == CLONE_ATTEMPTS_MAX - 1:
                    raise
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
    return TestDatabase(name, servers.dsn(name), servers.dsn(name, superuser=True))


@pytest.fixture(scope="session")
async def test_database(servers: Servers) -> TestDatabase:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return await clone_database(servers, f"zerosum_{worker}")


@pytest.fixture(scope="session")
async def database(test_database: TestDatabase) -> AsyncIterator[Database]:
    """The database as the service sees it: as the application role, under row-level security."""
    opened = Database(make_engine(test_database.service_dsn, pool_size=10, idle_timeout=IDLE_TIMEOUT))
    yield opened
    await opened.close()


class Once:
    """What a process of the tests has one of, though the fixture that makes it is another wherever it is imported."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._made: dict[str, Any] = {}

    async def enter(self, name: str, make: Callable[[], AbstractAsyncContextManager[Made]]) -> Made:
        if name not in self._made:
            self._made[name] = await self._stack.enter_async_context(make())
        made: Made = self._made[name]
        return made


@pytest.fixture(scope="session")
async def once(database: Database) -> AsyncIterator[Once]:
    """Ends all of it before the database is gone."""
    async with AsyncExitStack() as stack:
        yield Once(stack)


@pytest.fixture
async def ledger_id(database: Database) -> LedgerId:
    """A ledger of the test's own, so that tests need not clean up after each other."""
    ledger = LedgerRecord(id=new_uuid(), name="test", created_at=now())
    async with database.work(ledger.id) as connection:
        await insert_ledger(connection, ledger)
    return LedgerId(ledger.id)


@pytest.fixture
async def superuser(test_database: TestDatabase) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that row-level security does not bind: for looking at the books from outside."""
    connection = await asyncpg.connect(test_database.superuser_dsn)
    yield connection
    await connection.close()
