"""Ledgers, currencies, idempotency keys and the trial balance on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId, TypeName
from zerosum.api.schemas.api_keys import LedgerId
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AnsweredCode,
    BalanceAmount,
    CurrencyCode,
    Name,
    OneOf,
    Request,
    Response,
    Time,
)
from zerosum.api.schemas.problems import Problem
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.periods import LatePolicy
from zerosum.domain.money import CURRENCY_CODE_PATTERN_TEXT, EXPONENT_MAX, Currency, render_amount
from zerosum.services.balances import TrialBalance, TrialBalanceLine
from zerosum.services.ledgers import LedgerRecord
from zerosum.services.proofs.totals import Inspection
from zerosum.services.requests.paging import gently

TimeZone = Annotated[
    str,
    Field(
        description="Whose days and months its periods are: a name of the IANA database.",
        examples=["Europe/Berlin"],
        min_length=1,
        max_length=64,
    ),
]
LatePolicyName = Annotated[str, OneOf(LatePolicy)]
_LATE_ENTRIES = "What becomes of an entry that is dated into a closed period."


class LedgerRequest(Request):
    """A new ledger: a tenant's own books, which never mix with another's."""

    name: Annotated[Name, Field(description="For people.", examples=["Acme Payments"])]
    time_zone: TimeZone | None = None
    late_entries: Annotated[LatePolicyName | None, Field(description=_LATE_ENTRIES)] = None

    @property
    def policy(self) -> LatePolicy:
        return LatePolicy.REFUSE if self.late_entries is None else LatePolicy(self.late_entries)


class LedgerChange(Request):
    """What is to be otherwise; the rest stays as it is."""

    time_zone: TimeZone | None = None
    late_entries: Annotated[LatePolicyName | None, Field(description=_LATE_ENTRIES)] = None


class LedgerResponse(Response):
    """A ledger."""

    id: LedgerId
    name: Annotated[str, Field(description="For people.", examples=["Acme Payments"])]
    created_at: Annotated[Time, Field(description="When it was made.")]
    time_zone: TimeZone
    late_entries: Annotated[LatePolicyName, Field(description=_LATE_ENTRIES, examples=["refuse"])]


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
    exponent: Annotated[
        int, Field(description="Its decimal places, fixed for ever.", ge=0, le=EXPONENT_MAX, examples=[0])
    ]
    name: Annotated[Name | None, Field(description="For people.", examples=["Loyalty points"])] = None


class CurrencyResponse(Response):
    """A currency the ledger can count in."""

    code: CurrencyCode
    exponent: Annotated[int, Field(description="Its decimal places.", examples=[2])]
    name: Annotated[str, Field(description="For people.", examples=["US Dollar"])]
    is_custom: Annotated[bool, Field(description="Whether this ledger has defined it; otherwise it is ISO 4217's.")]


class ResourceReference(Response):
    """What something is, and its id."""

    type: Annotated[str, Field(description="What it is.", examples=["payment"])]
    id: Annotated[str, Field(description="Its id.", examples=[f"pay_{EXAMPLE_UUID}"])]


class KeyOutcomeResponse(Response):
    """What became of an idempotency key."""

    key: Annotated[str, Field(description="The key.", examples=["order-1001"])]
    outcome: Annotated[Literal["posted", "refused"], Field(description="What became of it.")]
    resource: Annotated[ResourceReference | None, Field(description="What was posted under it.")] = None
    problem: Annotated[Problem | None, Field(description="Why it was refused.")] = None
    created_at: Annotated[Time, Field(description="When it was judged.")]


class CurrencyTotalResponse(Response):
    """The whole ledger in one currency."""

    currency: CurrencyCode
    debits: Annotated[BalanceAmount, Field(description="All debits together.")]
    credits: Annotated[BalanceAmount, Field(description="All credits together.")]
    difference: Annotated[BalanceAmount, Field(description="Always zero.", examples=["0.00"])]


class TrialBalanceAccount(Response):
    """One account's share."""

    account_id: AccountId
    code: AnsweredCode
    type: Annotated[TypeName, Field(description="From our own point of view.", examples=["liability"])]
    currency: CurrencyCode
    debits: Annotated[BalanceAmount, Field(description="Its debits together.")]
    credits: Annotated[BalanceAmount, Field(description="Its credits together.")]


class TrialBalanceResponse(Response):
    """All accounts with their debit and credit totals at one instant. It proves arithmetic, not truth."""

    as_of: Annotated[Time, Field(description="The instant looked at.")]
    currencies: Annotated[list[CurrencyTotalResponse], Field(description="The whole ledger, on every page.")]
    accounts: Annotated[list[TrialBalanceAccount], Field(description="By code, in pages.")]
    has_more: Annotated[bool, Field(description="Whether there are more accounts after these.")]
    next_cursor: Annotated[str | None, Field(description="For the next page of accounts, or null.")]


class BreakResponse(Response):
    """A place where the books contradict themselves."""

    account_id: Annotated[AccountId | None, Field(description="The account, where it lies in one.")]
    account_version: Annotated[int | None, Field(description="The posting, by its number in the account.")]
    what: Annotated[str, Field(description="In words.")]


class IntegrityResponse(Response):
    """What a look at all sums, versions and heads has found."""

    is_intact: Annotated[bool, Field(description="True where there is no break.")]
    accounts: Annotated[int, Field(description="How many were looked at.")]
    postings: Annotated[int, Field(description="How many were added up.")]
    breaks: Annotated[list[BreakResponse], Field(description="At most 100.", examples=[[]])]
    as_of: Annotated[Time, Field(description="When it was looked at.")]


def ledger_body(ledger: LedgerRecord) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.LEDGER, ledger.id),
        "name": ledger.name,
        "created_at": render_time(ledger.created_at),
        "time_zone": ledger.time_zone,
        "late_entries": ledger.late_entries.value,
    }


def currency_body(currency: Currency, *, is_custom: bool) -> dict[str, Any]:
    return {"code": currency.code, "exponent": currency.exponent, "name": currency.name, "is_custom": is_custom}


async def trial_balance_body(balance: TrialBalance) -> dict[str, Any]:
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
        "accounts": await gently(_trial_balance_line_body, balance.accounts.items),
        "has_more": balance.accounts.next_cursor is not None,
        "next_cursor": balance.accounts.next_cursor,
    }


def _trial_balance_line_body(line: TrialBalanceLine) -> dict[str, Any]:
    return {
        "account_id": render_id(Prefix.ACCOUNT, line.account_id),
        "code": line.code,
        "type": line.type.value,
        "currency": line.currency,
        "debits": render_amount(line.debits),
        "credits": render_amount(line.credits),
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
