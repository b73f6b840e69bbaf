"""Velocity limits on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from zerosum.api.schemas.fields import Amount, OneOf, Request, Response
from zerosum.domain.errors import ValidationFailed
from zerosum.domain.ledger.velocity import ROLLING_SECONDS_MAX, VELOCITY_LIMITS_MAX, Direction, Window, WindowKind
from zerosum.services.requests.velocity_limits import VelocityLimitOrder

DirectionName = Annotated[
    Annotated[str, OneOf(Direction)], Field(description="What leaves the account, or what comes in.", examples=["out"])
]
WindowName = Annotated[
    Annotated[str, OneOf(WindowKind)],
    Field(description="A calendar hour, day or month in UTC, or the last `seconds`.", examples=["day"]),
]
Seconds = Annotated[
    int | None, Field(description="How long a rolling window is.", examples=[None], ge=1, le=ROLLING_SECONDS_MAX)
]
LimitedAmount = Annotated[
    Amount | None, Field(description="How much within the window; null: any amount.", examples=["500.00"])
]
LimitedCount = Annotated[
    int | None,
    Field(description="How often within the window; null: as often as you like.", examples=[10], ge=1, le=10**9),
]


class VelocityLimitRequest(Request):
    """How much, and how often, may leave or enter the account within a window of time."""

    direction: DirectionName
    window: WindowName
    seconds: Seconds = None
    amount: LimitedAmount = None
    count: LimitedCount = None


class VelocityLimitOfAccount(Response):
    """How much, and how often, may leave or enter the account within a window of time."""

    direction: DirectionName
    window: WindowName
    seconds: Seconds
    amount: LimitedAmount
    count: LimitedCount


GivenVelocityLimits = Annotated[
    list[VelocityLimitRequest] | None,
    Field(
        description="All that the account has from then on, one for each window; null or an empty list: none.",
        max_length=VELOCITY_LIMITS_MAX,
    ),
]

OpeningVelocityLimits = Annotated[
    list[VelocityLimitRequest] | None,
    Field(description="What may move within windows of time, one for each window.", max_length=VELOCITY_LIMITS_MAX),
]


def velocity_orders(given: Sequence[VelocityLimitRequest] | None) -> list[VelocityLimitOrder]:
    """Raises ValidationFailed."""
    orders: list[VelocityLimitOrder] = []
    for place, one in enumerate(given or ()):
        here, kind = f"/velocity_limits/{place}", WindowKind(one.window)
        if (kind is WindowKind.ROLLING) != (one.seconds is not None):
            raise ValidationFailed("A rolling window has seconds, and no other has.", pointer=f"{here}/seconds")
        if one.amount is None and one.count is None:
            raise ValidationFailed("The limit limits nothing: it has an amount, a count or both.", pointer=here)
        window = Window(Direction(one.direction), kind, one.seconds)
        orders.append(VelocityLimitOrder(window=window, amount=one.amount, count=one.count))
    return orders
