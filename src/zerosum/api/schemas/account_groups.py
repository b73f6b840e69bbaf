"""Account groups on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.account_reports import Credits, Debits
from zerosum.api.schemas.accounts import TypeName
from zerosum.api.schemas.fields import EXAMPLE_UUID, BalanceAmount, CurrencyCode, Request, Response, Text, Time
from zerosum.api.schemas.velocity import VelocityLimitOfAccount, VelocityLimitRequest, velocity_orders
from zerosum.domain.ledger.account_groups import (
    GROUP_NAME_PATTERN_TEXT,
    GROUP_VERSIONS_MAX,
    MEMBERS_MAX,
    AccountGroup,
)
from zerosum.domain.ledger.code_patterns import PATTERN_TEXT
from zerosum.domain.ledger.velocity import VELOCITY_LIMITS_MAX
from zerosum.domain.money import add, render_amount
from zerosum.services.account_groups import AccountGroupOrder, GroupLimitOrder, GroupReport
from zerosum.services.account_reports import ReportLine

Member = Annotated[
    str,
    Field(
        description="A code of an account, or a pattern: `*` stands for one or more characters up to the next colon, "
        "`**` for any.",
        json_schema_extra={"pattern": f"^{PATTERN_TEXT}$"},
    ),
]
GroupName = Annotated[str, Field(description="Its name.", examples=["wallets"], pattern=f"^{GROUP_NAME_PATTERN_TEXT}$")]
AccountsInIt = Annotated[int, Field(description="How many accounts that is.", examples=[2])]


class GroupLimitRequest(VelocityLimitRequest):
    """How much, and how often, the accounts of one currency may move together within a window of time."""

    currency: CurrencyCode


class VelocityLimitOfGroup(VelocityLimitOfAccount):
    """How much, and how often, the accounts of one currency may move together within a window of time."""

    currency: CurrencyCode


class AccountGroupRequest(Request):
    """The whole group, as it is to be."""

    description: Annotated[Text | None, Field(description="For people.", examples=["What we owe wallets"])] = None
    members: Annotated[
        list[Member],
        Field(
            description="Which accounts are in it, those too that are opened later. They may be in other groups.",
            examples=[["customers:*", "promotions:wallets"]],
            min_length=1,
            max_length=MEMBERS_MAX,
        ),
    ]
    velocity_limits: Annotated[
        list[GroupLimitRequest] | None,
        Field(
            description="One for each currency and window; null or an empty list: none.",
            max_length=VELOCITY_LIMITS_MAX,
        ),
    ] = None

    def order(self, name: str, idempotency_key: str) -> AccountGroupOrder:
        return AccountGroupOrder(
            idempotency_key=idempotency_key,
            name=name,
            description=self.description,
            members=self.members,
            limits=[
                GroupLimitOrder(given.currency, order)
                for given, order in zip(self.velocity_limits or (), velocity_orders(self.velocity_limits), strict=True)
            ],
        )


class AccountGroupResponse(Response):
    """A group of accounts."""

    name: GroupName
    version: Annotated[
        int, Field(description="How often it was changed, or deleted.", examples=[1], ge=1, le=GROUP_VERSIONS_MAX)
    ]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["What we owe wallets"])]
    members: Annotated[
        list[Member], Field(description="Codes and patterns; empty, where it was deleted.", examples=[["customers:*"]])
    ]
    velocity_limits: Annotated[list[VelocityLimitOfGroup], Field(description="What they may move together.")]
    created_at: Annotated[Time, Field(description="When this version was made.")]
    actor: Annotated[str, Field(description="Who made it.", examples=[f"key_{EXAMPLE_UUID}"])]


class GroupTypeResponse(Response):
    """The accounts of one type."""

    type: Annotated[TypeName, Field(description="Of the accounts.")]
    accounts: AccountsInIt
    debits: Debits
    credits: Credits
    balance: Annotated[BalanceAmount, Field(description="Posted, positive on the normal side of the type.")]


class GroupCurrencyResponse(Response):
    """The accounts of one currency."""

    currency: CurrencyCode
    accounts: AccountsInIt
    debits: Debits
    credits: Credits
    types: Annotated[list[GroupTypeResponse], Field(description="The same by the type of the accounts.")]


class GroupBalancesResponse(Response):
    """What the accounts of a group come to."""

    group: GroupName
    as_of: Annotated[Time, Field(description="The instant that was looked at.")]
    accounts: AccountsInIt
    balances: Annotated[list[GroupCurrencyResponse], Field(description="By currency.")]


def account_group_body(group: AccountGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "version": group.version,
        "description": group.description,
        "members": list(group.members),
        "velocity_limits": [one.content for one in group.limits],
        "created_at": render_time(group.created_at),
        "actor": group.actor,
    }


def group_balances_body(report: GroupReport) -> dict[str, Any]:
    by_currency = groupby(report.lines, key=attrgetter("currency"))
    return {
        "group": report.group.name,
        "as_of": render_time(report.as_of),
        "accounts": sum(line.accounts for line in report.lines),
        "balances": [_currency_body(currency, list(lines)) for currency, lines in by_currency],
    }


def _currency_body(currency: str, lines: Sequence[ReportLine]) -> dict[str, Any]:
    return {
        "currency": currency,
        "accounts": sum(line.accounts for line in lines),
        "debits": render_amount(reduce(add, (line.debits for line in lines))),
        "credits": render_amount(reduce(add, (line.credits for line in lines))),
        "types": [
            {
                "type": line.type.value,
                "accounts": line.accounts,
                "debits": render_amount(line.debits),
                "credits": render_amount(line.credits),
                "balance": render_amount(line.balance),
            }
            for line in lines
        ],
    }
