"""Whether this machine's clock is near PostgreSQL's: what several workers claim is compared by their clocks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from zerosum.db.engine import Database
from zerosum.db.queries.moments import database_clock
from zerosum.domain.identifiers import SERVICE_LEDGER

APART_MAX = timedelta(seconds=5)
"""Two workers may differ by twice as much, and by so much a claim outlasts the last moment at which it is sent."""

_log = logging.getLogger(__name__)


class ClockAgreement:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._held = True

    async def holds(self) -> bool:
        """It is told when that changes. What the question itself takes is not held against the clock."""
        before = self._now()
        async with self._database.work(SERVICE_LEDGER) as connection:
            there = await database_clock(connection)
        apart = max(before - there, there - self._now())
        holds = apart <= APART_MAX
        if self._held and not holds:
            _log.error(
                "no processor is asked: this clock and that of PostgreSQL are %.0f s apart", apart.total_seconds()
            )
        elif holds and not self._held:
            _log.warning("processors are asked again: this clock is near that of PostgreSQL")
        self._held = holds
        return holds
