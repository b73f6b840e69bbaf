"""Background work: what the branches of each ledger came to is sealed, so that no page adds up a million accounts."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import every_ledger
from zerosum.db.queries.total_seals import has_unsealed_totals, seal_totals
from zerosum.domain.errors import Unavailable
from zerosum.services.requests.settled_time import SettledTime

SEAL_ENTRIES, SEAL_ENTRIES_MAX = 1_024, 65_536
"""So many journal entries lie between two seals: about as many are added up for a page at an instant."""

SEAL_SECONDS = 0.05
"""A seal looks at all entries of the minutes around it, however few it is for. One that takes longer than this is for
twice as many the next time, one that takes less than a quarter of it for half as many."""

RESTS, REST_SECONDS_MAX = 4.0, 2.0
"""Behind each seal, so many times what it took: who pays meanwhile has most of the machine."""

TURN_SECONDS_MAX = 10.0

STEPS_MAX = 10_000
"""Ledgers of which it is remembered how many entries a seal is for."""

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
        entries_max: int = SEAL_ENTRIES_MAX,
        kept_accounts: int = KEPT_ACCOUNTS,
        behind: timedelta = BEHIND,
    ) -> None:
        self._database = database
        self._settled = SettledTime(database, now)
        self._now = now
        self._entries = entries
        self._entries_max = entries_max
        self._steps: dict[UUID, int] = {}
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
        horizon = await self._horizon(ledger_id)
        if horizon is None:
            return 0
        sealed, entries = 0, self._steps.pop(ledger_id, self._entries)
        ends = monotonic() + TURN_SECONDS_MAX
        while sealed < seals_max and monotonic() < ends:
            begun = monotonic()
            is_sealed = await self._seal(ledger_id, horizon, entries)
            took = monotonic() - begun
            if not is_sealed or took < SEAL_SECONDS / 4:
                entries = max(entries // 2, self._entries)
            elif took > SEAL_SECONDS:
                entries = min(entries * 2, self._entries_max)
            if not is_sealed:
                break
            sealed += 1
            await sleep(min(RESTS * took, REST_SECONDS_MAX))
        if entries > self._entries and len(self._steps) < STEPS_MAX:
            self._steps[ledger_id] = entries
        return sealed

    async def _horizon(self, ledger_id: UUID) -> datetime | None:
        """Up to when there is something to seal."""
        async with self._database.work(ledger_id) as connection:
            if not await has_unsealed_totals(connection, ledger_id, entries=self._entries):
                return None
        try:
            return await self._settled.reach(ledger_id, self._now() - self._behind)
        except Unavailable:  # Somebody writes for long: a seal is for ever, so it waits for its next turn.
            return None

    async def _seal(self, ledger_id: UUID, horizon: datetime, entries: int) -> bool:
        async with self._database.work(ledger_id) as connection:
            return await seal_totals(connection, ledger_id, horizon, entries=entries, accounts=self._kept_accounts)
