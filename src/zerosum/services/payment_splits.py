"""Payments that go to several: the payment of the whole to who takes the rest, and then its money in parts."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.identifiers import PaymentId
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, PaymentType
from zerosum.domain.payments.processor_commands import ProposePayment
from zerosum.domain.payments.processor_splits import OUTSIDE_SPLITS_MAX, ProposeInParts
from zerosum.domain.payments.split_commands import PayInParts
from zerosum.domain.payments.splits import divided, moved
from zerosum.services.charts import opened_by
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import Imagined, Prepared
from zerosum.services.requests.conditions import fingerprint_with
from zerosum.services.requests.payment_orders import PaymentOrder, ordered_content
from zerosum.services.requests.splits import KnownAccount, Payee, asked_splits, remainder_place, said_of


def payee_of(order: PaymentOrder) -> str | None:
    """Who is named as the payee, or takes what is left. Raises ValidationFailed."""
    place = remainder_place(order.splits)
    return order.payee if place is None else order.payee or order.splits[place].to


def check_splits(order: PaymentOrder) -> None:
    """Raises ValidationFailed."""
    place = remainder_place(order.splits)
    if place is not None and order.type is PaymentType.WITHDRAWAL:
        raise ValidationFailed("What is left is paid out.", pointer=f"/splits/{place}/remainder")
    if order.processor == INTERNAL_PROCESSOR:
        return
    if order.type is PaymentType.WITHDRAWAL:
        raise ValidationFailed(
            "A processor pays out all of it: send what others get as a transfer of its own.", pointer="/splits"
        )
    if len(order.splits) > OUTSIDE_SPLITS_MAX:
        raise ValidationFailed(
            f"What a processor carries out has at most {OUTSIDE_SPLITS_MAX} splits.", pointer="/splits"
        )


def in_parts(order: PaymentOrder, whole: Prepared, known: KnownAccount, imagined: Imagined) -> Prepared:
    """Raises ValidationFailed, SameAccount, SplitsExceedAmount, and what `known` does."""
    pay = whole.command
    if not isinstance(pay, Pay):
        raise TypeError("a plain order makes a plain payment")
    payee = Payee(pay.payee_id, whole.names[pay.payee_id], pay.called[1])
    asked, codes = asked_splits(order.splits, pay.money.currency, pay.payer_id, payee, known)
    splits = divided(pay.ledger_id, PaymentId(pay.id), pay.money, asked)
    named = {split.asked.account_id: split.asked.called for split in splits}
    posted = [named[account_id] for account_id, _ in moved(splits, [one.amount for one in splits], pay.money)]
    members: dict[str, Any] = {member.name: getattr(pay, member.name) for member in fields(pay)}
    members["codes"] = {**whole.names, **codes}
    members["called"] = (pay.called[0], *posted)
    members["opens"] = opened_by((*pay.called, *(split.to for split in order.splits)), imagined)
    members["fingerprint"] = fingerprint("payment", ordered_content(order, pay.money, said_of(asked)))
    if pay.conditions is not None:
        members["conditions"] = replace(pay.conditions, ordered=members["fingerprint"])
        members["fingerprint"] = fingerprint_with(members["conditions"])
    command = ProposeInParts if isinstance(pay, ProposePayment) else PayInParts
    return Prepared(command(**members, splits=splits), members["codes"])
