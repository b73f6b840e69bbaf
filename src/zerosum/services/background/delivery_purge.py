"""Background work: what is old of the log of webhook deliveries is taken away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from zerosum.db.engine import Database
from zerosum.db.queries.webhook_deliveries import free_stuck, purge_deliveries
from zerosum.db.queries.webhook_endpoints import all_endpoints

AT_ONCE = 2_000
SLICES_MAX = 200
"""Of one endpoint in one turn."""


class DeliveryPurge:
    """What has ended stays for so many days; of an endpoint that is deleted nothing does.

    It also looks for deliveries that wait behind nothing: there are none, unless the table was changed by hand.
    """

    def __init__(self, database: Database, now: Callable[[], datetime], kept_days: int) -> None:
        self._database = database
        self._now = now
        self._kept = timedelta(days=kept_days)

    async def run_once(self) -> int:
        """How many were taken away."""
        now, taken = self._now(), 0
        async with self._database.operator_work() as connection:
            endpoints = await all_endpoints(connection)
        for ledger_id, endpoint_id, is_deleted in endpoints:
            before = now if is_deleted else now - self._kept
            for _ in range(SLICES_MAX):
                async with self._database.work(ledger_id) as connection:
                    gone = await purge_deliveries(
                        connection, ledger_id, endpoint_id, before, is_deleted=is_deleted, at_once=AT_ONCE
                    )
                taken += gone
                if gone < AT_ONCE:
                    break
            if not is_deleted:
                async with self._database.work(ledger_id) as connection:
                    await free_stuck(connection, ledger_id, endpoint_id, now)
        return taken
