"""Reports over many accounts on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import TypeName
from zerosum.api.schemas.fields import BalanceAmount, CurrencyCode, Response, Time
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.money import add, render_amount, subtract
from zerosum.services.account_reports import BranchReport, MovedLine, ReportLine, SpanReport

Branch = Annotated[
    str,
    Field(description="The beginning of codes up to a colon, or the code of one account.", examples=["customers:"]),
]
AccountCount = Annotated[int, Field(description="How many accounts that is.", examples=[2])]
Debits = Annotated[BalanceAmount, Field(description="All of their posted debits.")]
Credits = Annotated[BalanceAmount, Field(description="All of their posted credits.")]


class BranchLineResponse(Response):
    """Accounts whose codes begin alike, of one type and currency."""

    branch: Branch
    type: Annotated[TypeName, Field(description="Of the accounts.")]
    currency: CurrencyCode
    accounts: AccountCount
    debits: Debits
    credits: Credits
    balance: Annotated[BalanceAmount, Field(description="Posted, positive on the normal side of the type.")]


class AccountTreeResponse(Response):
    """The branches right below a prefix."""

    as_of: Annotated[Time, Field(description="The instant that was looked at.")]
    prefix: Annotated[str, Field(description="Below which; empty for the whole chart.", examples=["customers:"])]
    branches: Annotated[list[BranchLineResponse], Field(description="By branch, type and currency.")]


class BalanceSheetTotalResponse(Response):
    """One currency. Assets are what liabilities, equity and net income come to together."""

    currency: CurrencyCode
    assets: Annotated[BalanceAmount, Field(description="What we have and what we are owed.")]
    liabilities: Annotated[BalanceAmount, Field(description="What we owe.")]
    equity: Annotated[BalanceAmount, Field(description="What is the owners'.")]
    net_income: Annotated[BalanceAmount, Field(description="Revenue less expenses, of all time until then.")]


class BalanceSheetResponse(Response):
    """What there is and whose it is, at an instant."""

    as_of: Annotated[Time, Field(description="The instant that was looked at.")]
    currencies: Annotated[list[BalanceSheetTotalResponse], Field(description="By currency.")]
    lines: Annotated[
        list[BranchLineResponse], Field(description="Assets, liabilities and equity by branch of the chart.")
    ]


class MovedLineResponse(Response):
    """What accounts whose codes begin alike did in a span."""

    branch: Branch
    type: Annotated[TypeName, Field(description="Of the accounts.")]
    currency: CurrencyCode
    accounts: AccountCount
    opening: Annotated[BalanceAmount, Field(description="Before the span, positive on the normal side.")]
    debits: Annotated[BalanceAmount, Field(description="Within it.")]
    credits: Annotated[BalanceAmount, Field(description="Within it.")]
    change: Annotated[BalanceAmount, Field(description="Within it, positive on the normal side.")]
    closing: Annotated[BalanceAmount, Field(description="At its end.")]


class IncomeTotalResponse(Response):
    """One currency."""

    currency: CurrencyCode
    revenue: Annotated[BalanceAmount, Field(description="Earned within the span.")]
    expenses: Annotated[BalanceAmount, Field(description="Spent within it.")]
    net_income: Annotated[BalanceAmount, Field(description="Revenue less expenses.")]


class IncomeStatementResponse(Response):
    """What was earned and spent from one time to another."""

    from_: Annotated[Time, Field(alias="from", description="Belongs to the span.")]
    to: Annotated[Time, Field(description="Does not belong to it.")]
    currencies: Annotated[list[IncomeTotalResponse], Field(description="By currency.")]
    lines: Annotated[list[MovedLineResponse], Field(description="Revenue and expenses by branch of the chart.")]


class CashTotalResponse(Response):
    """One currency."""

    currency: CurrencyCode
    opening: Annotated[BalanceAmount, Field(description="Before the span.")]
    inflow: Annotated[BalanceAmount, Field(description="Debits of assets within it.")]
    outflow: Annotated[BalanceAmount, Field(description="Credits of assets within it.")]
    closing: Annotated[BalanceAmount, Field(description="At its end.")]


class CashMovementsResponse(Response):
    """What went into and out of asset accounts from one time to another."""

    from_: Annotated[Time, Field(alias="from", description="Belongs to the span.")]
    to: Annotated[Time, Field(description="Does not belong to it.")]
    currencies: Annotated[list[CashTotalResponse], Field(description="By currency.")]
    lines: Annotated[list[MovedLineResponse], Field(description="Assets by branch of the chart.")]


_BALANCE_SHEET = {
    "assets": AccountType.ASSET,
    "liabilities": AccountType.LIABILITY,
    "equity": AccountType.EQUITY,
}


def account_tree_body(report: BranchReport, prefix: str) -> dict[str, Any]:
    return {
        "as_of": render_time(report.as_of),
        "prefix": prefix,
        "branches": [_branch_body(line) for line in report.lines],
    }


def balance_sheet_body(report: BranchReport) -> dict[str, Any]:
    totals = []
    for currency in _currencies_of(report.lines):
        own = [line for line in report.lines if line.currency == currency]
        sums = {
            name: _sum((one.balance for one in own if one.type is type_), own) for name, type_ in _BALANCE_SHEET.items()
        }
        sums["net_income"] = _net(((one.type, one.balance) for one in own), own)
        totals.append({"currency": currency, **_rendered(sums)})
    kept = [line for line in report.lines if line.type in _BALANCE_SHEET.values()]
    return {
        "as_of": render_time(report.as_of),
        "currencies": totals,
        "lines": [_branch_body(line) for line in kept],
    }


def income_statement_body(report: SpanReport) -> dict[str, Any]:
    changes = [line.change for line in report.lines]
    totals = []
    for currency in _currencies_of(changes):
        own = [line for line in changes if line.currency == currency]
        sums = {
            "revenue": _sum((one.balance for one in own if one.type is AccountType.REVENUE), own),
            "expenses": _sum((one.balance for one in own if one.type is AccountType.EXPENSE), own),
            "net_income": _net(((one.type, one.balance) for one in own), own),
        }
        totals.append({"currency": currency, **_rendered(sums)})
    return {**_span(report), "currencies": totals, "lines": [_moved_body(line) for line in report.lines]}


def cash_movements_body(report: SpanReport) -> dict[str, Any]:
    changes = [line.change for line in report.lines]
    totals = []
    for currency in _currencies_of(changes):
        own = [line for line in report.lines if line.change.currency == currency]
        like = [line.change for line in own]
        sums = {
            "opening": _sum((one.opening for one in own), like),
            "inflow": _sum((one.change.debits for one in own), like),
            "outflow": _sum((one.change.credits for one in own), like),
            "closing": _sum((one.closing for one in own), like),
        }
        totals.append({"currency": currency, **_rendered(sums)})
    return {**_span(report), "currencies": totals, "lines": [_moved_body(line) for line in report.lines]}


def _span(report: SpanReport) -> dict[str, Any]:
    return {"from": render_time(report.start), "to": render_time(report.end)}


def _currencies_of(lines: Iterable[ReportLine]) -> list[str]:
    return sorted({line.currency for line in lines})


def _sum(amounts: Iterable[Decimal], like: list[ReportLine]) -> Decimal:
    """With the places of the lines, also where there is nothing to add up."""
    total = subtract(like[0].debits, like[0].debits)
    for amount in amounts:
        total = add(total, amount)
    return total


def _net(balances: Iterable[tuple[AccountType, Decimal]], like: list[ReportLine]) -> Decimal:
    signed = {AccountType.REVENUE: add, AccountType.EXPENSE: subtract}
    total = _sum((), like)
    for type_, balance in balances:
        if type_ in signed:
            total = signed[type_](total, balance)
    return total


def _rendered(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: render_amount(amount) for name, amount in sums.items()}


def _branch_body(line: ReportLine) -> dict[str, Any]:
    return {
        "branch": line.branch,
        "type": line.type.value,
        "currency": line.currency,
        "accounts": line.accounts,
        "debits": render_amount(line.debits),
        "credits": render_amount(line.credits),
        "balance": render_amount(line.balance),
    }


def _moved_body(line: MovedLine) -> dict[str, Any]:
    body = _branch_body(line.change)
    change = body.pop("balance")
    opening, closing = render_amount(line.opening), render_amount(line.closing)
    return {**body, "opening": opening, "change": change, "closing": closing}
