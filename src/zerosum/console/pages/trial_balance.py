"""The trial balance as of any instant: of the world, of our writing, or of both."""

from __future__ import annotations

from zerosum.api.trial_balance_csv import trial_balance_csv
from zerosum.console.console import Console
from zerosum.console.files import as_file
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

AXES = ("as_of", "recorded_as_of")


def trial_balance_pages(console: Console) -> None:
    balances = console.services.balances

    async def shown(view: View) -> HttpAnswer:
        request = page_request(view, "trial balance", AXES)
        found = await balances.trial_balance(view.caller, request, is_pinned=False)
        return view.show(
            "trial_balance.html",
            found=found,
            next=next_page(view, request, found.accounts, "trial-balance"),
            is_later_page=request.cursor is not None,
            given=request.filters,
        )

    async def as_csv(view: View) -> HttpAnswer:
        request = page_request(view, "trial balance", AXES)
        return as_file(await trial_balance_csv(balances, view.call, request), "trial-balance.csv")

    nav = Nav(group="Books", title="Trial balance", key="b")
    console.page("/{ledger}/trial-balance", shown, needs=Scope.REPORTS_READ, nav=nav, is_report=True)
    console.page("/{ledger}/trial-balance.csv", as_csv, needs=Scope.REPORTS_READ, is_report=True)
