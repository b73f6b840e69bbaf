"""Whether a database can be trusted with money as it is set up: asked once, before anything is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from zerosum.db.migrations import HEAD
from zerosum.db.tables import JOURNAL

CONNECT_SECONDS_MAX = 5.0
VERSION_MIN = 150000
"""PostgreSQL 15, the oldest the tests run on."""

DURABLE_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


class Unfit(Exception):
    """In one line: what is wrong, and where it can be mended."""


@contextmanager
def told_in_one_line(doing: str) -> Iterator[None]:
    """A full disk, a missing right and the like become an Unfit that says what was being done."""
    try:
        yield
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        words = str(cause.__cause__ or cause).strip().partition("\n")[0]
        raise Unfit(f"cannot {doing}: {words or type(cause).__name__}") from error


async def check_reachable(database_url: str) -> None:
    """Raises Unfit."""
    connection = await _connect(database_url)
    await connection.close()


async def check_fitness(database_url: str) -> None:
    """Raises Unfit."""
    connection = await _connect(database_url)
    try:
        await _check_server(connection)
        await _check_role(connection)
        await _check_schema(connection)
    finally:
        await connection.close()


async def _connect(database_url: str) -> asyncpg.Connection[asyncpg.Record]:
    try:
        return await asyncpg.connect(database_url.replace("+asyncpg", ""), timeout=CONNECT_SECONDS_MAX)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise Unfit(f"PostgreSQL cannot be reached ({error or type(error).__name__})") from None


async def _check_server(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    version = int(await connection.fetchval("show server_version_num"))
    if version < VERSION_MIN:
        raise Unfit(f"PostgreSQL {version // 10000} is too old: 15 is the oldest that will do")
    for name in DURABLE_SETTINGS:
        value = await connection.fetchval("select current_setting($1)", name)
        if value in ("off", "local"):
            raise Unfit(f"the server has {name}={value}: acknowledged payments could be lost")


async def _check_role(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    role = await connection.fetchrow(
        "select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user"
    )
    if role is None or role["rolsuper"] or role["rolbypassrls"]:
        raise Unfit("the role is a superuser or bypasses row-level security: use a member of zerosum_app")
    owned = await connection.fetchval(
        "select count(*) from pg_tables where schemaname = 'public' and pg_has_role(tableowner, 'MEMBER')"
    )
    if owned:
        raise Unfit("the role owns the tables: use a member of zerosum_app that owns nothing")


async def _check_schema(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    if await connection.fetchval("select to_regclass('journal_entries')") is None:
        raise Unfit("the schema is missing: run `zerosum migrate`")
    revision = (
        await connection.fetchval("select version_num from alembic_version")
        if await connection.fetchval("select has_table_privilege('alembic_version', 'SELECT')")
        else HEAD
    )
    if revision != HEAD:
        raise Unfit(f"the schema is at revision {revision}, this version needs {HEAD}: run `zerosum migrate`")
    for table in JOURNAL:
        if await connection.fetchval("select has_table_privilege($1, 'UPDATE, DELETE, TRUNCATE')", table.name):
            raise Unfit(f"the role may change {table.name}: revoke UPDATE, DELETE and TRUNCATE")
