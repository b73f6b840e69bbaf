"""Orders for payments, and what one says: the content of its fingerprint, out of which the order can be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, NO_TEXTS, PaymentTexts, PaymentType
from zerosum.services.requests.conditions import ConditionOrder
from zerosum.services.requests.personal import PersonalOrder
from zerosum.services.requests.splits import SplitOrder
from zerosum.services.requests.times import parse_time

_NO_METADATA: Mapping[str, str] = {}


@dataclass(slots=True, kw_only=True)
class PaymentOrder:
    """A request for a payment, in its wire form. `payer` and `payee` are ids or codes."""

    idempotency_key: str
    type: PaymentType
    amount: str
    currency: str
    payer: str | None = None
    payee: str | None = None
    texts: PaymentTexts = NO_TEXTS
    effective_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_METADATA)
    splits: Sequence[SplitOrder] = ()
    override_closed_period: str | None = None
    """Why it may be dated into a closed period. Who may say so is for the caller's scope to say."""
    conditions: Sequence[ConditionOrder] = ()
    processor: str = INTERNAL_PROCESSOR
    personal: PersonalOrder | None = None
    """Once that is sealed, `metadata` commits to it."""


def ordered_content(order: PaymentOrder, money: Money, splits: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What it says, without its conditions: validated and canonical."""
    content: dict[str, Any] = {
        "type": order.type,
        "amount": render_amount(money.amount),
        "currency": order.currency,
        "from": order.payer,
        "to": order.payee,
        **order.texts._asdict(),
        "effective_at": order.effective_at,
        "metadata": order.metadata,
        "override": order.override_closed_period,
    }
    if splits:
        content["splits"] = splits
    if order.processor != INTERNAL_PROCESSOR:
        content["processor"] = order.processor
    return content


def kept_content(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same as JSON, with nothing that is not there: as the fingerprint has it."""
    present = {name: value for name, value in content.items() if value is not None and value != {}}
    kept: Mapping[str, Any] = orjson.loads(orjson.dumps(present, option=orjson.OPT_UTC_Z))
    return kept


def order_again(kept: Mapping[str, Any], idempotency_key: str) -> PaymentOrder:
    """The order of what was kept, under another key."""
    moment = kept.get("effective_at")
    return PaymentOrder(
        idempotency_key=idempotency_key,
        type=PaymentType(kept["type"]),
        amount=kept["amount"],
        currency=kept["currency"],
        payer=kept.get("from"),
        payee=kept.get("to"),
        texts=PaymentTexts(**{name: kept.get(name) for name in PaymentTexts._fields}),
        effective_at=None if moment is None else parse_time(moment),
        metadata=kept.get("metadata", {}),
        splits=[_split(one) for one in kept.get("splits", ())],
        override_closed_period=kept.get("override"),
        processor=kept.get("processor", INTERNAL_PROCESSOR),
    )


def _split(said: Mapping[str, str]) -> SplitOrder:
    return SplitOrder(
        to=said["to"],
        percent=said.get("percent"),
        amount=said.get("amount"),
        takes_remainder="remainder" in said,
    )


def named_by(order: PaymentOrder) -> list[str]:
    """Every account that it names itself, the receivers of its splits last."""
    return [name for name in (order.payer, order.payee, *(split.to for split in order.splits)) if name]
