"""One lane's connection: a session of its own, its settings, its transaction.

It speaks asyncpg directly: this is the one hot path, and an ORM or a query builder would cost more here than the
database does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg

from zerosum.db.batch.loading import Loader
from zerosum.db.database_url import DatabaseUrl
from zerosum.db.errors import CommitOutcomeUnknown, FailureKind, classify
from zerosum.db.sessions import LIMITS, Session, open_kept_session

# A batch always finds its rows by key. The planner is not to think otherwise, whatever the statistics of a young table
# say; and a generic plan is kept, so that a batch of one does not pay for planning.
LANE_SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_memoize": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "statement_timeout": "10s",
    **LIMITS,
    # Longer than a batch of another process takes. Whose accounts cannot be had by then is tried apart.
    "lock_timeout": "1s",
}

LOCK_TIMEOUT_APART = "20ms"

_SERVER = "select pg_postmaster_start_time()"

Reply = TypeVar("Reply")


TellCommit = Callable[[str], Callable[[bool], None]]
"""Told of every round trip that commits, as it begins. What comes back is told whether it has failed."""


class BatchConnection:
    """One lane's own connection. Not shared, never pooled; thrown away after any error."""

    def __init__(self, connection: Session) -> None:
        self._connection = connection
        self._prepared: dict[str, asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]] = {}
        self._batches = 0
        self.loader = Loader(self.fetch, is_locking=True)
        self.tell_commit: TellCommit | None = None
        self.server: datetime | None = None
        """When that was started to which it speaks: two of the same one number transactions alike."""

    @classmethod
    async def open(cls, url: str, connect_seconds_max: float) -> Self:
        """Raises SessionNotKept behind a pooler that would forget statements, and what connecting raises."""
        session = await open_kept_session(
            DatabaseUrl.parse(url),
            LANE_SETTINGS,
            seconds_max=connect_seconds_max,
            application_name="zerosum lane",
        )
        session.use_own_arrays()
        connection = cls(session)
        try:
            connection.server = await session.fetchval(_SERVER)
        except BaseException:
            session.terminate()
            raise
        return connection

    async def begin(self, ledger_ids: Iterable[UUID], *, is_impatient: bool = False) -> None:
        """Open a transaction that sees exactly these ledgers. The settings die with the transaction."""
        await self._renew_plans()
        ledgers = ",".join(map(str, ledger_ids))  # UUIDs only: nothing to escape
        limit = f", set_config('lock_timeout', '{LOCK_TIMEOUT_APART}', true)" if is_impatient else ""
        await self._connection.execute(f"begin; select set_config('zerosum.ledgers', '{{{ledgers}}}', true){limit}")

    async def _renew_plans(self) -> None:
        """Plans made while the tables were still empty are thrown away as they grow: after batch 1, 2, 4, 8…"""
        self._batches += 1
        if self._batches.bit_count() == 1:
            await self._connection.execute("discard plans")

    async def post(self, statement: str, arguments: Sequence[Any], seconds_max: float) -> tuple[str, int | None]:
        """A whole transaction in one statement, never cancelled, for its end is the COMMIT.

        What it tells, and the number of the transaction where it has written. Raises as `commit` does.
        """
        await self._renew_plans()
        rows = await self._unhurried("post", self.fetch(statement, *arguments), seconds_max)
        return rows[0][0], rows[0][1]

    async def commit(self, seconds_max: float) -> None:
        """Commit, and never cancel it: a cancelled COMMIT may still happen.

        Raises CommitOutcomeUnknown when the reply does not come or means little. Other errors mean that it was refused,
        CommitRefused among them.
        """
        await self._unhurried("commit", self._connection.execute("commit"), seconds_max)

    async def _unhurried(self, operation: str, sending: Coroutine[Any, Any, Reply], seconds_max: float) -> Reply:
        """The reply to what commits; if it does not come in time, the connection is given up."""
        tell_end = None if self.tell_commit is None else self.tell_commit(operation)
        sent = asyncio.ensure_future(sending)
        await asyncio.wait({sent}, timeout=seconds_max)
        if tell_end is not None:
            tell_end(not sent.done() or sent.exception() is not None)
        if not sent.done():
            self.terminate()
        try:
            reply = await sent
        except Exception as error:
            if classify(error) is FailureKind.CONNECTION:
                raise CommitOutcomeUnknown from error
            raise
        self._connection.must_have_kept_standby()
        return reply

    async def rollback(self) -> None:
        await self._connection.execute("rollback")

    @property
    def is_closed(self) -> bool:
        return bool(self._connection.is_closed())

    def terminate(self) -> None:
        """Drop the connection at once, whatever it is doing."""
        self._connection.terminate()

    async def close(self) -> None:
        await self._connection.close()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = await self._connection.prepare(statement)
        return await prepared.fetch(*arguments)
