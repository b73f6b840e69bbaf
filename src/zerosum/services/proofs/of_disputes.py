"""Disputes, step by step: what each did is what its journal entry moved between the two accounts of the payment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.proofs import FIRST_ID, dispute_steps_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.of_fingerprints import is_dispute_step_of
from zerosum.services.proofs.report import Report, part_of

DISPUTES_AT_ONCE = 1_000

_NOTHING = Decimal(0)
_REASONS = {"opened": "dispute", "won": "resolve", "lost": "chargeback"}
_LEAVES = {"opened": "open", "evidence_added": "under_review", "won": "won", "lost": "lost"}
_DECIDED = ("won", "lost")


class DisputesProof:
    """`on_step` is told of each step that posts nothing: the proof of events counts them."""

    def __init__(self, report: Report, on_step: Callable[[Any], None]) -> None:
        self._report = report
        self._on_step = on_step
        self._after = FIRST_ID

    def position(self) -> dict[str, Any]:
        return {"after": str(self._after)}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = UUID(position["after"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(DISPUTES_AT_ONCE, share)
        rows = await dispute_steps_after(connection, report.ledger_id, after=self._after, limit=limit)
        number = 0
        for dispute_id, steps in groupby(rows, key=attrgetter("dispute_id")):
            number += 1
            dispute = list(steps)
            name, concerned = render_id(Prefix.DISPUTE, dispute_id), (dispute[0].payer_id, dispute[0].payee_id)
            with report.noting(f"the dispute {name} or what stands on it cannot be read", concerned=concerned):
                fault = self._fault_of(dispute)
                if fault is not None:
                    report.note(f"the dispute {name} {fault}", concerned=concerned)
        if rows:
            self._after = rows[-1].dispute_id
        return number < limit

    def _fault_of(self, steps: Sequence[Any]) -> str | None:
        dispute, last = steps[0], steps[-1]
        if dispute.number is None:
            return "has no steps"
        if not dispute.fits_payment:
            return "is not one of its payment"
        before = None
        entry_ids = []
        for place, step in enumerate(steps, start=1):
            if step.number != place:
                return f"lacks the step {place}"
            if step.verb == "evidence_added":
                self._on_step(_Announced(step))
            else:
                entry_ids.append(step.id)
            fault = _fault_of_step(step, before)
            if fault is not None:
                return f"has a step {place} that {fault}"
            if step.entries != len(entry_ids):
                return f"has a step {place} that counts other entries"
            before = step
        if (dispute.changes, dispute.entry_ids, dispute.last_change_id) != (len(steps), entry_ids, last.id):
            return "is not what its steps say"
        left = (last.status_after, last.note_after, last.evidence_after)
        return (
            None if (dispute.status, dispute.note, dispute.evidence) == left else "is not what its last step has left"
        )


class _Announced:
    """A piece of evidence, as the proof of events knows entries."""

    def __init__(self, step: Any) -> None:
        self.id, self.posted_at, self.reason = step.id, step.changed_at, step.verb
        self.resource_type, self.resource_id = "dispute", str(step.dispute_id)


def _fault_of_step(step: Any, before: Any) -> str | None:
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
    own_id = None if is_first else str(step.dispute_id)
    if not step.has_entry or (step.entry_reason, step.resource_type, step.resource_id) != (
        _REASONS.get(step.verb),
        "dispute",
        own_id,
    ):
        return "has no journal entry of its own"
    if step.posted_at != step.changed_at:
        return "was at another time than its journal entry"
    amount = Decimal(step.amount)
    expected = {"opened": (amount, _NOTHING, _NOTHING), "won": (_NOTHING, amount, _NOTHING)}.get(
        step.verb, (_NOTHING, amount, amount)
    )
    if (Decimal(step.placed), Decimal(step.freed), Decimal(step.paid)) != expected or step.others:
        return "is not what its journal entry moved"
    if not is_dispute_step_of(step):
        return "is not what was ordered: its journal entry has another fingerprint"
    return None
