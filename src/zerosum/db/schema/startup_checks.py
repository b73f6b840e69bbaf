"""Whether a database can be trusted with money as it is set up: asked once, before anything is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from zerosum.db.batch import BatchConnection
from zerosum.db.database_url import DatabaseUrl, DatabaseUrlError
from zerosum.db.errors import CommitOutcomeUnknown, Failed, words_of
from zerosum.db.errors import Unfit as Unfit
from zerosum.db.schema.feed_order import is_in_order
from zerosum.db.schema.migrations import HEAD
from zerosum.db.schema.tables import APPLICATION_ROLE, GRANTS, JOURNAL, metadata
from zerosum.db.sessions import Session, SessionNotKept, close_session, open_session

CONNECT_SECONDS_MAX = 5.0
CHECK_SECONDS_MAX = 10.0
VERSION_MIN = 150000
"""PostgreSQL 15, the oldest the tests run on."""

ENCODING = "UTF8"
DURABLE_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")

_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError)


@contextmanager
def told_in_one_line(doing: str) -> Iterator[None]:
    """A full disk, a missing right and the like become an Unfit that says what was being done: Failed where it may
    be otherwise next time."""
    try:
        yield
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, CommitOutcomeUnknown) as error:
        cause = getattr(error, "orig", None) or error
        cause = cause.__cause__ or cause
        is_forbidden = isinstance(cause, asyncpg.InsufficientPrivilegeError)
        raise (Unfit if is_forbidden else Failed)(f"cannot {doing}: {words_of(cause)}") from error


async def check_reachable(database_url: str) -> None:
    """For migrations. Raises Unfit."""
    async with _session(database_url) as session:
        await _check_server(session)
        await _check_writable(session)


async def check_migrated(database_url: str, *, is_writing: bool) -> None:
    """For commands beside the service, whatever role they have. Raises Unfit."""
    async with _session(database_url) as session:
        await _check_server(session)
        if is_writing:
            await _check_writable(session)
        await _check_schema(session)
        if is_writing:
            await _check_feed(session)


async def check_fitness(database_url: str) -> None:
    """For the service. Raises Unfit."""
    async with _session(database_url) as session:
        await _check_server(session)
        await _check_writable(session)
        await _check_durable(session)
        await _check_role(session)
        await _check_schema(session)
        await _check_rights(session)
        await _check_feed(session)


async def check_lanes(lane_url: str, database_url: str) -> None:
    """Whether a lane can live there, and writes where the others read. Raises Unfit."""
    if lane_url != database_url:
        await check_fitness(lane_url)
        async with _session(lane_url) as lane, _session(database_url) as session:
            if await _identity(lane) != await _identity(session):
                raise Unfit("it names another database than ZEROSUM_DATABASE_URL")
    try:
        connection = await BatchConnection.open(lane_url, CONNECT_SECONDS_MAX)
    except SessionNotKept as error:
        raise Unfit(
            f"{error}: lanes need ZEROSUM_LANE_DATABASE_URL, a direct address or a pooler in session mode"
        ) from None
    except _FAILURES as error:
        raise Unfit(f"a lane cannot connect ({words_of(error)})") from None
    connection.terminate()


@asynccontextmanager
async def _session(database_url: str) -> AsyncIterator[Session]:
    """A session in one read-only transaction, so that the checks are right behind any pooler."""
    try:
        session = await open_session(DatabaseUrl.parse(database_url), {}, seconds_max=CONNECT_SECONDS_MAX)
    except DatabaseUrlError as error:
        raise Unfit(str(error)) from None
    except _FAILURES as error:
        raise Unfit(f"PostgreSQL cannot be reached ({words_of(error)})") from None
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX), session.transaction(readonly=True):
            yield session
    except _FAILURES as error:
        raise Unfit(f"the database cannot be examined ({words_of(error)})") from None
    finally:
        await close_session(session)


async def _check_server(session: Session) -> None:
    version = int(await session.fetchval("show server_version_num"))
    if version < VERSION_MIN:
        raise Unfit(f"PostgreSQL {version // 10000} is too old: 15 is the oldest that will do")
    encoding = await session.fetchval("show server_encoding")
    if encoding != ENCODING:
        raise Unfit(
            f"the database is encoded in {encoding}: make one with `encoding '{ENCODING}'`, which holds any text"
        )


async def _check_writable(session: Session) -> None:
    if await session.fetchval("select pg_is_in_recovery()"):
        raise Unfit(
            "the server is a read-only standby: name the primary, or all of them with ?target_session_attrs=primary"
        )
    if await session.fetchval("show default_transaction_read_only") == "on":
        raise Unfit("the database is read-only here (default_transaction_read_only=on)")


async def _check_durable(session: Session) -> None:
    for name in DURABLE_SETTINGS:
        value = await session.fetchval("select current_setting($1)", name)
        if value in ("off", "local"):
            raise Unfit(f"the server has {name}={value}: acknowledged payments could be lost")


async def _check_role(session: Session) -> None:
    role = await session.fetchrow("select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user")
    if role is None or role["rolsuper"] or role["rolbypassrls"]:
        raise Unfit("the role is a superuser or bypasses row-level security: use a member of zerosum_app")
    if not await session.fetchval("select has_schema_privilege('public', 'USAGE')"):
        raise Unfit("the role may not use the schema public: grant usage on it")
    owned = await session.fetchval(
        "select count(*) from pg_tables where schemaname = 'public' and pg_has_role(tableowner, 'MEMBER')"
    )
    if owned:
        raise Unfit("the role owns the tables: use a member of zerosum_app that owns nothing")
    # The owner of a schema may drop what is in it. That of `public` is as a rule whoever owns the database.
    if await session.fetchval("select pg_has_role(nspowner, 'MEMBER') from pg_namespace where nspname = 'public'"):
        raise Unfit("the role owns the schema public: use a member of zerosum_app that owns nothing")


async def _check_schema(session: Session) -> None:
    if await session.fetchval("select to_regclass('public.journal_entries')") is None:
        raise Unfit("the schema is missing: run `zerosum migrate`")
    if not await session.fetchval("select to_regprocedure('public.zerosum_refuse_change()')"):
        raise Unfit("the tables belong to another application: Zerosum needs a database of its own")
    if not await session.fetchval("select has_table_privilege('public.alembic_version', 'SELECT')"):
        return  # As it was before migrations told: its tables and rights are checked all the same.
    revision = await session.fetchval("select version_num from public.alembic_version")
    if revision is not None and revision > HEAD:
        raise Unfit(f"the schema is at revision {revision}, of a newer version than this one, which knows {HEAD}")
    if revision != HEAD:
        raise Unfit(f"the schema is at revision {revision}, this version needs {HEAD}: run `zerosum migrate`")


async def _check_rights(session: Session) -> None:
    for table in JOURNAL:
        if await session.fetchval("select has_table_privilege($1, 'UPDATE, DELETE, TRUNCATE')", f"public.{table.name}"):
            raise Unfit(f"the role may change {table.name}: revoke UPDATE, DELETE and TRUNCATE")
    if not await session.fetchval("select has_any_column_privilege('public.accounts', 'UPDATE')"):
        raise Unfit(f"the role may not UPDATE accounts: grant {APPLICATION_ROLE} to it")
    for table in metadata.sorted_tables:
        for right in ("SELECT", "INSERT") if "insert" in GRANTS[table] else ("SELECT",):
            if not await session.fetchval("select has_table_privilege($1, $2)", f"public.{table.name}", right):
                raise Unfit(f"the role may not {right} in {table.name}: grant {APPLICATION_ROLE} to it")


async def _check_feed(session: Session) -> None:
    """Whatever was written now would lie where readers have been: so nothing is."""
    if not await is_in_order(session):
        raise Unfit(
            "the database was restored into a server with younger transaction numbers, and the feed of events would "
            "lose its order: run `zerosum migrate`"
        )


async def _identity(session: Session) -> tuple[object, ...]:
    row = await session.fetchrow(
        "select pg_postmaster_start_time(), oid from pg_database where datname = current_database()"
    )
    return tuple(row or ())
