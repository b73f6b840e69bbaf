"""The self-audit of one ledger: its proof in slices of a bounded time, also over slices that fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.errors import FailureKind, classify
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.background.slice_sizes import SliceSizes
from zerosum.services.proofs.whole_ledger import Break, LedgerProof

SETTLED_AFTER = timedelta(minutes=10)
"""No transaction takes so long: of what was written before, everything is there."""

FAILURES_MAX = 3
"""One after another at the same place. Then the ledger is begun anew; where it ends so again, it is given up."""


@dataclass(frozen=True, slots=True)
class Slice:
    is_last: bool
    postings: int
    found: Sequence[Break]


class LedgerAudit:
    """Goes on from `position`, or begins. `clock` is monotonic, in seconds, and measures slices."""

    def __init__(
        self,
        database: Database,
        ledger_id: UUID,
        *,
        begun_at: datetime,
        position: Mapping[str, Any] | None,
        clock: Callable[[], float],
    ) -> None:
        self.ledger_id = ledger_id
        self.begun_at = begun_at
        self.position = position
        """After the last slice. None: at the beginning."""
        self.is_given_up = False
        self._database = database
        self._clock = clock
        self._horizon = int((begun_at - SETTLED_AFTER).timestamp() * 1_000_000)
        self._proof: LedgerProof | None = None
        self._part = ""
        """To which the next slice belongs, as far as that is known."""
        self._sizes = SliceSizes()
        self._failures = 0
        self._is_begun_anew = False

    async def take_slice(self) -> Slice:
        proof = self._proof or LedgerProof(self.ledger_id, horizon=self._horizon, position=self.position)
        walked, known = proof.report.postings, len(proof.report.breaks)
        # One that fails may have left the proof in between: it is gone on with from its position.
        self._proof = None
        try:
            is_last = await self._measured(proof)
        except Exception as failure:
            # That PostgreSQL is away says nothing of what stands in the ledger.
            if not isinstance(failure, Unavailable) and classify(failure) is not FailureKind.CONNECTION:
                self._count_failure()
            raise
        self._proof, self._failures = proof, 0
        if not is_last:
            self.position, self._part = proof.position(), proof.part
        return Slice(is_last, proof.report.postings - walked, proof.report.breaks[known:])

    async def _measured(self, proof: LedgerProof) -> bool:
        begun = self._clock()
        try:
            async with self._database.snapshot(self.ledger_id, SERVICE_LEDGER) as connection:
                return await proof.take_slice(connection, self._sizes.share(self._part))
        finally:
            self._sizes.measured(self._part, self._clock() - begun)

    def _count_failure(self) -> None:
        self._failures += 1
        if self._failures == FAILURES_MAX:
            self.is_given_up = self._is_begun_anew
            self._is_begun_anew, self._failures = True, 0
            self.position, self._part = None, ""
