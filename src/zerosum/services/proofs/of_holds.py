"""Holds, step by step: what each did to the hold is what its journal entry moved between the hold's two accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.proofs import FIRST_ID, codes_of, hold_steps_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import add, subtract
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.services.proofs.of_entries import expected_status, number
from zerosum.services.proofs.of_fingerprints import is_hold_step_of
from zerosum.services.proofs.report import Report, part_of

HOLDS_AT_ONCE = 1_000

_REASONS = {
    "placed": "hold",
    "captured": "capture",
    "incremented": "hold increment",
    "extended": None,
    "voided": "void",
    "expired": "hold expiry",
}
_LEAVES = {
    "placed": ("open",),
    "captured": ("open", "captured"),
    "incremented": ("open",),
    "extended": ("open",),
    "voided": ("voided",),
    "expired": ("expired",),
}
_NOTHING = Decimal(0)


class HoldsProof:
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
        report, limit = self._report, part_of(HOLDS_AT_ONCE, share)
        rows = await hold_steps_after(connection, report.ledger_id, after=self._after, limit=limit)
        ids = {id_ for row in rows for id_ in (row.payer_id, row.payee_id)}
        codes = await codes_of(connection, report.ledger_id, ids)
        number = 0
        for hold_id, steps in groupby(rows, key=attrgetter("hold_id")):
            number += 1
            hold = list(steps)
            name, concerned = render_id(Prefix.HOLD, hold_id), (hold[0].payer_id, hold[0].payee_id)
            with report.noting(f"the hold {name} or what stands on it cannot be read", concerned=concerned):
                fault = self._fault_of(hold, codes)
                if fault is not None:
                    report.note(f"the hold {name} {fault}", concerned=concerned)
        if rows:
            self._after = rows[-1].hold_id
        return number < limit

    def _fault_of(self, steps: Sequence[Any], codes: Mapping[UUID, str]) -> str | None:
        hold, last = steps[0], steps[-1]
        if hold.number is None:
            return "has no steps"
        before = None
        entry_ids = []
        for place, step in enumerate(steps, start=1):
            if step.number != place:
                return f"lacks the step {place}"
            if step.verb == "extended":
                self._on_step(_Announced(step))
            else:
                entry_ids.append(step.id)
            fault = (
                _fault_of_step(step, before)
                or _fault_of_order(step, before, codes)
                or _fault_of_payment(step, Decimal(step.paid))
            )
            if fault is not None:
                return f"has a step {place} that {fault}"
            if step.entries != len(entry_ids):
                return f"has a step {place} that counts other entries"
            before = step
        payment_ids = [step.id for step in steps if step.verb == "captured"]
        if (hold.changes, hold.entry_ids, hold.payment_ids) != (len(steps), entry_ids, payment_ids):
            return "is not what its steps say"
        left = [(name, getattr(last, f"{name}_after")) for name in ("amount", "captured", "capture_max", "expires_at")]
        if hold.status != last.status_after or any(getattr(hold, name) != value for name, value in left):
            return "is not what its last step has left"
        return None


class _Announced:
    """An extension, as the proof of events knows entries."""

    def __init__(self, step: Any) -> None:
        self.id, self.posted_at, self.reason = step.id, step.changed_at, step.verb
        self.resource_type, self.resource_id = "hold", str(step.hold_id)


def _fault_of_step(step: Any, before: Any) -> str | None:
    """What its entry posted is what it says it has done. Amounts are what they are after the step before, and after."""
    is_first = before is None
    if (step.verb == "placed") is not is_first or (is_first and step.id != step.hold_id):
        return "is no beginning"
    if not is_first and before.status_after != "open":
        return "comes after the end"
    if step.status_after not in _LEAVES.get(step.verb, ()) or (not is_first and not _is_kept(step, before)):
        return "leaves it as it cannot be"
    if step.verb == "extended":
        is_same = (step.amount_after, step.captured_after) == (before.amount_after, before.captured_after)
        return None if is_same and not step.has_entry else "is no extension"
    own_id = None if is_first else str(step.hold_id)
    if not step.has_entry or (step.reason, step.resource_type, step.resource_id) != (
        _REASONS.get(step.verb),
        "hold",
        own_id,
    ):
        return "has no journal entry of its own"
    if step.posted_at != step.changed_at:
        return "was at another time than its journal entry"
    expected = _moved(step, before)
    found = (Decimal(step.placed), Decimal(step.freed), Decimal(step.paid), step.others)
    return None if found == expected else "is not what its journal entry moved"


def _is_kept(step: Any, before: Any) -> bool:
    """What only another verb could have changed: when it ends, and how much may be captured beyond what is held."""
    if step.verb != "extended" and step.expires_at_after != before.expires_at_after:
        return False
    if before.capture_max_after is None or step.capture_max_after is None:
        return bool(step.capture_max_after == before.capture_max_after)
    grown = subtract(Decimal(step.amount_after), Decimal(before.amount_after))
    return Decimal(step.capture_max_after) == add(Decimal(before.capture_max_after), grown)


def _moved(step: Any, before: Any) -> tuple[Decimal, Decimal, Decimal, int]:
    """What it must have placed, set free and paid between the two accounts; and nothing anywhere else."""
    amount, captured = Decimal(step.amount_after), Decimal(step.captured_after)
    if before is None:
        return (amount, _NOTHING, captured, 0)
    paid = subtract(captured, Decimal(before.captured_after))
    placed = subtract(amount, Decimal(before.amount_after))
    held = subtract(Decimal(before.amount_after), Decimal(before.captured_after))
    freed = held if step.status_after != "open" else paid
    return (add(_NOTHING, placed), freed, paid, 0)


def _fault_of_payment(step: Any, paid: Decimal) -> str | None:
    """A capture is a payment too, of what it has paid; and nothing else that a hold does is one."""
    if step.verb != "captured":
        return None if step.payment_id is None else "is a payment and no capture"
    if step.payment_id is None:
        return "has no payment"
    texts = [(getattr(step, f"payment_{name}"), getattr(step, name)) for name in PaymentTexts._fields]
    is_right = (
        (step.payment_type, step.processor) == ("transfer", "internal")
        and (step.payment_currency, Decimal(step.payment_amount)) == (step.currency, paid)
        and (step.payment_payer_id, step.payment_payee_id) == (step.payer_id, step.payee_id)
        and step.payment_status == expected_status(step)
        and number(step.payment_refunded) == number(step.given_back)
        and number(step.payment_disputed) == number(step.questioned)
        and number(step.payment_charged_back) == number(step.taken)
        and all(one == other for one, other in texts)
    )
    return None if is_right else "has a payment that is not what it has paid"


def _fault_of_order(step: Any, before: Any, codes: Mapping[UUID, str]) -> str | None:
    if step.verb == "extended":
        return None
    is_ordered = is_hold_step_of(step, before, codes.get(step.payer_id), codes.get(step.payee_id))
    return None if is_ordered else "is not what was ordered: its journal entry has another fingerprint"
