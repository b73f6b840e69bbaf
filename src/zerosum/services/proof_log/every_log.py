"""Of which ledgers there is a proof log: of all, and of the service itself."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import every_ledger
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.slices import slices

LEDGERS_AT_ONCE = 500


async def slices_of_logs(database: Database) -> Iterable[list[UUID]]:
    """As many as one unit of work looks at."""
    return slices([SERVICE_LEDGER, *[ledger.id async for ledger in every_ledger(database)]], LEDGERS_AT_ONCE)
