"""Holds, step by step: what each did to the hold is what its journal entry moved between the hold's two accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson

from zerosum.db.engine import Connection
from zerosum.db.queries.proofs import codes_of
from zerosum.db.queries.step_proofs import hold_steps_after
from zerosum.domain.identifiers import Prefix
from zerosum.domain.money import add, subtract
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.services.proofs.of_entries import expected_status, number
from zerosum.services.proofs.of_fingerprints import is_hold_step_of
from zerosum.services.proofs.of_steps import StepsProof
from zerosum.services.proofs.report import Report, part_of

HOLDS_AT_ONCE = 1_000

_REASONS = {
    "placed": "hold",
    "captured": "capture",
    "incremented": "hold increment",
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


class HoldsProof(StepsProof):
    noun = "hold"
    prefix = Prefix.HOLD
    posts_nothing = "extended"

    _codes: Mapping[UUID, str] = MappingProxyType({})

    def __init__(self, report: Report, expect: Callable[[Any], None], places: Mapping[str, int]) -> None:
        """`places` are those of the ledger's currencies."""
        StepsProof.__init__(self, report, expect)
        self._places = places

    async def _rows(self, connection: Connection, share: float) -> tuple[Sequence[Any], int]:
        ledger_id, limit = self._report.ledger_id, part_of(HOLDS_AT_ONCE, share)
        rows = await hold_steps_after(connection, ledger_id, after=self._after, limit=limit)
        ids = {id_ for row in rows for id_ in (row.payer_id, row.payee_id)}
        self._codes = await codes_of(connection, ledger_id, ids)
        return rows, limit

    def _fault_of_step(self, step: Any, before: Any) -> str | None:
        return (
            self._fault_of_move(step, before)
            or _fault_of_order(step, before, self._codes)
            or _fault_of_payment(step, Decimal(step.paid))
        )

    def _fault_of_whole(self, steps: Sequence[Any], entry_ids: Sequence[UUID]) -> str | None:
        hold, last = steps[0], steps[-1]
        payment_ids = [step.id for step in steps if step.verb == "captured"]
        if (hold.changes, hold.entry_ids, hold.payment_ids) != (len(steps), entry_ids, payment_ids):
            return "is not what its steps say"
        left = [(name, getattr(last, f"{name}_after")) for name in ("amount", "captured", "capture_max", "expires_at")]
        if hold.status != last.status_after or any(getattr(hold, name) != value for name, value in left):
            return "is not what its last step has left"
        return None

    def _fault_of_move(self, step: Any, before: Any) -> str | None:
        """What its entry posted is what it says it has done."""
        is_first = before is None
        if (step.verb == "placed") is not is_first or (is_first and step.id != step.hold_id):
            return "is no beginning"
        if not is_first and before.status_after != "open":
            return "comes after the end"
        if step.status_after not in _LEAVES.get(step.verb, ()) or (not is_first and not _is_kept(step, before)):
            return "leaves it as it cannot be"
        if is_first and step.house_rules is not None and not self._is_by_rules(step):
            return "may be captured beyond what the house rules gave"
        if step.verb == "extended":
            is_same = (step.amount_after, step.captured_after) == (before.amount_after, before.captured_after)
            return None if is_same and not step.has_entry else "is no extension"
        fault = self._fault_of_entry(step, before, _REASONS.get(step.verb))
        if fault is not None:
            return fault
        expected = _moved(step, before)
        found = (Decimal(step.placed), Decimal(step.freed), Decimal(step.paid), step.others)
        return None if found == expected else "is not what its journal entry moved"

    def _is_by_rules(self, step: Any) -> bool:
        """Whether it may be captured as far as the rules said that it was placed under."""
        if step.rules_content is None or step.capture_max_after is None:
            return False
        over = orjson.loads(step.rules_content)["over_capture"]
        unit = Fraction(1, 10 ** self._places[step.currency])
        part = Fraction(step.amount_after) * Fraction(over["percent"] or 0) / 100 // unit * unit
        whole = Fraction(step.amount_after) + part + Fraction(over["amounts"].get(step.currency, 0))
        return whole == Fraction(step.capture_max_after) > Fraction(step.amount_after)


def _is_kept(step: Any, before: Any) -> bool:
    """What only another verb could have changed: when it ends, and how much may be captured beyond what is held."""
    if step.verb != "extended" and step.expires_at_after != before.expires_at_after:
        return False
    if before.capture_max_after is None or step.capture_max_after is None:
        return bool(step.capture_max_after == before.capture_max_after)
    grown = subtract(Decimal(step.amount_after), Decimal(before.amount_after))
    return Decimal(step.capture_max_after) == add(Decimal(before.capture_max_after), grown)


def _moved(step: Any, before: Any) -> tuple[Decimal, Decimal, Decimal, int]:
    """What it must have placed, set free and paid between the two accounts; and to how many others it paid a part."""
    amount, captured = Decimal(step.amount_after), Decimal(step.captured_after)
    if before is None:
        return (amount, _NOTHING, captured, 0)
    paid = subtract(captured, Decimal(before.captured_after))
    placed = subtract(amount, Decimal(before.amount_after))
    held = subtract(Decimal(before.amount_after), Decimal(before.captured_after))
    freed = held if step.status_after != "open" else paid
    parts = () if step.splits is None else orjson.loads(step.splits)
    others = sum(1 for part in parts if Decimal(part[-1]) and part[0] != str(step.payee_id))
    return (add(_NOTHING, placed), freed, paid, others)


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
        and step.payment_refunding is None
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
