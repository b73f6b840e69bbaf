"""What was to be sent to an endpoint that is disabled is parked: kept, and not sent until it is replayed."""

from __future__ import annotations

from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.webhook_deliveries import park_pending
from zerosum.db.queries.webhook_endpoints import find_endpoint

PARKED_AT_ONCE = 1_000
SLICES_MAX = 50
"""Of one endpoint at a time: the rest is parked by the worker, or when it is asked for again."""


async def park(database: Database, ledger_id: UUID, endpoint_id: UUID, *, slices_max: int = SLICES_MAX) -> bool:
    """Whether nothing is left. Each slice is a unit of work; nothing is added meanwhile, for it is disabled."""
    for _ in range(slices_max):
        async with database.work(ledger_id) as connection:
            # With the endpoint locked, so that a dispatcher passes over it and waits for no row.
            await find_endpoint(connection, ledger_id, endpoint_id, is_locked=True)
            if await park_pending(connection, ledger_id, endpoint_id, at_once=PARKED_AT_ONCE) < PARKED_AT_ONCE:
                return True
    return False
