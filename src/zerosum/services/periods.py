"""Use cases about periods: closing one (`period_closing.py`), and reading what was closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.periods import RecordedClosing as RecordedClosing  # shown by the routes
from zerosum.db.queries.periods import RecordedLateEntry as RecordedLateEntry
from zerosum.db.queries.periods import list_closings, list_late_entries
from zerosum.services.committing.submission import Done
from zerosum.services.period_closing import PeriodCloser, closing_of, period_of, unfinished
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.settled_time import SettledTime


class Periods:
    def __init__(
        self,
        database: Database,
        currencies: Currencies,
        cursors: Cursors,
        settled: SettledTime,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cursors = cursors
        self._closing = PeriodCloser(database, currencies, settled, now)
        self._running: dict[tuple[UUID, str, str, str | None], asyncio.Task[Done[RecordedClosing]]] = {}

    async def close(self, caller: Caller, period_id: str, key: str, note: str | None = None) -> Done[RecordedClosing]:
        """Of a large ledger it takes longer than a caller is let wait: it goes on, and the same call joins it."""
        asked = (caller.ledger_id, key, period_id, note)
        running = self._running.get(asked)
        if running is None:
            running = self._running[asked] = asyncio.create_task(self._closing.close(caller, period_id, key, note))
            running.add_done_callback(lambda done: self._end(asked, done))
        return await asyncio.shield(running)

    def _end(self, asked: tuple[UUID, str, str, str | None], done: asyncio.Task[Done[RecordedClosing]]) -> None:
        del self._running[asked]
        if not done.cancelled():
            done.exception()  # looked at, or asyncio complains where its caller has left

    async def get(self, caller: Caller, period_id: str) -> RecordedClosing:
        """Raises InvalidId, PeriodNotFound for one that was not closed by itself."""
        async with self._database.work(caller.ledger_id) as connection:
            await period_of(connection, caller, period_id)
            return await closing_of(connection, caller, period_id)

    async def sealed(self, caller: Caller, period_id: str) -> RecordedClosing:
        """The same where its balances are sealed. Raises PeriodClosing otherwise."""
        closing = await self.get(caller, period_id)
        if closing.recorded_until is None:
            raise unfinished(closing.period)
        return closing

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedClosing]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_closings(
                connection,
                caller.ledger_id,
                after=position.after_as(int),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda closing: closing.number)

    async def list_late_entries(self, caller: Caller, period_id: str, request: PageRequest) -> Page[RecordedLateEntry]:
        """What was dated into closed time while this was the newest closing. Raises InvalidId, PeriodNotFound."""
        position = self._cursors.position(caller.ledger_id, request)
        closing = await self.get(caller, period_id)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_late_entries(
                connection,
                caller.ledger_id,
                closing.number,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda late: late.id)
