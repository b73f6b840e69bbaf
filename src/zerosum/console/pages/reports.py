"""Balance sheet, income statement and cash movements: what the books come to by branches of the chart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from zerosum.api.lists import check_span
from zerosum.api.schemas.account_reports import balance_sheet_body, cash_movements_body, income_statement_body
from zerosum.console.console import Console
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.ledger.account import AccountType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.account_reports import SpanReport
from zerosum.services.requests.times import parse_as_of, parse_day_or_time

DAYS_AT_FIRST = 30


def report_pages(console: Console) -> None:
    reports = console.services.account_reports

    async def balance_sheet(view: View) -> HttpAnswer:
        given = view.query(("as_of", "recorded_as_of"))
        effective, recorded = (parse_as_of(given, name) for name in ("as_of", "recorded_as_of"))
        report = await reports.at(view.caller, prefix="", effective=effective, recorded=recorded)
        return view.show("balance_sheet.html", report=balance_sheet_body(report), as_of=report.as_of, given=given)

    async def over(view: View, types: Sequence[AccountType]) -> tuple[SpanReport, dict[str, str]]:
        """The last thirty days, unless a span is asked for."""
        given = view.query(("from", "to", "recorded_as_of"))
        today = console.now().date()
        days = {
            "from": given.get("from", f"{today - timedelta(days=DAYS_AT_FIRST)}"),
            "to": given.get("to", f"{today + timedelta(days=1)}"),
        }
        start, end = (parse_day_or_time(text, name) for name, text in days.items())
        check_span(start, end)
        recorded = parse_as_of(given, "recorded_as_of")
        return await reports.over(view.caller, types, start=start, end=end, recorded=recorded), {**given, **days}

    async def income(view: View) -> HttpAnswer:
        report, given = await over(view, (AccountType.REVENUE, AccountType.EXPENSE))
        return view.show("income_statement.html", report=income_statement_body(report), given=given)

    async def cash(view: View) -> HttpAnswer:
        report, given = await over(view, (AccountType.ASSET,))
        return view.show("cash_movements.html", report=cash_movements_body(report), given=given)

    nav = Nav(group="Books", title="Reports", key="r")
    console.page("/{ledger}/reports", balance_sheet, needs=Scope.REPORTS_READ, nav=nav, is_report=True)
    console.page("/{ledger}/reports/income", income, needs=Scope.REPORTS_READ, is_report=True)
    console.page("/{ledger}/reports/cash", cash, needs=Scope.REPORTS_READ, is_report=True)
