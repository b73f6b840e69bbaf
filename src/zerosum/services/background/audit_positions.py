"""Where the self-audit is, kept in the database for the process that comes after this one.

Workers beside each other go through the books each for itself and write to the same rows: whoever goes on from there
goes on from what one of them has proved since the pass began that the row tells of.

Whoever can write there can have the rest of one pass left out, and no more: what is kept is read when a process starts,
the passes after that are known to it alone, and one that is older than PASS_AGE_MAX is begun anew. `zerosum verify`
reads nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.proof_positions import ProofPosition, find_proof_position, put_proof_position
from zerosum.domain.identifiers import SERVICE_LEDGER

PASS_AGE_MAX = timedelta(days=7)

AUDIT_AGE_SECONDS_MAX = 24 * 3600.0
"""Since a whole pass has ended, after which nothing follows from it. It is begun anew as soon as one ends."""

WHOLE_AUDIT = "self-audit of all ledgers"
LEDGER_AUDIT = "self-audit"

UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comes of reading a row that somebody else has written: the database knows times without end."""


@dataclass(slots=True)
class Pass:
    """Once through all ledgers."""

    begun_at: datetime
    after: UUID | None = None
    """The last ledger that is done."""
    ledgers_done: int = 0
    left_out: int = 0
    """Ledgers whose slices failed again and again."""
    found: int = 0
    """In the ledgers that are done."""
    found_here: int = 0
    """In the one under way, as far as it has come."""
    found_before: int = 0
    """In the pass before this one."""
    completed_at: datetime | None = None
    """When the last one ended that left out nothing."""

    @property
    def differences(self) -> int:
        return max(self.found + self.found_here, self.found_before)

    def end_ledger(self, ledger_id: UUID, *, is_proved: bool) -> None:
        self.after = ledger_id
        self.found, self.found_here = self.found + self.found_here, 0
        if is_proved:
            self.ledgers_done += ledger_id != SERVICE_LEDGER
        else:
            self.left_out += 1

    def next(self, now: datetime, *, is_whole: bool) -> Pass:
        """The one after this one, which has come to its end, or (not whole) is given up or has left something out."""
        found = self.found if is_whole else self.differences
        return Pass(begun_at=now, found_before=found, completed_at=now if is_whole else self.completed_at)


class AuditPositions:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def find_pass(self) -> Pass | None:
        """None where there is none that can be read. One that is too old has only told what it found."""
        kept = await self._find(SERVICE_LEDGER, WHOLE_AUDIT)
        if kept is None or kept.position is None:
            return None
        try:
            found = _read_pass(kept.begun_at, kept.position, self._now())
            is_fresh = self._is_fresh(kept.begun_at)
        except UNREADABLE:
            return None
        return found if is_fresh else found.next(self._now(), is_whole=False)

    async def find(self, ledger_id: UUID, since: datetime) -> ProofPosition | None:
        """Of a proof that was begun in the pass of that time. None where one is to begin at the beginning."""
        kept = await self._find(ledger_id, LEDGER_AUDIT)
        if kept is None or kept.position is None:
            return None
        try:
            return kept if self._is_fresh(kept.begun_at) and kept.begun_at >= since else None
        except UNREADABLE:
            return None

    async def keep(self, going: Pass, ledger_id: UUID, begun_at: datetime, position: Mapping[str, Any] | None) -> None:
        """How far this pass has come, and within it this ledger; None: to its end."""
        async with self._database.work(ledger_id, SERVICE_LEDGER) as connection:
            await put_proof_position(connection, self._position(ledger_id, LEDGER_AUDIT, begun_at, position))
            await put_proof_position(connection, self._position_of_pass(going))

    async def keep_pass(self, going: Pass) -> None:
        async with self._database.work(SERVICE_LEDGER) as connection:
            await put_proof_position(connection, self._position_of_pass(going))

    async def _find(self, ledger_id: UUID, proof: str) -> ProofPosition | None:
        try:
            async with self._database.work(ledger_id) as connection:
                return await find_proof_position(connection, ledger_id, proof)
        except UNREADABLE:
            return None

    def _is_fresh(self, begun_at: datetime) -> bool:
        return timedelta(0) <= self._now() - begun_at <= PASS_AGE_MAX

    def _position(
        self, ledger_id: UUID, proof: str, begun_at: datetime, position: Mapping[str, Any] | None
    ) -> ProofPosition:
        return ProofPosition(
            ledger_id=ledger_id, proof=proof, begun_at=begun_at, taken_at=self._now(), position=position
        )

    def _position_of_pass(self, going: Pass) -> ProofPosition:
        position = {
            "after": None if going.after is None else str(going.after),
            "ledgers_done": going.ledgers_done,
            "left_out": going.left_out,
            "found": going.found,
            "found_here": going.found_here,
            "found_before": going.found_before,
            "completed_at": None if going.completed_at is None else going.completed_at.isoformat(),
        }
        return self._position(SERVICE_LEDGER, WHOLE_AUDIT, going.begun_at, position)


def _read_pass(begun_at: datetime, position: Mapping[str, Any], now: datetime) -> Pass:
    after, completed = position["after"], position["completed_at"]
    return Pass(
        begun_at=begun_at,
        after=None if after is None else UUID(after),
        ledgers_done=int(position["ledgers_done"]),
        left_out=int(position["left_out"]),
        found=int(position["found"]),
        found_here=int(position["found_here"]),
        found_before=int(position["found_before"]),
        completed_at=None if completed is None else min(datetime.fromisoformat(completed), now),
    )
