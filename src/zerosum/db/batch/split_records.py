"""The record set of splits: who is to get which part of a payment, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet, optional_amount, optional_text
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.splits import SPLIT, AskedSplit, Split, SplitRule


def _split(row: Sequence[Any]) -> Split:
    return Split(
        ledger_id=LedgerId(row[0]),
        id=row[1],
        payment_id=PaymentId(row[2]),
        place=row[3],
        asked=AskedSplit(AccountId(row[4]), SplitRule(row[6]), optional_amount(row[7]), row[5]),
        currency=row[8],
        amount=Decimal(row[9]),
        refunded=optional_amount(row[10]),
        approved=optional_amount(row[11]),
        refunding=optional_amount(row[12]),
        pending=bool(row[13]),
    )


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
        Column("refunded", "text", lambda split: optional_text(split.refunded), "numeric"),
        Column("approved", "text", lambda split: optional_text(split.approved), "numeric"),
        Column("refunding", "text", lambda split: optional_text(split.refunding), "numeric"),
        Column("pending", "bool", lambda split: split.pending or None),
    ),
    changing=("refunded", "approved", "refunding", "pending"),
    read=_split,
)
