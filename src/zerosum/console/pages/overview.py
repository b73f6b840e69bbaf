"""The first page of a ledger: whether the books are right, what happens now, and what needs a hand."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer


def overview_pages(console: Console) -> None:
    async def overview(view: View) -> HttpAnswer:
        return view.show("overview.html", proof=await console.overview.proof(view.ledger_id))

    console.page("/{ledger}", overview, needs=Scope.REPORTS_READ, nav=Nav(group="Today", title="Overview", key="o"))
