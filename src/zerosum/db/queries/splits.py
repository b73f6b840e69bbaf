"""Reading who has which part of a payment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Text, and_, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from zerosum.db.schema.tables import accounts, payment_splits
from zerosum.domain.payments.splits import SplitRule


class RecordedSplit(NamedTuple):
    """What one receiver got of a payment. `value` is the percentage or the fixed amount, as text.

    `approved` is what he got where a processor has carried out a part and that makes it another amount.
    """

    account_id: UUID
    code: str
    rule: SplitRule
    value: str | None
    amount: Decimal
    refunded: Decimal | None = None
    approved: Decimal | None = None

    @property
    def paid(self) -> Decimal:
        """What he got, once the payment has succeeded."""
        return self.amount if self.approved is None else self.approved


def parts_shown(ledger_id: UUID | ColumnElement[UUID], payment_id: ColumnElement[UUID]) -> ScalarSelect[Any]:
    """All of a payment's, for `shown_part`. Amounts as text: a JSON number would be read as a float."""
    receiver, own = accounts.alias("receiver"), payment_splits
    part = func.jsonb_build_array(
        own.c.account_id,
        receiver.c.code,
        own.c.rule,
        own.c.value,
        cast(own.c.amount, Text),
        cast(own.c.refunded, Text),
        cast(own.c.approved, Text),
    )
    return (
        select(func.jsonb_agg(aggregate_order_by(part, own.c.place)))
        .select_from(own)
        .join(receiver, and_(receiver.c.ledger_id == ledger_id, receiver.c.id == own.c.account_id))
        .where(own.c.ledger_id == ledger_id, own.c.payment_id == payment_id)
        .scalar_subquery()
    )


def shown_part(part: Sequence[Any]) -> RecordedSplit:
    account_id, code, rule, value, amount, refunded, approved = part
    return RecordedSplit(
        UUID(account_id), code, SplitRule(rule), value, Decimal(amount), _decimal(refunded), _decimal(approved)
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
