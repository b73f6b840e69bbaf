"""Payments through processors: pending while nobody knows, and then exactly what was said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from zerosum.db.engine import Connection
from zerosum.db.queries.processor_call_proofs import processor_calls_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.of_entries import number
from zerosum.services.proofs.of_fingerprints import is_move_of, is_settlement_of
from zerosum.services.proofs.report import Report, part_of

CALLS_AT_ONCE = 1_000

_REASONS = {
    "payment": {"approved": "payment approved", "declined": "payment declined"},
    "refund": {"approved": "refund approved", "declined": "refund declined"},
}
_NOTHING = Decimal(0)


class ProcessorCallsProof(BehindIds):
    def __init__(self, report: Report) -> None:
        self._report = report

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(CALLS_AT_ONCE, share)
        rows = await processor_calls_after(connection, report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            prefix = Prefix.PAYMENT if row.refunded_payment_id is None else Prefix.REFUND
            what, concerned = f"the processor call of {render_id(prefix, row.id)}", (row.payer_id, row.payee_id)
            with report.noting(f"{what} or what stands on it cannot be read", concerned=concerned):
                fault = _fault_of(row)
                if fault is not None:
                    report.note(f"{what} {fault}", concerned=concerned)
        if rows:
            self._after = rows[-1].id
        return len(rows) < limit


def _fault_of(row: Any) -> str | None:
    amount = Decimal(row.amount)
    of = "payment" if row.refunded_payment_id is None else "refund"
    if not row.fits_payment:
        return "has no payment, or another one"
    if of == "refund" and not row.fits_refund:
        return "has no refund, or another one"
    begun = (Decimal(row.begun_placed), Decimal(row.begun_freed), Decimal(row.begun_paid), row.begun_others)
    if row.first_reason != f"{of} proposed" or row.first_posted_at != row.created_at:
        return "has not begun with an entry of its own"
    if begun != (amount, _NOTHING, _NOTHING, 0):
        return "has made another amount pending"
    reason = _REASONS[of].get(row.state)
    moves = orjson.loads(row.moves or "[]")
    if (fault := _fault_of_moves(row, moves)) is not None:
        return fault
    lines = 1 + (1 if row.receivers is None else row.receivers)
    if row.pending_postings != (lines if reason is None else 2 * lines) + 4 * len(moves):
        return "has more or less that is pending than it says"
    if not row.fits_parts:
        return "has other parts pending than it says"
    if row.dated_to is not None and row.first_effective_at != row.dated_to:
        return "is dated otherwise than the entry that began it"
    if reason is None:
        return (
            None
            if row.entry_id is None and (of == "refund" or row.payment_approved is None)
            else "is settled and says it is not"
        )
    return _fault_of_settlement(row, of, reason, amount)


def _fault_of_moves(row: Any, moves: Sequence[Mapping[str, Any]]) -> str | None:
    """From the processor that it began with, each to the next, to the one that it is at now."""
    if row.number != len(moves) + 1 or [move["number"] for move in moves] != list(range(1, row.number)):
        return "was not moved as often as it says"
    ends = [move["taken"] for move in moves]
    begins = [*(move["left"] for move in moves[1:]), [row.processor, str(row.payer_id), str(row.payee_id)]]
    if moves and ends != begins:
        return "was moved to another processor than it is at"
    for move in moves:
        if not move["is_own"] or not move["has_moved"]:
            return "was moved by no entry of its own"
        if not is_move_of(str(row.id), move):
            return "is not what was said when it was moved: that journal entry has another fingerprint"
    return None


def _fault_of_settlement(row: Any, of: str, reason: str, amount: Decimal) -> str | None:
    own = (reason, of, str(row.id), row.settled_at)
    if (row.entry_reason, row.resource_type, row.resource_id, row.posted_at) != own:
        return "was settled by no entry of its own"
    if row.effective_at != (row.dated_to or row.posted_at):
        return "was settled by an entry that is dated otherwise than it says"
    approved = number(row.approved) or _NOTHING
    ended = (Decimal(row.placed), Decimal(row.freed), Decimal(row.paid), row.others)
    if ended != (_NOTHING, amount, approved, 0):
        return "is not what the entry that settled it has moved"
    if of == "payment" and number(row.payment_approved) != (approved if _NOTHING < approved < amount else None):
        return "has a payment that says another amount was approved"
    return None if is_settlement_of(row) else "is not what was said: its journal entry has another fingerprint"
