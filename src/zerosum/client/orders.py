"""What is ordered, and its parts: splits, conditions, postings. Each stands under its key, however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from zerosum.client.amounts import Amount, amount_text, optional_amount, time_text
from zerosum.client.keys import new_key
from zerosum.client.writing import given


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Who gets a `percent` of the whole, a fixed `amount`, or the `remainder` of a payment."""

    to: str
    percent: Amount | None = None
    amount: Amount | None = None
    remainder: bool | None = None

    def wire(self) -> dict[str, Any]:
        percent, amount = optional_amount(self.percent), optional_amount(self.amount)
        return given({"to": self.to, "percent": percent, "amount": amount, "remainder": self.remainder})


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must be true of an account, or nothing is posted."""

    account: str
    expected_version: int | None = None
    available_at_least: Amount | None = None
    available_at_most: Amount | None = None

    def wire(self) -> dict[str, Any]:
        return given(
            {
                "account": self.account,
                "expected_version": self.expected_version,
                "available_at_least": optional_amount(self.available_at_least),
                "available_at_most": optional_amount(self.available_at_most),
            }
        )


@dataclass(frozen=True, slots=True)
class NewPosting:
    """One side of an entry: made by `debit` and `credit`."""

    side: Literal["debit", "credit"]
    account: str
    amount: Amount
    currency: str

    def wire(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "side": self.side,
            "amount": amount_text(self.amount),
            "currency": self.currency,
        }


def debit(account: str, amount: Amount, currency: str) -> NewPosting:
    return NewPosting("debit", account, amount, currency)


def credit(account: str, amount: Amount, currency: str) -> NewPosting:
    return NewPosting("credit", account, amount, currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityLimit:
    """How much (`amount`), or how often (`count`), may move `in` or `out` within a window."""

    direction: Literal["in", "out"]
    window: Literal["hour", "day", "month", "rolling"]
    seconds: int | None = None
    amount: Amount | None = None
    count: int | None = None

    def wire(self) -> dict[str, Any]:
        return given(
            {
                "direction": self.direction,
                "window": self.window,
                "seconds": self.seconds,
                "amount": optional_amount(self.amount),
                "count": self.count,
            }
        )


Part = Split | Condition | NewPosting | VelocityLimit


def wires(parts: Sequence[Part] | None) -> list[dict[str, Any]] | None:
    return None if parts is None else [part.wire() for part in parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayment:
    """A payment of a bulk call. It keeps its key: sent again in another call it is still made once."""

    type: Literal["deposit", "withdrawal", "transfer"]
    amount: Amount
    currency: str
    from_: str | None = None
    to: str | None = None
    reference: str | None = None
    description: str | None = None
    effective_at: datetime | None = None
    metadata: Mapping[str, str] | None = None
    splits: Sequence[Split] | None = None
    conditions: Sequence[Condition] | None = None
    processor: str | None = None
    late_because: str | None = None
    idempotency_key: str = field(default_factory=new_key)

    def wire(self) -> dict[str, Any]:
        return given(
            {
                "type": self.type,
                "amount": amount_text(self.amount),
                "currency": self.currency,
                "from": self.from_,
                "to": self.to,
                "reference": self.reference,
                "description": self.description,
                "effective_at": time_text(self.effective_at),
                "metadata": self.metadata,
                "splits": wires(self.splits),
                "conditions": wires(self.conditions),
                "processor": self.processor,
                "override_closed_period": _override(self.late_because),
            }
        )

    def item(self) -> dict[str, Any]:
        return {**self.wire(), "idempotency_key": self.idempotency_key}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A journal entry of a bulk call, under its key."""

    reason: str
    postings: Sequence[NewPosting]
    effective_at: datetime | None = None
    metadata: Mapping[str, str] | None = None
    conditions: Sequence[Condition] | None = None
    late_because: str | None = None
    idempotency_key: str = field(default_factory=new_key)

    def wire(self) -> dict[str, Any]:
        return given(
            {
                "reason": self.reason,
                "postings": wires(self.postings),
                "effective_at": time_text(self.effective_at),
                "metadata": self.metadata,
                "conditions": wires(self.conditions),
                "override_closed_period": _override(self.late_because),
            }
        )

    def item(self) -> dict[str, Any]:
        return {**self.wire(), "idempotency_key": self.idempotency_key}


def _override(because: str | None) -> dict[str, str] | None:
    return None if because is None else {"reason": because}
