"""Which dates of a ledger are closed, as far as this process knows: only what may lie there is looked at closely.

What is remembered may be a moment old. An entry that goes by it into a period that was closed meanwhile is refused by
the database itself (`guards.py`), and a retry knows better.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.periods import newest_closing
from zerosum.domain.errors import ValidationFailed
from zerosum.domain.ledger.periods import Closing, Dating
from zerosum.services.requests.account_directory import NotPrepared

REMEMBERED_FOR = timedelta(seconds=1)
REMEMBERED_MAX = 10_000
"""Ledgers."""


class ClosedPeriods:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._known: dict[UUID, tuple[datetime, Closing | None]] = {}

    def dating(
        self, ledger_id: UUID, effective_at: datetime | None, override: str | None, *, is_prepared: bool
    ) -> Dating | None:
        """None where the date is open. Raises NotPrepared where nothing was loaded lately, and ValidationFailed."""
        if effective_at is None:
            if override is not None:
                raise ValidationFailed("An override says to which time: give `effective_at`.", pointer="/effective_at")
            return None
        read_at, closing = self._known.get(ledger_id, (None, None))
        if read_at is None or not (is_prepared or self._is_fresh(read_at)):
            raise NotPrepared
        is_closed = closing is not None and closing.closes(effective_at)
        return Dating(override) if is_closed or override is not None else None

    async def load(self, ledger_id: UUID, dates: Collection[datetime | None]) -> None:
        """Where one of these dates has to be looked at."""
        if all(date is None for date in dates):
            return
        read_at, _ = self._known.get(ledger_id, (None, None))
        if read_at is not None and self._is_fresh(read_at):
            return
        read_at = self._now()
        async with self._database.work(ledger_id) as connection:
            closing = await newest_closing(connection, ledger_id)
        if len(self._known) >= REMEMBERED_MAX and ledger_id not in self._known:
            del self._known[next(iter(self._known))]
        self._known[ledger_id] = read_at, closing

    def _is_fresh(self, read_at: datetime) -> bool:
        """Not where the clock was put back either."""
        return timedelta(0) <= self._now() - read_at < REMEMBERED_FOR
