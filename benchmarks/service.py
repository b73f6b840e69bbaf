"""The service as a customer starts it: `zerosum up` in a fresh folder, and all its processes known by what they do."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from benchmarks.cpu import children_by_parent, program_of
from zerosum.cli.installation import Credentials
from zerosum.config import api_processes
from zerosum.embedded.child_processes import dying_with_parent

WORKERS = api_processes(os.sched_getaffinity(0))
"""As an installation that says nothing of it has."""
DATABASE = "zerosum"
SERVICE_ROLE = "zerosum_service"

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0

DURABLE_FOLDER = Path("/var/tmp")
"""/tmp often lives in memory, where a commit costs nothing."""


class ServiceFailed(Exception):
    """The service did not start, or a process of it has gone."""


@dataclass(frozen=True, slots=True)
class Service:
    data_dir: Path
    credentials: Credentials
    api_pids: tuple[int, ...]
    worker_pids: tuple[int, ...]
    postgres_pids: tuple[int, ...]
    valkey_pids: tuple[int, ...]

    @property
    def trees(self) -> dict[str, tuple[int, ...]]:
        """For a Meter."""
        return {
            "api": self.api_pids,
            "worker": self.worker_pids,
            "postgres": self.postgres_pids,
            "valkey": self.valkey_pids,
        }

    @property
    def postgres_port(self) -> int:
        return int((self.data_dir / "ports" / "postgres").read_text())

    @property
    def superuser_password(self) -> str:
        return self._secret("postgres-superuser")

    @property
    def redis_url(self) -> str:
        port = (self.data_dir / "ports" / "valkey").read_text().strip()
        return f"redis://:{self._secret('redis')}@127.0.0.1:{port}/0"

    def dsn(self, database: str, *, superuser: bool = False) -> str:
        role = "postgres" if superuser else SERVICE_ROLE
        password = self.superuser_password if superuser else self._secret("postgres-app")
        return f"postgresql://{role}:{password}@127.0.0.1:{self.postgres_port}/{database}"

    def sql(self, statement: str, *arguments: object, database: str = DATABASE) -> list[asyncpg.Record]:
        """As the superuser, who sees every ledger."""

        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn(database, superuser=True))
            try:
                return await connection.fetch(statement, *arguments)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def settle(self) -> None:
        """Write everything down now, so that no reading pays for the one before it."""
        self.sql("checkpoint")

    def _secret(self, name: str) -> str:
        return (self.data_dir / "secrets" / name).read_text().strip()


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Gone afterwards. As root the servers run as another account, which must pass through."""
    root = DURABLE_FOLDER if DURABLE_FOLDER.is_dir() and os.access(DURABLE_FOLDER, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="zerosum-bench-", dir=root))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def running_service(folder: Path, **settings: str) -> AbstractContextManager[Service]:
    """Nothing of it is left at the end. `settings` are variables of its environment, without their ZEROSUM_."""
    return service_telling(folder, None, settings)


@contextmanager
def service_telling(folder: Path, stdout: int | None, settings: Mapping[str, str]) -> Iterator[Service]:
    """The same, that says what it has to say to `stdout`, or into a file of its folder."""
    data_dir = folder / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    environment |= {f"ZEROSUM_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "zerosum", "up", "--data-dir", str(data_dir), "--port", "0", "--no-demo"]
    with (folder / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [*command, "--workers", str(WORKERS)],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log if stdout is None else stdout,
            start_new_session=True,  # Ctrl-C is for us; we stop it in good order.
            preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - we have no threads
        )
    try:
        yield _await_ready(up, data_dir)
    finally:
        _stop(up)


def _await_ready(up: subprocess.Popen[bytes], data_dir: Path) -> Service:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while up.poll() is None and time.monotonic() < deadline:
        credentials = Credentials.read(data_dir)
        if credentials is not None and _is_ready(credentials.base_url):
            return _recognised(up.pid, data_dir, credentials)
        time.sleep(0.1)
    raise ServiceFailed("zerosum up did not start:\n" + (data_dir.parent / "up.log").read_text()[-2000:])


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def _recognised(up: int, data_dir: Path, credentials: Credentials) -> Service:
    """By program, and the forks by the order in which `up` makes them: the API processes, then the worker."""
    children = children_by_parent().get(up, [])
    programs = {pid: program_of(pid) for pid in children}
    postgres = tuple(pid for pid in children if programs[pid] == "postgres")
    valkey = tuple(pid for pid in children if programs[pid].startswith(("valkey", "redis")))
    servers = {*postgres, *valkey, *(pid for pid in children if programs[pid] == "pg_receivewal")}
    forks = [pid for pid in children if pid not in servers]
    if len(forks) < WORKERS or len(postgres) != 1:
        raise ServiceFailed(f"zerosum up has unexpected children: {programs}")
    return Service(data_dir, credentials, tuple(forks[:WORKERS]), tuple(forks[WORKERS:]), postgres, valkey)


def _stop(up: subprocess.Popen[bytes]) -> None:
    if up.poll() is None:
        up.send_signal(signal.SIGTERM)
        try:
            up.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            up.kill()  # Its servers and workers die with it: the kernel tells them.
            up.wait()
