"""What proves the books: the self-audit, the heads of the chains, and how to prove them oneself."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer


def integrity_pages(console: Console) -> None:
    integrity = console.services.integrity

    async def shown(view: View) -> HttpAnswer:
        request = page_request(view, "heads", ())
        page = await integrity.heads(view.caller, request)
        audit = await integrity.self_audit(view.caller)
        return view.show(
            "integrity.html",
            audit=audit,
            going=audit.going,
            heads=page.items,
            seal=await integrity.refusal_seal(view.caller),
            next=next_page(view, request, page, "integrity"),
        )

    nav = Nav(group="Books", title="Integrity", key="v")
    console.page("/{ledger}/integrity", shown, needs=Scope.REPORTS_READ, nav=nav)
