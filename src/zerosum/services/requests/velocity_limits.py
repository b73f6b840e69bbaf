"""Velocity limits as a request asks for them, and as an account bears them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.ledger.velocity import Direction, VelocityLimit, Window, WindowKind
from zerosum.domain.money import Currency, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityLimitOrder:
    """`amount` is in its wire form; `seconds` belong to a rolling window."""

    window: Window
    amount: str | None = None
    count: int | None = None

    @property
    def content(self) -> dict[str, Any]:
        """As a chart keeps it."""
        window = self.window
        return {
            "direction": window.direction.value,
            "window": window.kind.value,
            "seconds": window.seconds,
            "amount": self.amount,
            "count": self.count,
        }


def velocity_order(content: Mapping[str, Any]) -> VelocityLimitOrder:
    """What `content` has told."""
    window = Window(Direction(content["direction"]), WindowKind(content["window"]), content["seconds"])
    return VelocityLimitOrder(window=window, amount=content["amount"], count=content["count"])


def velocity_limits(orders: Sequence[VelocityLimitOrder], currency: Currency) -> tuple[VelocityLimit, ...]:
    """In one order, whatever the caller's. Raises InvalidAmount, ValidationFailed for two of one window."""
    limits: dict[Window, VelocityLimit] = {}
    for place, order in enumerate(orders):
        here = f"/velocity_limits/{place}"
        if order.window in limits:
            raise ValidationFailed("There is another limit of the same window.", pointer=f"{here}/window")
        amount = None if order.amount is None else Money.parse(order.amount, currency, pointer=f"{here}/amount").amount
        limits[order.window] = VelocityLimit(order.window, amount, order.count)
    return tuple(
        limits[window] for window in sorted(limits, key=lambda one: (one.direction, one.kind, one.seconds or 0))
    )
