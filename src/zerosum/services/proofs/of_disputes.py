"""Disputes, step by step: what each did is what its journal entry moved between the two accounts of the payment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from zerosum.db.engine import Connection
from zerosum.db.queries.step_proofs import dispute_steps_after
from zerosum.domain.identifiers import Prefix
from zerosum.services.proofs.of_fingerprints import is_dispute_step_of
from zerosum.services.proofs.of_steps import StepsProof
from zerosum.services.proofs.report import part_of

DISPUTES_AT_ONCE = 1_000

_NOTHING = Decimal(0)
_REASONS = {"opened": "dispute", "won": "resolve", "lost": "chargeback", "escalated": "dispute escalation"}
_LEAVES = {"opened": "open", "evidence_added": "under_review", "won": "won", "lost": "lost", "escalated": "open"}
_STAGES = ("first", "pre_arbitration", "arbitration")


class DisputesProof(StepsProof):
    noun = "dispute"
    prefix = Prefix.DISPUTE
    posts_nothing = "evidence_added"

    def _posts_nothing(self, step: Any, before: Any) -> bool:
        is_held = step.verb == "escalated" and before is not None and before.status_after != "won"
        return is_held or super()._posts_nothing(step, before)

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
        if dispute.fee is not None and last.verb != "lost":
            return "has cost something though it is not lost"
        left = (last.status_after, last.note_after, last.evidence_after, last.stage_after, last.respond_by_after)
        now = (dispute.status, dispute.note, dispute.evidence, dispute.stage, dispute.respond_by)
        return None if now == left else "is not what its last step has left"

    def _fault_of_step(self, step: Any, before: Any) -> str | None:
        is_first = before is None
        if (step.verb == "opened") is not is_first or (is_first and step.id != step.dispute_id):
            return "is no beginning"
        if not is_first and (
            before.status_after == "lost" or (before.status_after == "won" and step.verb != "escalated")
        ):
            return "comes after the end"
        if step.status_after != _LEAVES.get(step.verb) or not _follows(step, before):
            return "leaves it as it cannot be"
        if self._posts_nothing(step, before):
            return "has a journal entry" if step.has_entry else None
        if not is_first and step.evidence_after != before.evidence_after:
            return "changes the evidence"
        fault = self._fault_of_entry(step, before, _REASONS.get(step.verb))
        if fault is not None:
            return fault
        amount = Decimal(step.amount)
        held = (amount, _NOTHING, _NOTHING)
        fee = Decimal(step.fee or 0) if step.verb == "lost" else _NOTHING
        expected = {"opened": held, "escalated": held, "won": (_NOTHING, amount, _NOTHING)}.get(
            step.verb, (_NOTHING, amount, amount + fee)
        )
        if fee and not _is_by_rules(step):
            return "has not cost what the house rules said"
        others = 1 if fee and step.fee_account_id != step.payer_id else 0
        if (Decimal(step.placed), Decimal(step.freed), Decimal(step.paid), step.others) != (*expected, others):
            return "is not what its journal entry moved"
        if not is_dispute_step_of(step):
            return "is not what was ordered: its journal entry has another fingerprint"
        return None


def _is_by_rules(step: Any) -> bool:
    """Whether it has cost what the rules say that it was lost under, if it was not the request that said it."""
    if step.fee_house_rules is None:
        return True
    rule = orjson.loads(step.rules_content or "{}").get("dispute_fees", {}).get(step.currency)
    if rule is None:
        return False
    return (Decimal(rule["amount"]), rule["to"]) == (Decimal(step.fee), f"acc_{step.fee_account_id}")


def _follows(step: Any, before: Any) -> bool:
    """Whether it leaves the stage and the date as it may: only an escalation changes them."""
    if before is None:
        return bool(step.stage_after == "first")
    if step.verb == "escalated":
        return step.stage_after in _STAGES[_STAGES.index(before.stage_after) + 1 :]
    return bool((step.stage_after, step.respond_by_after) == (before.stage_after, before.respond_by_after))
