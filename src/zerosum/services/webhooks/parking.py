"""What was to be sent to an endpoint that is disabled is parked: kept, and not sent until it is replayed."""

from __future__ import annotations

from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.webhook_deliveries import park_pending

PARKED_AT_ONCE = 5_000
SLICES_MAX = 2_000


async def park_all(database: Database, ledger_id: UUID, endpoint_id: UUID) -> None:
    """In slices. Nothing is added meanwhile, for the endpoint is disabled."""
    for _ in range(SLICES_MAX):
        async with database.work(ledger_id) as connection:
            if await park_pending(connection, ledger_id, endpoint_id, at_once=PARKED_AT_ONCE) < PARKED_AT_ONCE:
                return
