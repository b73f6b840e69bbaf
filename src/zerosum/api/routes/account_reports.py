"""Reports over many accounts: the tree of codes, balance sheet, income statement, cash movements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import Query

from zerosum.api.endpoints import Routes, TheCall, check_parameters
from zerosum.api.lists import AsOf, check_span
from zerosum.api.routes.accounts import DayOrTime
from zerosum.api.schemas.account_reports import (
    AccountTreeResponse,
    BalanceSheetResponse,
    CashMovementsResponse,
    IncomeStatementResponse,
    account_tree_body,
    balance_sheet_body,
    cash_movements_body,
    income_statement_body,
)
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.ledger.account import AccountType
from zerosum.gateway.identity.principal import Scope
from zerosum.services.account_reports import SpanReport
from zerosum.services.requests.times import parse_as_of, parse_day_or_time

_INSTANT = ("as_of", "recorded_as_of")
_SPAN = ("from", "to", "recorded_as_of")

TreePrefix = Annotated[
    str | None,
    Query(description="The branches below it; the whole chart without.", min_length=1, max_length=128),
]


def account_report_routes(services: Services) -> Routes:
    routes = Routes("Reports")
    reports = services.account_reports

    async def account_tree(
        call: TheCall,
        prefix: TreePrefix = None,
        as_of: AsOf = None,  # noqa: ARG001 - read with the other one
        recorded_as_of: AsOf = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        given = check_parameters(call.query_string, frozenset(("prefix", *_INSTANT)))
        effective, recorded = (parse_as_of(given, name) for name in _INSTANT)
        report = await reports.at(call.caller, prefix=prefix or "", effective=effective, recorded=recorded)
        return account_tree_body(report, prefix or "")

    async def balance_sheet(
        call: TheCall,
        as_of: AsOf = None,  # noqa: ARG001
        recorded_as_of: AsOf = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        given = check_parameters(call.query_string, frozenset(_INSTANT))
        effective, recorded = (parse_as_of(given, name) for name in _INSTANT)
        return balance_sheet_body(await reports.at(call.caller, prefix="", effective=effective, recorded=recorded))

    def over(types: Sequence[AccountType], body_of: Callable[[SpanReport], dict[str, Any]]) -> Callable[..., Any]:
        async def report(
            call: TheCall,
            from_: Annotated[DayOrTime, Query(alias="from")],
            to: DayOrTime,
            recorded_as_of: AsOf = None,  # noqa: ARG001
        ) -> dict[str, Any]:
            given = check_parameters(call.query_string, frozenset(_SPAN))
            start, end = parse_day_or_time(from_, "from"), parse_day_or_time(to, "to")
            check_span(start, end)
            recorded = parse_as_of(given, "recorded_as_of")
            return body_of(await reports.over(call.caller, types, start=start, end=end, recorded=recorded))

        return report

    income = over((AccountType.REVENUE, AccountType.EXPENSE), income_statement_body)
    cash = over((AccountType.ASSET,), cash_movements_body)
    for path, endpoint, operation, query, summary, answer, what in (
        (
            "account-tree",
            account_tree,
            "getAccountTree",
            ("prefix", *_INSTANT),
            "Read a branch of the chart of accounts",
            AccountTreeResponse,
            "Codes are parted by colons: each branch below `prefix` with what its accounts come to, by type and "
            "currency.",
        ),
        (
            "balance-sheet",
            balance_sheet,
            "getBalanceSheet",
            _INSTANT,
            "Read the balance sheet",
            BalanceSheetResponse,
            "Assets, liabilities, equity and net income in each currency, at any instant.",
        ),
        (
            "income-statement",
            income,
            "getIncomeStatement",
            _SPAN,
            "Read the income statement",
            IncomeStatementResponse,
            "Revenue and expenses by `effective_at`, from `from` to before `to`.",
        ),
        (
            "cash-movements",
            cash,
            "getCashMovements",
            _SPAN,
            "Read what went into and out of assets",
            CashMovementsResponse,
            "Asset accounts by `effective_at`, from `from` to before `to`.",
        ),
    ):
        routes.add(
            "GET",
            f"/v1/{path}",
            endpoint,
            operation_id=operation,
            scope=Scope.REPORTS_READ,
            refusals=(errors.TooManyItems,),
            query=query,
            effort=10,
            summary=summary,
            answer=answer,
            description=f"{what} At most 1,000 lines.",
        )
    return routes
