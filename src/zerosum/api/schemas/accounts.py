"""Accounts, balances and postings on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import (
    AccountCode,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    BalanceAmount,
    CurrencyCode,
    GivenMetadata,
    LimitAmount,
    Metadata,
    Name,
    OneOf,
    Reason,
    Request,
    Response,
    Time,
    Version,
    id_field,
)
from zerosum.api.schemas.velocity import GivenVelocityLimits, OpeningVelocityLimits, VelocityLimitOfAccount
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Account, AccountState, AccountStatus, AccountType, Layer, Side, render_limit
from zerosum.domain.ledger.account_content import velocity_content
from zerosum.domain.money import render_amount
from zerosum.services.balances import Balance
from zerosum.services.journal import RecordedPosting

TypeName = Annotated[str, OneOf(AccountType)]
StatusName = Annotated[str, OneOf(AccountStatus)]
SideName = Annotated[str, OneOf(Side)]
LayerName = Annotated[str, OneOf(Layer)]

AccountId = Annotated[str, id_field(Prefix.ACCOUNT, "The account.")]
Floor = Annotated[
    LimitAmount | None,
    Field(
        description="Nothing takes the available balance down below this. It may lie above what is in the account, "
        "as a minimum balance does before it is paid in. Null means that there is no floor."
    ),
]
Ceiling = Annotated[
    LimitAmount | None,
    Field(
        description="Nothing takes the available balance up above this. It may lie below what is in the account. Null "
        "means that there is no ceiling."
    ),
]


class OpenAccountRequest(Request):
    """A new account. It is open at once, with nothing in it."""

    code: AccountCode
    currency: CurrencyCode
    type: Annotated[
        TypeName,
        Field(
            description="From your own point of view: what you owe a customer is a liability.", examples=["liability"]
        ),
    ]
    name: Annotated[Name | None, Field(description="For people.", examples=["Alice's wallet"])] = None
    min_available: Annotated[
        LimitAmount | None,
        Field(
            description="The available balance never falls below this: 0 where it is left out; null means that there "
            "is no floor."
        ),
    ] = "0"
    max_available: Ceiling = None
    velocity_limits: OpeningVelocityLimits = None
    metadata: GivenMetadata = None


class ChangeAccountRequest(Request):
    """What to change; members that are not there stay as they are."""

    name: Annotated[Name | None, Field(description="For people; null takes it away.")] = None
    min_available: Floor = None
    max_available: Ceiling = None
    velocity_limits: GivenVelocityLimits = None
    metadata: Annotated[Metadata | None, Field(description="Replaces what was there; null empties it.")] = None


class ReasonRequest(Request):
    """Why."""

    reason: Annotated[
        Reason | None, Field(description="It is kept in the security log.", examples=["Asked for by compliance"])
    ] = None


class UnfreezeRequest(ReasonRequest):
    """Why."""

    reopen: Annotated[
        bool,
        Field(
            description="Needed for a client whom a chargeback has locked: `true` says that it is meant to be opened "
            "for transactions again."
        ),
    ] = False


Posted = Annotated[BalanceAmount, Field(description="What was posted; positive on the account's normal side.")]
Held = Annotated[BalanceAmount, Field(description="What of it is on its way out.", examples=["0.00"])]
Available = Annotated[BalanceAmount, Field(description="Posted less held: what may still be spent.")]


class BalanceOfAccount(Response):
    """What lies in the account, what of it is on its way out, and what may still be spent."""

    posted: Posted
    held: Held
    available: Available


class AccountResponse(Response):
    """An account with its balance."""

    id: AccountId
    code: AnsweredCode
    name: Annotated[str | None, Field(description="For people, or null.", examples=["Alice's wallet"])]
    currency: CurrencyCode
    type: Annotated[TypeName, Field(description="From our own point of view.", examples=["liability"])]
    normal_side: Annotated[SideName, Field(description="The side that increases it.", examples=["credit"])]
    status: Annotated[StatusName, Field(description="A frozen account takes no postings; a closed one never again.")]
    min_available: Annotated[BalanceAmount | None, Field(description="The floor, or null.", examples=["0.00"])]
    max_available: Annotated[BalanceAmount | None, Field(description="The ceiling, or null.", examples=["10000.00"])]
    velocity_limits: Annotated[
        list[VelocityLimitOfAccount], Field(description="What may move within windows of time.", examples=[[]])
    ]
    metadata: AnsweredMetadata
    balance: Annotated[BalanceOfAccount, Field(description="As PostgreSQL had it for this answer.")]
    in_debt: Annotated[bool, Field(description="Whether it owes what nobody has agreed to lend.", examples=[False])]
    debt: Annotated[
        BalanceAmount,
        Field(
            description="What is lacking up to nothing, or to the floor where that lies below nothing. A fact from "
            "outside took it there (a dispute, a forced reversal), and whatever comes in reduces it.",
            examples=["0.00"],
        ),
    ]
    version: Version
    created_at: Annotated[Time, Field(description="When it was opened.")]


class BalanceResponse(Response):
    """The balance of one account at one instant."""

    account_id: AccountId
    code: AnsweredCode
    currency: CurrencyCode
    posted: Posted
    held: Held
    available: Available
    version: Version
    as_of: Annotated[Time, Field(description="When it was so.")]


class PostingResponse(Response):
    """One line of an account's history."""

    journal_entry_id: Annotated[str, id_field(Prefix.JOURNAL_ENTRY, "The entry this is a line of.")]
    account_id: AccountId
    account_code: AnsweredCode
    account_version: Annotated[Version, Field(description="Its number in the account, from 1 and without a gap.")]
    side: Annotated[SideName, Field(description="The side of the account it stands on.", examples=["credit"])]
    amount: Amount
    currency: CurrencyCode
    layer: Annotated[LayerName, Field(description="Holds lie in the pending layer.")]
    balance_after: Annotated[BalanceAmount, Field(description="What was posted after it, in the order of writing.")]
    held_after: Annotated[BalanceAmount, Field(description="What was held after it.", examples=["0.00"])]
    effective_at: Annotated[Time, Field(description="When it happened in the world.")]
    posted_at: Annotated[Time, Field(description="When it was written.")]
    hash: Annotated[
        str,
        Field(
            description="SHA-256 over this and the posting before, in hexadecimal.",
            examples=["9c92c61ed282a26e7a91f7bf8744db510877b2b70df0f36d85b24dd9c40e151f"],
        ),
    ]


def account_body(account: Account) -> dict[str, Any]:
    state = account.state
    return {
        "id": render_id(Prefix.ACCOUNT, state.id),
        "code": account.code,
        "name": account.name,
        "currency": state.currency,
        "type": account.type.value,
        "normal_side": state.normal_side.value,
        "status": state.status.value,
        "min_available": render_limit(state.min_available),
        "max_available": render_limit(state.max_available),
        "velocity_limits": velocity_content(state),
        "metadata": dict(account.metadata),
        "balance": state_body(state),
        "in_debt": state.is_in_debt,
        "debt": render_amount(state.debt),
        "version": state.version,
        "created_at": render_time(account.created_at),
    }


def state_body(state: AccountState) -> dict[str, str]:
    return {name: render_amount(getattr(state, name)) for name in ("posted", "held", "available")}


def balance_body(balance: Balance) -> dict[str, Any]:
    return {
        "account_id": balance.account.wire_id,
        "code": balance.account.code,
        "currency": balance.account.currency,
        "posted": balance.posted,
        "held": balance.held,
        "available": balance.available,
        "version": balance.version,
        "as_of": render_time(balance.as_of),
    }


def posting_body(line: RecordedPosting) -> dict[str, Any]:
    return {
        "journal_entry_id": render_id(Prefix.JOURNAL_ENTRY, line.entry_id),
        "account_id": render_id(Prefix.ACCOUNT, line.account_id),
        "account_code": line.account_code,
        "account_version": line.account_version,
        "side": line.side.value,
        "amount": render_amount(line.amount),
        "currency": line.currency,
        "layer": line.layer.value,
        "balance_after": render_amount(line.balance_after),
        "held_after": render_amount(line.held_after),
        "effective_at": render_time(line.effective_at),
        "posted_at": render_time(line.posted_at),
        "hash": line.hash.hex(),
    }
