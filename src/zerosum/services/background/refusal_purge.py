"""Background work: refusals older than an installation keeps them make room."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import every_ledger
from zerosum.db.queries.refusals import purge_refusals

KEPT_DAYS_MIN = 30
"""The database itself keeps them for so long (`zerosum_purge_refusals`)."""

BATCH_ROWS = 2_000
BATCHES_MAX = 50
"""Of one ledger in one run; what is left over goes at the next."""


class RefusalPurge:
    def __init__(self, database: Database, now: Callable[[], datetime], kept_days: int) -> None:
        if kept_days < KEPT_DAYS_MIN:
            raise ValueError(f"refusals are kept for at least {KEPT_DAYS_MIN} days")
        self._database = database
        self._now = now
        self._kept = timedelta(days=kept_days)

    async def run_once(self) -> int:
        """How many were taken away, ledger by ledger, in transactions of their own."""
        taken = 0
        async for ledger in every_ledger(self._database):
            taken += await self._purge(ledger.id)
        return taken

    async def _purge(self, ledger_id: UUID) -> int:
        taken = 0
        for _ in range(BATCHES_MAX):
            async with self._database.work(ledger_id) as connection:
                number = await purge_refusals(
                    connection, ledger_id, before=self._now() - self._kept, at_most=BATCH_ROWS
                )
            taken += number
            if number < BATCH_ROWS:
                break
        return taken
