"""The pool for everything but the committer's lanes, and the unit of work in which each statement runs."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from zerosum.db.database_url import DatabaseUrl
from zerosum.db.errors import CommitOutcomeUnknown, FailureKind, classify, words_of
from zerosum.db.schema.migrations import HEAD
from zerosum.db.schema.tables import GRANTS, metadata
from zerosum.db.sessions import LIMITS, Session, open_session, set_locally
from zerosum.domain.errors import OutcomeUnknown, Unavailable

POOL_WAIT_SECONDS_MAX = 1.0
STATEMENT_TIMEOUT = "5s"

IDLE_TIMEOUT = "5s"
"""As long as a statement may take. A lane holds rows that payments wait for, so its own bound is shorter; what the pool
does is mostly reading, and a process that was starved for two seconds should not answer its readers with 503."""

COMMIT_SECONDS_MAX = 5.0
"""PostgreSQL's time-out of statements does not hold for a COMMIT, which may wait for a standby that never comes."""

SILENT_SECONDS = 10.0
"""While PostgreSQL is away every request finds it away: why is logged this seldom."""

Connection = AsyncConnection
"""One open unit of work, for the functions of this room."""

_log = logging.getLogger(__name__)

_FAILURES = (
    DBAPIError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that is being ended just now
    CommitOutcomeUnknown,
)

_SET_LEDGERS = text("select set_config('zerosum.ledgers', :ledgers, true)")
_ASK_STATE = text("""
select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'
       and bool_and(coalesce(has_table_privilege(place, 'SELECT') and (name <> all(cast(:written as text[]))
           or has_table_privilege(place, 'INSERT')), false))
       and coalesce(has_any_column_privilege(to_regclass('public.accounts'), 'UPDATE'), false)
           as is_writable,
       coalesce(has_table_privilege(to_regclass('public.alembic_version'), 'SELECT'), false) as tells_revision
from (select name, to_regclass('public.' || name) as place from unnest(cast(:tables as text[])) name) wanted
""")
_ASK_REVISION = text("select max(version_num) from public.alembic_version")
_SET_OPERATOR = text("select set_config('zerosum.operator', 'on', true)")
_EXPORT = text("select pg_export_snapshot()")
_SNAPSHOT = re.compile("[0-9A-F-]{1,64}", re.ASCII)


def make_engine(
    database_url: str, pool_size: int, statement_timeout: str = STATEMENT_TIMEOUT, idle_timeout: str = IDLE_TIMEOUT
) -> AsyncEngine:
    """A small pool without overflow: a request that finds it empty waits a bounded time, then is refused.

    Raises DatabaseUrlError.
    """
    url = DatabaseUrl.parse(database_url)
    settings = {
        "jit": "off",
        "statement_timeout": statement_timeout,
        **LIMITS,
        "idle_in_transaction_session_timeout": idle_timeout,
    }
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: open_session(url, settings, seconds_max=POOL_WAIT_SECONDS_MAX, may_keep_statements=True),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS_MAX,
        pool_pre_ping=False,
    )
    event.listen(engine.sync_engine, "connect", _keep_no_statements_of_a_pooler)
    return engine


def _keep_no_statements_of_a_pooler(adapted: Any, _: object) -> None:
    """The next transaction may have another server process, which knows none of them. Unnamed ones need no keeping."""
    if adapted.driver_connection.is_pooled:
        adapted._prepared_statement_cache = None  # noqa: SLF001 - a number for the whole engine is all it takes
        adapted._prepared_statement_name_func = str  # noqa: SLF001 - the empty name


class Database:
    """Opens units of work. One is one transaction that sees exactly the ledgers it was opened for."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._told_at: float | None = None
        self.waiting = 0
        """Who waits for a connection: units of work, and glances."""

    @property
    def in_use(self) -> int:
        """Connections that somebody has at this moment."""
        pool: Any = self._engine.pool
        return int(pool.checkedout())

    @property
    def connections_max(self) -> int:
        pool: Any = self._engine.pool
        return int(pool.size())

    @asynccontextmanager
    async def work(self, *ledger_ids: UUID) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, rolls back on an error. The ledgers are set by the explicit first statement.

        Raises Unavailable when PostgreSQL is away or too slow, OutcomeUnknown when it went away in the COMMIT or cannot
        promise that what it committed lasts, and CommitRefused when a statement had failed which nobody had noticed.
        """
        is_committing = False
        try:
            async with AsyncExitStack() as stack:
                connection = await self._begun(stack, ledger_ids)
                yield connection
                is_committing = True
                await _commit(connection)
        except _FAILURES as error:
            if isinstance(_cause(error), asyncpg.ReadOnlySQLTransactionError):
                await self._engine.dispose()
            raise self._translated(error, is_committing=is_committing) from error

    async def glance(self, statement: str, *arguments: Any) -> list[Any] | None:
        """The rows of one statement that opens its ledgers itself: a round trip, where a unit of work takes four.

        None where that cannot be had, behind a pooler or since something has failed: a unit of work knows what to do.
        Raises Unavailable where waiting was in vain.
        """
        try:
            async with AsyncExitStack() as stack:
                session = _session_of(await self._taken(stack))
                if session.is_pooled:
                    return None
                try:
                    found: list[Any] = await session.fetch(statement, *arguments)
                except BaseException:
                    session.terminate()  # Whatever state it is in: the pool replaces it.
                    raise
                return found
        except (PoolTimeout, asyncpg.QueryCanceledError) as error:
            raise self._translated(error, is_committing=False) from error
        except _FAILURES:
            return None

    @asynccontextmanager
    async def snapshot(self, *ledger_ids: UUID, of: str | None = None) -> AsyncIterator[AsyncConnection]:
        """A read-only unit of work in which every statement sees the same instant. Raises Unavailable.

        `of` names that of another one, which is still open (`name_snapshot`).
        """
        try:
            async with AsyncExitStack() as stack:
                yield await self._begun(
                    stack, ledger_ids, of, isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
        except _FAILURES as error:
            raise self._translated(error, is_committing=False) from error

    @asynccontextmanager
    async def operator_work(self, *ledger_ids: UUID) -> AsyncIterator[AsyncConnection]:
        """A unit of work that also sees all ledgers' names and API keys: for administration only."""
        async with self.work(*ledger_ids) as connection:
            await connection.execute(_SET_OPERATOR)
            yield connection

    async def is_ready(self) -> bool:
        """Whether PostgreSQL takes writes, from this role, into tables as this version needs them.

        A newer schema will do for a service that runs: it was migrated for the version that is to replace this one.
        """
        async with self.work() as connection:
            written = [table.name for table, rights in GRANTS.items() if "insert" in rights]
            state = (await connection.execute(_ASK_STATE, {"tables": list(metadata.tables), "written": written})).one()
            revision = (await connection.execute(_ASK_REVISION)).scalar() if state.tells_revision else HEAD
        if not state.is_writable:
            # A primary that was demoted: new connections may find the one that took its place.
            await self._engine.dispose()
        return bool(state.is_writable) and revision is not None and revision >= HEAD

    async def close(self) -> None:
        await self._engine.dispose()

    async def _begun(
        self, stack: AsyncExitStack, ledger_ids: Iterable[UUID], snapshot: str | None = None, **execution_options: Any
    ) -> AsyncConnection:
        """A connection in a transaction, its ledgers set. One that died in the pool is replaced, unseen."""
        for is_last in (False, True):
            connection = await self._taken(stack)
            if execution_options:
                await connection.execution_options(**execution_options)
            try:
                if snapshot is not None:  # Before anything else is asked.
                    await connection.exec_driver_sql(_see(snapshot))
                await connection.execute(_SET_LEDGERS, {"ledgers": _array(ledger_ids)})
                await _limit(connection)
            except DBAPIError as error:
                if is_last or not error.connection_invalidated:
                    raise
            else:
                return connection
        raise LookupError("the second of two attempts neither failed nor succeeded")

    async def _taken(self, stack: AsyncExitStack) -> AsyncConnection:
        """Out of the pool, as soon as there is one."""
        self.waiting += 1
        try:
            return await stack.enter_async_context(self._engine.connect())
        finally:
            self.waiting -= 1

    def _translated(self, error: BaseException, *, is_committing: bool) -> Exception:
        """What a failure of the database means to the caller. A defect of ours stays what it is."""
        is_away = isinstance(error, PoolTimeout) or classify(_cause(error)) is not FailureKind.DEFECT
        if isinstance(error, DBAPIError):
            is_away = is_away or error.connection_invalidated
        if not is_away:
            return error if isinstance(error, Exception) else RuntimeError(str(error))
        if self._told_at is None or time.monotonic() - self._told_at > SILENT_SECONDS:
            self._told_at = time.monotonic()
            _log.warning("PostgreSQL cannot be used: %s", words_of(_cause(error)))
        if is_committing:
            return OutcomeUnknown("The database has not confirmed it; look before you try again.")
        return Unavailable("The database cannot be reached; nothing was done.", retry_after=1)


async def renew_plans(connection: AsyncConnection, size: int) -> None:
    """Plans that its session has made when there was half as much are thrown away.

    Of a young table whatever finds a row is as good as its key; such a plan must not live until PostgreSQL has looked
    at the table. `size` is any number that grows as the tables do.
    """
    session = _session_of(connection)
    if size >= 2 * session.planned_for:
        session.planned_for = max(size, 1)
        await connection.exec_driver_sql("discard plans")


async def name_snapshot(connection: AsyncConnection) -> str:
    """The name of what a unit of work sees, for others that are to see the same while it is open."""
    name: str = (await connection.execute(_EXPORT)).scalar_one()
    return name


def _see(snapshot: str) -> str:
    if _SNAPSHOT.fullmatch(snapshot) is None:
        raise ValueError("this is the name of no snapshot")
    return f"set transaction snapshot '{snapshot}'"


async def _commit(connection: AsyncConnection) -> None:
    """Cancelling it would end the wait for the standby, which is not to end; so the connection is given up instead."""
    session = _session_of(connection)
    giving_up = asyncio.get_running_loop().call_later(COMMIT_SECONDS_MAX, session.terminate)
    try:
        await connection.commit()
    finally:
        giving_up.cancel()


def _session_of(connection: AsyncConnection) -> Session:
    begun = connection.sync_connection
    session = None if begun is None else begun.connection.driver_connection
    if not isinstance(session, Session):
        raise TypeError("a connection of the pool is no session of ours")
    return session


async def _limit(connection: AsyncConnection) -> None:
    """Behind a pooler the limits of a session do not hold; those of a transaction do."""
    session = _session_of(connection)
    if session.is_pooled:
        await connection.exec_driver_sql(set_locally(session.settings))


def _cause(error: BaseException) -> BaseException:
    """What the driver raised. The cause of a time that was up is only how it was ended."""
    original: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        original = error.orig
    return original if isinstance(original, TimeoutError) else original.__cause__ or original


def _array(ledger_ids: Iterable[UUID]) -> str:
    return "{" + ",".join(map(str, ledger_ids)) + "}"
