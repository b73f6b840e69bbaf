"""Where the self-audit is, kept in the database for the process that comes after this one.

Whoever can write there can have the rest of one pass left out, and no more: what is kept is read when a process starts,
the passes after that are known to it alone, and one that is older than PASS_AGE_MAX is begun anew. `zerosum verify`
reads nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.proof_positions import ProofPosition, find_proof_position, put_proof_position
from zerosum.domain.identifiers import SERVICE_LEDGER

PASS_AGE_MAX = timedelta(days=7)

WHOLE_AUDIT = "self-audit of all ledgers"
LEDGER_AUDIT = "self-audit"


@dataclass(slots=True)
class Pass:
    """Once through all ledgers."""

    begun_at: datetime
    after: UUID | None = None
    """The last ledger that is done."""
    ledgers_done: int = 0
    found: int = 0
    found_before: int = 0
    """In the pass before this one."""
    completed_at: datetime | None = None
    """When the one before it ended."""


class AuditPositions:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def find_pass(self) -> Pass | None:
        """None where there is none, or none that can be gone on with."""
        kept = await self._find(SERVICE_LEDGER, WHOLE_AUDIT)
        if kept is None or kept.position is None:
            return None
        try:
            return _read_pass(kept.begun_at, kept.position, self._now())
        except (AttributeError, LookupError, TypeError, ValueError):
            return None

    async def find(self, ledger_id: UUID) -> ProofPosition | None:
        """None where its proof is to begin at the beginning."""
        kept = await self._find(ledger_id, LEDGER_AUDIT)
        return None if kept is None or kept.position is None else kept

    async def keep(self, going: Pass, ledger_id: UUID, begun_at: datetime, position: dict[str, Any] | None) -> None:
        """How far this pass has come, and within it this ledger; None: to its end."""
        async with self._database.work(ledger_id, SERVICE_LEDGER) as connection:
            await put_proof_position(connection, self._position(ledger_id, LEDGER_AUDIT, begun_at, position))
            await put_proof_position(connection, self._position_of_pass(going))

    async def keep_pass(self, going: Pass) -> None:
        async with self._database.work(SERVICE_LEDGER) as connection:
            await put_proof_position(connection, self._position_of_pass(going))

    async def _find(self, ledger_id: UUID, proof: str) -> ProofPosition | None:
        async with self._database.work(ledger_id) as connection:
            kept = await find_proof_position(connection, ledger_id, proof)
        is_fresh = kept is not None and timedelta(0) <= self._now() - kept.begun_at <= PASS_AGE_MAX
        return kept if is_fresh else None

    def _position(
        self, ledger_id: UUID, proof: str, begun_at: datetime, position: dict[str, Any] | None
    ) -> ProofPosition:
        return ProofPosition(
            ledger_id=ledger_id, proof=proof, begun_at=begun_at, taken_at=self._now(), position=position
        )

    def _position_of_pass(self, going: Pass) -> ProofPosition:
        position = {
            "after": None if going.after is None else str(going.after),
            "ledgers_done": going.ledgers_done,
            "found": going.found,
            "found_before": going.found_before,
            "completed_at": None if going.completed_at is None else going.completed_at.isoformat(),
        }
        return self._position(SERVICE_LEDGER, WHOLE_AUDIT, going.begun_at, position)


def _read_pass(begun_at: datetime, position: dict[str, Any], now: datetime) -> Pass:
    after, completed = position["after"], position["completed_at"]
    return Pass(
        begun_at=begun_at,
        after=None if after is None else UUID(after),
        ledgers_done=int(position["ledgers_done"]),
        found=int(position["found"]),
        found_before=int(position["found_before"]),
        completed_at=None if completed is None else min(datetime.fromisoformat(completed), now),
    )
