"""From when on nothing can be written any more that says it was written before: what makes looking back repeatable.

A posting gets its `posted_at` under the lock of its accounts, before its transaction commits. So what was written by an
instant is settled when the clocks of all writers have passed it and all transactions that were open then have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.writers import find_writers
from zerosum.domain.errors import Unavailable

CLOCKS_APART_MAX = timedelta(seconds=1)
"""By so much the clocks of two machines that write into one database may differ (`docs/OPERATIONS.md`)."""

WRITES_LAST_MAX = timedelta(minutes=5)
"""No transaction of the service is open for so long by far: what is older has settled without a look."""

WAIT_SECONDS_MAX = 3.0
LOOK_EVERY_SECONDS = 0.01


class SettledTime:
    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._now = now
        self._pause = pause

    async def reach(self, ledger_id: UUID, wanted: datetime | None = None) -> datetime:
        """The instant asked for, or now where that is earlier, once nothing can be written before it any more.

        Raises Unavailable where somebody keeps a transaction open for too long.
        """
        arrived = self._now()
        instant = arrived if wanted is None else min(wanted, arrived)
        if instant < arrived - WRITES_LAST_MAX:
            return instant
        still_ahead = instant + CLOCKS_APART_MAX - arrived
        if still_ahead > timedelta(0):
            await self._pause(still_ahead.total_seconds())
        waited = 0.0
        open_then = await self._writers(ledger_id)
        while open_then:
            if waited >= WAIT_SECONDS_MAX:
                raise Unavailable(
                    "Something that may have been written by then is not committed yet; nothing was done.",
                    retry_after=1,
                )
            await self._pause(LOOK_EVERY_SECONDS)
            waited += LOOK_EVERY_SECONDS
            open_then &= await self._writers(ledger_id)
        return instant

    async def _writers(self, ledger_id: UUID) -> set[str]:
        async with self._database.snapshot(ledger_id) as connection:
            return await find_writers(connection)
