"""Conditions on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zerosum.api.schemas.fields import AccountReference, LimitAmount, Request
from zerosum.domain.errors import ValidationFailed
from zerosum.domain.ledger.conditions import CONDITIONS_MAX
from zerosum.services.requests.conditions import ConditionOrder


class ConditionRequest(Request):
    """What is to be true of one account of the ledger, which need not be one that money moves on."""

    account: AccountReference
    available_at_least: Annotated[
        LimitAmount | None, Field(description="What it has available after this, at least.", examples=["5.00"])
    ] = None
    available_at_most: Annotated[
        LimitAmount | None, Field(description="What it has available after this, at most.", examples=["1000.00"])
    ] = None
    expected_version: Annotated[
        int | None, Field(description="The version it has before this.", examples=[7], ge=0, le=10**15)
    ] = None


GivenConditions = Annotated[
    list[ConditionRequest] | None,
    Field(
        description="All of them are true, or nothing is posted: they are judged under the locks of the accounts.",
        max_length=CONDITIONS_MAX,
    ),
]


def condition_orders(given: list[ConditionRequest] | None) -> list[ConditionOrder]:
    """Raises ValidationFailed for one that says nothing."""
    orders: list[ConditionOrder] = []
    for place, one in enumerate(given or ()):
        if one.available_at_least is None and one.available_at_most is None and one.expected_version is None:
            raise ValidationFailed("The condition asks for nothing.", pointer=f"/conditions/{place}")
        orders.append(ConditionOrder(**dict(one)))
    return orders
