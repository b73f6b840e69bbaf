"""Periods: what was closed with its seal, what came late, and closing one."""

from __future__ import annotations

from zerosum.console.choices import check_choices
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

PARTS = ("balances", "late")


def period_pages(console: Console) -> None:
    periods, balances = console.services.periods, console.services.balances

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "periods", ())
        page = await periods.list(view.caller, request)
        return view.show("periods.html", periods=page.items, next=next_page(view, request, page, "periods"))

    async def shown(view: View) -> HttpAnswer:
        """Below its seal the balances that were sealed, or what came late."""
        period = view.path["period"]
        given = view.query(("part", "cursor"))
        check_choices(given, part=PARTS)
        closing = await periods.get(view.caller, period)
        part = given.get("part", "late" if closing.recorded_until is None else "balances")
        if part == "late":
            request = page_request(view, f"late entries of {period}", ("part",))
            late = await periods.list_late_entries(view.caller, period, request)
            more = next_page(view, request, late, "periods", period)
            return view.show("period.html", closing=closing, part=part, late=late.items, lines=(), next=more)
        closing = await periods.sealed(view.caller, period)
        request = page_request(view, f"balances of {closing.period}", ("part",))
        lines = await balances.sealed(view.caller, request, closing.ends_at, closing.recorded_until)
        more = next_page(view, request, lines, "periods", period)
        return view.show("period.html", closing=closing, part=part, late=(), lines=lines.items, next=more)

    async def close(view: View) -> HttpAnswer:
        period = view.field("period")
        await periods.close(view.caller, period, view.field("key"), view.reason)
        return view.go_to("periods", period)

    nav = Nav(group="Books", title="Periods", key="y")
    console.page("/{ledger}/periods", listed, needs=Scope.REPORTS_READ, nav=nav)
    console.page("/{ledger}/periods/{period}", shown, needs=Scope.REPORTS_READ, is_report=True)
    console.act("/{ledger}/periods", close, needs=Scope.ADMIN, name="close a period")
