"""The pool for everything but the committer's lanes, and the unit of work in which each statement runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

POOL_WAIT_SECONDS_MAX = 1.0
STATEMENT_TIMEOUT = "5s"

Connection = AsyncConnection
"""One open unit of work, for the functions of this room."""

_SET_LEDGERS = text("select set_config('zerosum.ledgers', :ledgers, true)")
_SET_OPERATOR = text("select set_config('zerosum.operator', 'on', true)")


def make_engine(database_url: str, pool_size: int, statement_timeout: str = STATEMENT_TIMEOUT) -> AsyncEngine:
    """A small pool without overflow: a request that finds it empty waits a bounded time, then is refused."""
    return create_async_engine(
        make_url(database_url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS_MAX,
        pool_pre_ping=False,
        connect_args={
            "timeout": POOL_WAIT_SECONDS_MAX,
            "server_settings": {
                "application_name": "zerosum",
                "jit": "off",
                "statement_timeout": statement_timeout,
                "lock_timeout": "2s",
                "idle_in_transaction_session_timeout": "15s",
            },
        },
    )


class Database:
    """Opens units of work. One is one transaction that sees exactly the ledgers it was opened for."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def work(self, *ledger_ids: UUID) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, rolls back on an error. The ledgers are set by the explicit first statement."""
        async with self._engine.begin() as connection:
            await connection.execute(_SET_LEDGERS, {"ledgers": _array(ledger_ids)})
            yield connection

    @asynccontextmanager
    async def snapshot(self, *ledger_ids: UUID) -> AsyncIterator[AsyncConnection]:
        """A read-only unit of work in which every statement sees the same instant."""
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                await connection.execute(_SET_LEDGERS, {"ledgers": _array(ledger_ids)})
                yield connection

    @asynccontextmanager
    async def operator_work(self, *ledger_ids: UUID) -> AsyncIterator[AsyncConnection]:
        """A unit of work that also sees all ledgers' names and API keys: for administration only."""
        async with self.work(*ledger_ids) as connection:
            await connection.execute(_SET_OPERATOR)
            yield connection

    async def is_ready(self) -> bool:
        """Whether PostgreSQL answers and takes writes."""
        async with self._engine.connect() as connection:
            return not (await connection.execute(text("select pg_is_in_recovery()"))).scalar_one()

    async def close(self) -> None:
        await self._engine.dispose()


def _array(ledger_ids: Iterable[UUID]) -> str:
    return "{" + ",".join(map(str, ledger_ids)) + "}"
