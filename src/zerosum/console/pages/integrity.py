"""What proves the books: the self-audit, the heads of the chains, and how to prove them oneself."""

from __future__ import annotations

from zerosum.api.schemas.checkpoints import receipt_body
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.requests.paging import PageRequest

NEWEST = PageRequest(list_name="newest checkpoint", limit=1, filters={})


def integrity_pages(console: Console) -> None:
    integrity, checkpoints, receipts = (
        console.services.integrity,
        console.services.signed_checkpoints,
        console.services.receipts,
    )

    async def shown(view: View) -> HttpAnswer:
        request = page_request(view, "heads", ())
        page = await integrity.heads(view.caller, request)
        audit = await integrity.self_audit(view.caller)
        newest = await checkpoints.list(view.caller, NEWEST)
        return view.show(
            "integrity.html",
            checkpoint=next(iter(newest.items), None),
            keys=await checkpoints.keys(view.caller),
            audit=audit,
            going=audit.going,
            heads=page.items,
            seal=await integrity.refusal_seal(view.caller),
            next=next_page(view, request, page, "integrity"),
        )

    async def receipt(view: View) -> HttpAnswer:
        found = await receipts.of_entry(view.caller, view.path["entry"])
        return view.show("receipt.html", receipt=found, content=receipt_body(found), wire_id=view.path["entry"])

    console.page("/{ledger}/journal/{entry}/receipt", receipt, needs=Scope.JOURNAL_READ, is_personal=True)
    nav = Nav(group="Books", title="Integrity", key="v")
    console.page("/{ledger}/integrity", shown, needs=Scope.REPORTS_READ, nav=nav)
