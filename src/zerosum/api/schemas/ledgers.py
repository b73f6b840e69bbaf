"""Ledgers, currencies, API keys, idempotency keys and the trial balance on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId, TypeName
from zerosum.api.schemas.fields import BalanceAmount, CurrencyCode, Moment, Name, Request, Response, Time, id_field
from zerosum.api.schemas.problems import Problem
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import CURRENCY_CODE_PATTERN_TEXT, EXPONENT_MAX, Currency, render_amount
from zerosum.services.balances import TrialBalance
from zerosum.services.inspection import Inspection
from zerosum.services.ledgers import ApiKeyRecord, LedgerRecord

LedgerId = Annotated[str, id_field(Prefix.LEDGER, "The ledger.")]
ScopeName = Literal[
    "accounts:read",
    "accounts:write",
    "journal:read",
    "journal:write",
    "payments:read",
    "payments:write",
    "events:read",
    "webhooks:write",
    "reports:read",
    "admin",
]


class LedgerRequest(Request):
    """A new ledger: a tenant's own books, which never mix with another's."""

    name: Annotated[Name, Field(description="For people.", examples=["Acme Payments"])]


class LedgerResponse(Response):
    id: LedgerId
    name: str
    created_at: Time


class CurrencyRequest(Request):
    """A currency of the ledger's own: points, tokens, or a unit that ISO 4217 leaves without places."""

    code: Annotated[
        str,
        Field(
            description="3 to 12 capital letters or digits, beginning with a letter.",
            examples=["POINTS"],
            json_schema_extra={"pattern": CURRENCY_CODE_PATTERN_TEXT},
        ),
    ]
    exponent: Annotated[int, Field(description="Its decimal places, fixed for ever.", ge=0, le=EXPONENT_MAX)]
    name: Annotated[Name | None, Field(description="For people.", examples=["Loyalty points"])] = None


class CurrencyResponse(Response):
    code: CurrencyCode
    exponent: Annotated[int, Field(description="Its decimal places.")]
    name: str
    is_custom: Annotated[bool, Field(description="Whether this ledger has defined it; otherwise it is ISO 4217's.")]


class ApiKeyRequest(Request):
    """A credential for one ledger."""

    ledger: LedgerId
    name: Annotated[Name, Field(description="For people.", examples=["Checkout"])]
    scopes: Annotated[list[ScopeName], Field(description="What it may do.", min_length=1, max_length=10)]
    expires_at: Annotated[Moment | None, Field(description="Until when; null means until it is revoked.")] = None


class ApiKeyResponse(Response):
    id: Annotated[str, id_field(Prefix.API_KEY, "The key; also the `client_id` at the token endpoint.")]
    ledger: LedgerId
    name: str
    scopes: list[ScopeName]
    expires_at: Time | None
    revoked_at: Time | None
    created_at: Time


class NewApiKeyResponse(ApiKeyResponse):
    key: Annotated[str, Field(description="The secret, shown only now. It is also the `client_secret`.")]


class ResourceReference(Response):
    type: Annotated[str, Field(examples=["payment"])]
    id: str


class KeyOutcomeResponse(Response):
    """What became of an idempotency key."""

    key: str
    outcome: Literal["posted", "refused"]
    resource: Annotated[ResourceReference | None, Field(description="What was posted under it.")] = None
    problem: Annotated[Problem | None, Field(description="Why it was refused.")] = None
    created_at: Time


class CurrencyTotalResponse(Response):
    currency: CurrencyCode
    debits: BalanceAmount
    credits: BalanceAmount
    difference: Annotated[BalanceAmount, Field(description="Always zero.", examples=["0.00"])]


class TrialBalanceAccount(Response):
    account_id: AccountId
    code: str
    type: TypeName
    currency: CurrencyCode
    debits: BalanceAmount
    credits: BalanceAmount


class TrialBalanceResponse(Response):
    """All accounts with their debit and credit totals at one instant. It proves arithmetic, not truth."""

    as_of: Time
    currencies: list[CurrencyTotalResponse]
    accounts: Annotated[list[TrialBalanceAccount], Field(description="By code, in pages.")]
    has_more: bool
    next_cursor: str | None


class BreakResponse(Response):
    """A place where the books contradict themselves."""

    account_id: AccountId | None
    account_version: Annotated[int | None, Field(description="The posting, by its number in the account.")]
    what: Annotated[str, Field(description="In words.")]


class IntegrityResponse(Response):
    """What a look at all sums, versions and heads has found."""

    is_intact: Annotated[bool, Field(description="True where there is no break.")]
    accounts: Annotated[int, Field(description="How many were looked at.")]
    postings: Annotated[int, Field(description="How many were added up.")]
    breaks: Annotated[list[BreakResponse], Field(description="At most 100.")]
    as_of: Time


def ledger_body(ledger: LedgerRecord) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.LEDGER, ledger.id),
        "name": ledger.name,
        "created_at": render_time(ledger.created_at),
    }


def currency_body(currency: Currency, *, is_custom: bool) -> dict[str, Any]:
    return {"code": currency.code, "exponent": currency.exponent, "name": currency.name, "is_custom": is_custom}


def api_key_body(key: ApiKeyRecord) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.API_KEY, key.id),
        "ledger": render_id(Prefix.LEDGER, key.ledger_id),
        "name": key.name,
        "scopes": sorted(key.scopes),
        "expires_at": None if key.expires_at is None else render_time(key.expires_at),
        "revoked_at": None if key.revoked_at is None else render_time(key.revoked_at),
        "created_at": render_time(key.created_at),
    }


def trial_balance_body(balance: TrialBalance) -> dict[str, Any]:
    return {
        "as_of": render_time(balance.as_of),
        "currencies": [
            {
                "currency": total.currency,
                "debits": render_amount(total.debits),
                "credits": render_amount(total.credits),
                "difference": render_amount(total.difference),
            }
            for total in balance.currencies
        ],
        "accounts": [
            {
                "account_id": render_id(Prefix.ACCOUNT, line.account_id),
                "code": line.code,
                "type": line.type.value,
                "currency": line.currency,
                "debits": render_amount(line.debits),
                "credits": render_amount(line.credits),
            }
            for line in balance.accounts.items
        ],
        "has_more": balance.accounts.next_cursor is not None,
        "next_cursor": balance.accounts.next_cursor,
    }


def integrity_body(inspection: Inspection) -> dict[str, Any]:
    report = inspection.report
    return {
        "is_intact": report.is_right,
        "accounts": report.accounts,
        "postings": report.postings,
        "breaks": [
            {
                "account_id": None if one.account_id is None else render_id(Prefix.ACCOUNT, one.account_id),
                "account_version": one.account_version,
                "what": one.what,
            }
            for one in report.breaks
        ],
        "as_of": render_time(inspection.as_of),
    }
