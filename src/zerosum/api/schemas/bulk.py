"""Bulk calls on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field

from zerosum.api.schemas.accounts import AccountId, Available, Held, Posted
from zerosum.api.schemas.fields import Request, Response, noun_of
from zerosum.api.schemas.problems import Problem
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount, subtract
from zerosum.services.committing.submission import BULK_ITEMS_MAX
from zerosum.services.payments import Line

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


class DryRunBalance(Response):
    """How an account stands after something, or would stand."""

    account_id: AccountId
    posted: Posted
    held: Held
    available: Available


BalancesAfter = Annotated[
    list[DryRunBalance] | None,
    Field(description="How the accounts stood right after it; there with `include=balances`."),
]


def balances_after(lines: Iterable[Line]) -> list[dict[str, str]]:
    """How an entry left its accounts, from its own postings, which never change: a replay tells the same."""
    last = {line.account_id: line for line in lines}
    return [
        {
            "account_id": render_id(Prefix.ACCOUNT, account_id),
            "posted": render_amount(line.balance_after),
            "held": render_amount(line.held_after),
            "available": render_amount(subtract(line.balance_after, line.held_after)),
        }
        for account_id, line in last.items()
    ]


class BulkResponse(Response, Generic[View]):
    """One result for each item, in order."""

    results: Annotated[list[BulkResult[View]], Field(description="In the order of the items.")]
    dry_run: Annotated[Literal[True] | None, Field(description="There in a rehearsal: nothing was written.")] = None
    balances: Annotated[
        list[DryRunBalance] | None, Field(description="There in a rehearsal: the touched accounts after all of it.")
    ] = None

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """As generated clients will call it."""
        return f"{noun_of(params[0])}BulkResponse"
