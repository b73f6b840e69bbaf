"""Disputes, step by step: what each did is what its journal entry moved between the two accounts of the payment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.proofs import dispute_steps_after
from zerosum.domain.identifiers import Prefix
from zerosum.services.proofs.of_fingerprints import is_dispute_step_of
from zerosum.services.proofs.of_steps import StepsProof
from zerosum.services.proofs.report import part_of

DISPUTES_AT_ONCE = 1_000

_NOTHING = Decimal(0)
_REASONS = {"opened": "dispute", "won": "resolve", "lost": "chargeback"}
_LEAVES = {"opened": "open", "evidence_added": "under_review", "won": "won", "lost": "lost"}
_DECIDED = ("won", "lost")


class DisputesProof(StepsProof):
    noun = "dispute"
    prefix = Prefix.DISPUTE
    posts_nothing = "evidence_added"

    async def _rows(self, connection: Connection, share: float) -> tuple[Sequence[Any], int]:
        limit = part_of(DISPUTES_AT_ONCE, share)
        return await dispute_steps_after(connection, self._report.ledger_id, after=self._after, limit=limit), limit

    def _fault_of(self, steps: Sequence[Any]) -> str | None:
        if steps[0].number is not None and not steps[0].fits_payment:
            return "is not one of its payment"
        return super()._fault_of(steps)

    def _fault_of_whole(self, steps: Sequence[Any], entry_ids: Sequence[UUID]) -> str | None:
        dispute, last = steps[0], steps[-1]
        if (dispute.changes, dispute.entry_ids, dispute.last_change_id) != (len(steps), entry_ids, last.id):
            return "is not what its steps say"
        left = (last.status_after, last.note_after, last.evidence_after)
        return (
            None if (dispute.status, dispute.note, dispute.evidence) == left else "is not what its last step has left"
        )

    def _fault_of_step(self, step: Any, before: Any) -> str | None:
        is_first = before is None
        if (step.verb == "opened") is not is_first or (is_first and step.id != step.dispute_id):
            return "is no beginning"
        if not is_first and before.status_after in _DECIDED:
            return "comes after the end"
        if step.status_after != _LEAVES.get(step.verb):
            return "leaves it as it cannot be"
        if step.verb == "evidence_added":
            return "has a journal entry" if step.has_entry else None
        if not is_first and step.evidence_after != before.evidence_after:
            return "changes the evidence"
        fault = self._fault_of_entry(step, before, _REASONS.get(step.verb))
        if fault is not None:
            return fault
        amount = Decimal(step.amount)
        expected = {"opened": (amount, _NOTHING, _NOTHING), "won": (_NOTHING, amount, _NOTHING)}.get(
            step.verb, (_NOTHING, amount, amount)
        )
        if (Decimal(step.placed), Decimal(step.freed), Decimal(step.paid)) != expected or step.others:
            return "is not what its journal entry moved"
        if not is_dispute_step_of(step):
            return "is not what was ordered: its journal entry has another fingerprint"
        return None
