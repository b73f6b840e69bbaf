"""Payments with several receivers: each got what its rule makes of the whole, and has given back what refunds took.

A second program of `domain/payments/splits.py`, in fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from operator import attrgetter
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.split_proofs import splits_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.of_fingerprints import names_of
from zerosum.services.proofs.report import Report, part_of

SPLIT_PAYMENTS_AT_ONCE = 1_000

_TAKES_REST = ("remainder", "rest")


class SplitsProof(BehindIds):
    def __init__(self, report: Report) -> None:
        self._report = report

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(SPLIT_PAYMENTS_AT_ONCE, share)
        number = 0
        rows = await splits_after(connection, report.ledger_id, after=self._after, limit=limit)
        for payment_id, own in groupby(rows, key=attrgetter("payment_id")):
            number += 1
            splits = list(own)
            what = f"the payment {render_id(Prefix.PAYMENT, payment_id)}"
            concerned = [splits[0].payer_id, *(split.account_id for split in splits)]
            with report.noting(f"the splits of {what} cannot be read", concerned=concerned):
                fault = _fault_of(splits)
                if fault is not None:
                    report.note(f"{what} {fault}", concerned=concerned)
            self._after = payment_id
        return number < limit


def _fault_of(splits: Sequence[Any]) -> str | None:
    first = splits[0]
    if not first.has_payment:
        return "has splits and does not exist"
    for place, split in enumerate(splits):
        if (split.place, split.id.int, split.currency) != (
            place,
            split.payment_id.int + 1 + place,
            first.payment_currency,
        ):
            return "lacks a split, or has one that is not its own"
        if split.called not in names_of(split.code, split.account_id):
            return "has a split for another account than was named"
    rests = [split.account_id for split in splits if split.rule in _TAKES_REST]
    if rests != [first.payee_id]:
        return "has splits that leave its payee something else"
    places = -int(Decimal(first.payment_amount).as_tuple().exponent)
    shares = _shares(Fraction(first.payment_amount), splits, places)
    if shares is None or shares != [Fraction(split.amount) for split in splits]:
        return "has splits that are not what their rules make of it"
    paid = _paid(first, splits, shares, places)
    if [split.approved and Fraction(split.approved) for split in splits] != [
        None if not first.call_approved or now == whole else now for now, whole in zip(paid, shares, strict=True)
    ]:
        return "has splits that are not what their rules make of what its processor has carried out"
    if paid != [Fraction(split.credited or 0) for split in splits] or first.credits != sum(map(bool, paid)):
        return "has splits that are not what its journal entry moved"
    if _is_pending_otherwise(first, splits):
        return "has splits that are not what was pending for each"
    if any(
        (Decimal(split.refunded or 0), Decimal(split.refunding or 0))
        != (Decimal(split.given_back or 0), Decimal(split.asked_back or 0))
        for split in splits
    ):
        return "has a split of which its refunds gave back something else"
    return None


def _paid(first: Any, splits: Sequence[Any], shares: list[Fraction], places: int) -> list[Fraction]:
    """What each got. Of what a processor has carried out in part, what their rules make of that, if they can."""
    if first.is_outside and first.call_approved is None:
        return [Fraction(0)] * len(shares)
    approved = Fraction(first.call_approved or first.payment_amount)
    if approved == Fraction(first.payment_amount):
        return shares
    again = _shares(approved, splits, places)
    if again is not None and all(whole or not now for now, whole in zip(again, shares, strict=True)):
        return again
    unit, whole = Fraction(1, 10**places), sum(shares)
    exact = [approved * share / whole for share in shares]
    floors = [one // unit * unit for one in exact]
    lacking = int((approved - sum(floors)) / unit)
    for place in sorted(range(len(exact)), key=lambda place: floors[place] - exact[place])[:lacking]:
        floors[place] += unit
    return floors


def _is_pending_otherwise(first: Any, splits: Sequence[Any]) -> bool:
    waits = first.is_outside and not first.is_settled
    return any(
        bool(split.pending) != waits
        or (first.is_outside and Decimal(split.placed or 0) != Decimal(split.amount))
        or (first.is_outside and first.is_settled and Decimal(split.freed or 0) != Decimal(split.amount))
        for split in splits
    )


def _shares(amount: Fraction, splits: Sequence[Any], places: int) -> list[Fraction] | None:
    """What each is to get: the fixed parts as they are, the others by the largest remainder, the rest as the last.

    None: they come to more than there is.
    """
    unit = Fraction(1, 10**places)
    exact = {}
    for place, split in enumerate(splits):
        if split.rule == "percent":
            exact[place] = amount * Fraction(split.value) / 100
        elif split.rule == "amount":
            exact[place] = Fraction(split.value)
    [rest] = [place for place, split in enumerate(splits) if split.rule in _TAKES_REST]
    floating = [place for place, split in enumerate(splits) if split.rule == "percent"] + [rest]
    exact[rest] = amount - sum(exact.values())
    if exact[rest] < 0:
        return None
    shares = {place: share if place not in floating else share // unit * unit for place, share in exact.items()}
    lacking = (amount - sum(shares.values())) / unit
    by_fraction = sorted(floating, key=lambda place: -(exact[place] - shares[place]))
    for place in by_fraction[: int(lacking)]:
        shares[place] += unit
    return [shares[place] for place in range(len(splits))]
