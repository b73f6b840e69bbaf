"""What the first page of the console tells of a ledger, each part bounded however large the ledger is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.background.audit_positions import AuditPositions


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the self-audit has found. `proved_at` None: no pass through all ledgers has ended yet."""

    proved_at: datetime | None
    begun_at: datetime | None
    differences: int
    left_out: int

    @property
    def is_broken(self) -> bool:
        return self.differences > 0


class ConsoleOverview:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = AuditPositions(database, now)

    async def proof(self, _: LedgerId) -> Proof:
        """Of all ledgers: chains and sums are walked again and again, slice by slice."""
        going = await self._audit.find_pass()
        if going is None:
            return Proof(proved_at=None, begun_at=None, differences=0, left_out=0)
        return Proof(
            proved_at=going.completed_at,
            begun_at=going.begun_at,
            differences=going.differences,
            left_out=going.left_out,
        )
