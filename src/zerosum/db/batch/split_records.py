"""The record set of splits: who is to get which part of a payment, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.splits import SPLIT, AskedSplit, Split, SplitRule


def _split(row: Sequence[Any]) -> Split:
    return Split(
        ledger_id=LedgerId(row[0]),
        id=row[1],
        payment_id=PaymentId(row[2]),
        place=row[3],
        asked=AskedSplit(AccountId(row[4]), SplitRule(row[6]), _decimal(row[7]), row[5]),
        currency=row[8],
        amount=Decimal(row[9]),
        refunded=_decimal(row[10]),
        approved=_decimal(row[11]),
        refunding=_decimal(row[12]),
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _optional(amount: Decimal | None) -> str | None:
    return None if amount is None else render_amount(amount)


SPLITS = RecordSet(
    kind=SPLIT,
    table="payment_splits",
    columns=(
        Column("id", "uuid", lambda split: split.id),
        Column("payment_id", "uuid", lambda split: split.payment_id),
        Column("place", "int", lambda split: split.place),
        Column("account_id", "uuid", lambda split: split.asked.account_id),
        Column("called", "text", lambda split: split.asked.called),
        Column("rule", "text", lambda split: split.asked.rule),
        Column("value", "text", lambda split: split.asked.value_text),
        Column("currency", "text", lambda split: split.currency),
        Column("amount", "text", lambda split: render_amount(split.amount), "numeric"),
        Column("refunded", "text", lambda split: _optional(split.refunded), "numeric"),
        Column("approved", "text", lambda split: _optional(split.approved), "numeric"),
        Column("refunding", "text", lambda split: _optional(split.refunding), "numeric"),
    ),
    changing=("refunded", "approved", "refunding"),
    read=_split,
)
