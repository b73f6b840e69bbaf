"""Databases as they are found elsewhere: servers of a test's own, poolers in front of them, a service upon them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from tests.api.conftest import Client, make_client, service_settings
from tests.conftest import Servers, TestDatabase
from tests.db.servers import connected
from tests.embedded.made_once import copy_of_a_data_folder
from zerosum.db.schema.migrations import migrate
from zerosum.db.schema.provisioning import OWNER_ROLE, provision
from zerosum.domain.identifiers import LedgerId
from zerosum.embedded import DataDir, EmbeddedPostgres
from zerosum.main import Service

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
START_SECONDS_MAX = 15.0


@contextlib.asynccontextmanager
async def paying(servers: Servers, dsn: str, **overrides: Any) -> AsyncIterator[tuple[Service, Client]]:
    """A service on this database, without Redis, and a caller with a ledger and an account `a`."""
    database = TestDatabase("", dsn, "")
    service = Service(service_settings(database, servers, redis_url=None, **overrides))
    await service.start()
    try:
        ledger = await service.services.ledgers.create("test")
        client = await make_client(service, LedgerId(ledger.id))
        await _wait_for_the_database(client)
        await client.open_account("a")
        yield service, client
        await client.http.aclose()
    finally:
        await service.stop()


async def _wait_for_the_database(client: Client) -> None:
    """A connection that is made while the machine is busy may take longer than a request waits for it."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while (await client.get("/v1/accounts")).status_code == 503:
            await asyncio.sleep(0.1)


async def deposit_status(client: Client) -> int:
    answer = await client.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": "a"})
    if answer.status_code != 201:
        assert "retry-after" in answer.headers, answer.text
    return answer.status_code


async def ready_status(client: Client) -> int:
    return (await client.get("/readyz")).status_code


class OwnPostgres:
    """A server of the test's own, to be configured, stopped, and started again as a standby."""

    def __init__(self, bin_path: Path | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="zerosum-edge-"))
        self.home.chmod(0o711)  # as root the server runs as another account, which must pass through
        if bin_path is None:
            copy_of_a_data_folder(self.home / "data")
        self.data_dir = DataDir(self.home / "data", state_root=self.home / "state")
        self.server = EmbeddedPostgres(self.data_dir, bin_path=bin_path, notify=lambda _: None)
        self.server.start()
        self.servers = Servers(self.server.superuser_dsn, self.data_dir.app_password, "")

    async def migrated(self, name: str) -> str:
        """A database for the service; its address for the service's role."""
        await provision(self.servers.superuser_dsn, database=name, service_password=self.servers.service_password)
        await migrate(self.servers.dsn(name, superuser=True), role=OWNER_ROLE)
        return self.servers.dsn(name)

    def give(self, name: str, text: str) -> Path:
        """A file in the server's folder that it may read and nobody else."""
        path = self.server.folder / name
        path.write_text(text)
        path.chmod(0o600)
        owner = self.server.folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        return path

    def demote(self) -> None:
        """Started again on the same data and port, as a standby that waits for a primary."""
        self.server.stop()
        self.give("standby.signal", "")
        self.server.start()

    async def promote(self) -> None:
        async with connected(self.servers.superuser_dsn) as connection:
            assert await connection.fetchval("select pg_promote()")

    def close(self) -> None:
        self.server.stop()
        self.data_dir.delete()
        shutil.rmtree(self.home)


@contextlib.contextmanager
def pgbouncer(dsn: str, mode: str) -> Iterator[str]:
    """PgBouncer with its defaults in front of this database; the same address through it."""
    assert PGBOUNCER is not None
    parts = urlsplit(dsn)
    folder = Path(tempfile.mkdtemp(prefix="zerosum-bouncer-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "users.txt").write_text(f'"{parts.username}" "{parts.password}"\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder / 'users.txt'}\npool_mode = {mode}\n"
    )
    command = [PGBOUNCER, "-q", str(settings)]
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"
    finally:
        process.terminate()
        process.communicate(timeout=10)
        shutil.rmtree(folder)


@contextlib.asynccontextmanager
async def named_process_forged(dsn: str) -> AsyncIterator[str]:
    """The same address through a proxy that tells another process number, as every pooler does."""
    parts = urlsplit(dsn)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                place = piece.find(b"K\x00\x00\x00\x0c")  # BackendKeyData, early in what the server says
                if place >= 0:
                    piece = piece[: place + 5] + b"\x7f\x00\x00\x01" + piece[place + 9 :]
                writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()


async def administer(servers: Servers, *statements: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(servers.dsn(database, superuser=True))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
