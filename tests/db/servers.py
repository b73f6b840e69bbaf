"""Databases of these tests' own, on every PostgreSQL that can be had: the newest one and the oldest supported."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.conftest import Servers, clone_database, make_template
from zerosum.db.schema import feed_order, guards
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.tables import metadata
from zerosum.embedded import DataDir, EmbeddedPostgres

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLDEST_BIN_PATH = Path("/usr/lib/postgresql/15/bin")
"""Where Debian puts PostgreSQL 15, the oldest version that will do."""


@contextmanager
def oldest_postgres() -> Iterator[Servers]:
    """A second server, of the oldest version, for as long as it is needed."""
    folder = Path(tempfile.mkdtemp(prefix="zerosum-tests-"))
    folder.chmod(0o711)  # as root the server runs as another account, which must pass through
    data_dir = DataDir(folder / "data", state_root=folder / "state")
    postgres = EmbeddedPostgres(data_dir, bin_path=OLDEST_BIN_PATH, notify=lambda _: None)
    postgres.start()
    servers = Servers(postgres.superuser_dsn, data_dir.app_password, "")
    try:
        asyncio.run(make_template(servers))
        yield servers
    finally:
        postgres.stop()
        data_dir.delete()
        shutil.rmtree(folder)


async def make_database(servers: Servers, name: str) -> None:
    """An empty database, as an administrator makes it. The roles are there since the server was started."""
    await drop_database(servers, name)
    async with connected(servers.superuser_dsn) as connection:
        await connection.execute(f'create database "{name}" owner "{OWNER_ROLE}"')


async def drop_database(servers: Servers, name: str) -> None:
    async with connected(servers.superuser_dsn) as connection:
        await connection.execute(f'drop database if exists "{name}" with (force)')


@asynccontextmanager
async def empty_database(servers: Servers, name: str) -> AsyncIterator[str]:
    await make_database(servers, name)
    yield servers.dsn(name, superuser=True)
    await drop_database(servers, name)


@asynccontextmanager
async def migrated_database(servers: Servers, name: str) -> AsyncIterator[str]:
    """A copy of the one that was migrated when the server was started: to migrate takes ten times as long."""
    yield (await clone_database(servers, name)).superuser_dsn
    await drop_database(servers, name)


@asynccontextmanager
async def described_database(servers: Servers, name: str) -> AsyncIterator[str]:
    """The database that `tables.py` and `guards.py` describe, made from them."""
    async with empty_database(servers, name) as dsn:
        engine = create_async_engine(make_url(dsn).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.execute(text(f'set role "{OWNER_ROLE}"'))
            for statement in feed_order.statements():
                await connection.exec_driver_sql(statement)
            await connection.run_sync(metadata.create_all)
            for statement in guards.statements():
                await connection.exec_driver_sql(statement)
        await engine.dispose()
        yield dsn


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
