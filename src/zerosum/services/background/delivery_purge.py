"""Background work: what is old of the log of webhook deliveries is taken away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.webhook_deliveries import free_stuck, purge_deliveries
from zerosum.db.queries.webhook_endpoints import all_endpoints, find_endpoint
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.webhooks import DELETED, EndpointStatus
from zerosum.services.webhooks.parking import park

AT_ONCE = 2_000
SLICES_MAX = 200
"""Of one endpoint in one turn."""

_log = logging.getLogger(__name__)


class DeliveryPurge:
    """What has ended stays for so many days; of an endpoint that is deleted nothing does.

    It also looks for deliveries that wait behind nothing: there are none, unless the table was changed by hand. And it
    parks what an endpoint that is disabled still waits for.
    """

    def __init__(self, database: Database, now: Callable[[], datetime], kept_days: int) -> None:
        self._database = database
        self._now = now
        self._kept = timedelta(days=kept_days)
        self._looked_to: dict[UUID, UUID] = {}
        """Behind which event looking for what waits goes on, of endpoints with more than one turn looks at."""

    async def run_once(self) -> int:
        """How many were taken away. An endpoint at which it fails has its turn again, and holds up no other."""
        taken = 0
        async with self._database.operator_work() as connection:
            endpoints = await all_endpoints(connection)
        for ledger_id, endpoint_id, status in endpoints:
            try:
                taken += await self._purge(ledger_id, endpoint_id, is_deleted=status == DELETED)
                if status == EndpointStatus.DISABLED:
                    await park(self._database, ledger_id, endpoint_id, slices_max=SLICES_MAX)
                if status != DELETED:
                    await self._free_stuck(ledger_id, endpoint_id)
            except DomainError as error:
                named = render_id(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
                _log.warning("old deliveries to %s are taken away later: %s", named, error.code)
        return taken

    async def _purge(self, ledger_id: UUID, endpoint_id: UUID, *, is_deleted: bool) -> int:
        taken, now = 0, self._now()
        before = now if is_deleted else now - self._kept
        for _ in range(SLICES_MAX):
            async with self._database.work(ledger_id) as connection:
                gone = await purge_deliveries(
                    connection, ledger_id, endpoint_id, before, is_deleted=is_deleted, at_once=AT_ONCE
                )
            taken += gone
            if gone < AT_ONCE:
                break
        return taken

    async def _free_stuck(self, ledger_id: UUID, endpoint_id: UUID) -> None:
        after = self._looked_to.pop(endpoint_id, None)
        for _ in range(SLICES_MAX):
            async with self._database.work(ledger_id) as connection:
                # Locked, as by all who end deliveries: else one that is just being made due could be so twice.
                await find_endpoint(connection, ledger_id, endpoint_id, is_locked=True)
                after = await free_stuck(connection, ledger_id, endpoint_id, self._now(), after, at_once=AT_ONCE)
            if after is None:
                return
        if after is not None:
            self._looked_to[endpoint_id] = after
