"""Background work: what the branches of each ledger came to is sealed, so that no page adds up a million accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import every_ledger
from zerosum.db.queries.total_seals import has_unsealed_totals, seal_totals
from zerosum.domain.errors import Unavailable
from zerosum.services.requests.settled_time import SettledTime

SEAL_ENTRIES = 1_024
"""So many journal entries lie between two seals: about as many are added up for a page at an instant."""

KEPT_ACCOUNTS = 100
"""A branch with so many is kept. What is smaller is added up where it is shown."""

BEHIND = timedelta(seconds=10)
"""What is posted gets its time before it is sent to the database. Nobody takes so long for that."""

SEALS_MAX = 512
"""In one turn, half a million entries: what is left over is sealed at the next."""


class TotalsSealing:
    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        *,
        entries: int = SEAL_ENTRIES,
        kept_accounts: int = KEPT_ACCOUNTS,
        behind: timedelta = BEHIND,
    ) -> None:
        self._database = database
        self._settled = SettledTime(database, now)
        self._now = now
        self._entries = entries
        self._kept_accounts = kept_accounts
        self._behind = behind

    async def run_once(self) -> int:
        """How many seals were set, each in a transaction of its own."""
        sealed = 0
        async for ledger in every_ledger(self._database):
            sealed += await self.seal(ledger.id, SEALS_MAX - sealed)
            if sealed >= SEALS_MAX:
                break
        return sealed

    async def seal(self, ledger_id: UUID, seals_max: int) -> int:
        """Of one ledger."""
        async with self._database.work(ledger_id) as connection:
            if not await has_unsealed_totals(connection, ledger_id, entries=self._entries):
                return 0
        try:
            horizon = await self._settled.reach(ledger_id, self._now() - self._behind)
        except Unavailable:  # Somebody writes for long: a seal is for ever, so it waits for its next turn.
            return 0
        sealed = 0
        while sealed < seals_max and await self._seal(ledger_id, horizon):
            sealed += 1
        return sealed

    async def _seal(self, ledger_id: UUID, horizon: datetime) -> bool:
        async with self._database.work(ledger_id) as connection:
            return await seal_totals(
                connection, ledger_id, horizon, entries=self._entries, accounts=self._kept_accounts
            )
