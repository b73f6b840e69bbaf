"""Bulk calls on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field

from zerosum.api.schemas.accounts import AccountId, Available, Held, Posted
from zerosum.api.schemas.fields import Request, Response, noun_of
from zerosum.api.schemas.problems import Problem
from zerosum.services.desk import BULK_ITEMS_MAX

Item = TypeVar("Item")
View = TypeVar("View")


class BulkRequest(Request, Generic[Item]):
    """Up to 1,000 items, each with its own idempotency key."""

    items: Annotated[list[Item], Field(description="Judged in this order.", min_length=1, max_length=BULK_ITEMS_MAX)]

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """As generated clients will call it."""
        return f"{noun_of(params[0])}BulkRequest"


class BulkResult(Response, Generic[View]):
    """What became of one item: `data` with status 201, or `problem`."""

    index: Annotated[int, Field(description="The item's place in the request, from 0.")]
    status: Annotated[int, Field(description="What the single call would have answered with.", examples=[201])]
    data: Annotated[View | None, Field(description="What was made; there with 201.")] = None
    problem: Annotated[Problem | None, Field(description="Why it was refused; there with any other status.")] = None
    replayed: Annotated[bool | None, Field(description="True where the item's key had been used for it before.")] = None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """As generated clients will call it."""
        return f"{noun_of(params[0])}BulkResult"


class RehearsedBalance(Response):
    """How an account would stand."""

    account_id: AccountId
    posted: Posted
    held: Held
    available: Available


class BulkResponse(Response, Generic[View]):
    """One result for each item, in order."""

    results: Annotated[list[BulkResult[View]], Field(description="In the order of the items.")]
    dry_run: Annotated[Literal[True] | None, Field(description="There in a rehearsal: nothing was written.")] = None
    balances: Annotated[
        list[RehearsedBalance] | None, Field(description="There in a rehearsal: the touched accounts after all of it.")
    ] = None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """As generated clients will call it."""
        return f"{noun_of(params[0])}BulkResponse"
