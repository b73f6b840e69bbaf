"""Holds: money that is promised and not paid yet, and what becomes of each."""

from __future__ import annotations

from zerosum.api.schemas.holds import CaptureRequest, ExtendRequest, VoidRequest
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.money import render_amount
from zerosum.domain.payments.holds import HoldStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.holds import HoldChangeOrder

FILTERS = ("account", "status", "currency", "reference")
WORDS = {"status": HoldStatus}


def hold_pages(console: Console) -> None:
    holds = console.services.holds

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "holds", FILTERS, words=WORDS)
        page = await holds.list(view.caller, request)
        await view.seen_account(request.filters.get("account"))
        return view.show(
            "holds.html",
            holds=page.items,
            next=next_page(view, request, page, "holds"),
            given=request.filters,
            statuses=list(HoldStatus),
        )

    async def shown(view: View) -> HttpAnswer:
        hold = await holds.get(view.caller, view.id(Prefix.HOLD, "hold"))
        texts = [(name, text) for name, text in hold.texts._asdict().items() if text]
        return view.show("hold.html", hold=hold, texts=texts)

    async def changed(view: View, order: HoldChangeOrder) -> HttpAnswer:
        await holds.changes.one(view.caller, order)
        return view.go_to("holds", view.path["hold"])

    async def capture(view: View) -> HttpAnswer:
        return await changed(view, _asked(view).order(view.key, view.id(Prefix.HOLD, "hold")))

    async def capture_weight(view: View) -> Weight:
        """What is set free besides counts as well: it goes back to who has promised it."""
        asked, hold = _asked(view), await holds.get(view.caller, view.id(Prefix.HOLD, "hold"))
        if asked.amount is None:
            # The last of it, as without an amount, also where more is held by then.
            fixed = {"amount": render_amount(hold.remaining), "final": "true"}
            return Weight(moves={hold.currency: hold.remaining}, fixed=fixed)
        amount = await view.amount(asked.amount, hold.currency)
        at_most = max(amount, hold.remaining) if asked.final else amount
        return Weight(moves={hold.currency: amount}, at_most={hold.currency: at_most})

    async def void(view: View) -> HttpAnswer:
        return await changed(view, VoidRequest().order(view.key, view.id(Prefix.HOLD, "hold")))

    async def void_weight(view: View) -> Weight:
        hold = await holds.get(view.caller, view.id(Prefix.HOLD, "hold"))
        return Weight(moves={hold.currency: hold.remaining})

    async def extend(view: View) -> HttpAnswer:
        order = view.order(ExtendRequest, "expires_at").order(view.key, view.id(Prefix.HOLD, "hold"))
        return await changed(view, order)

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    console.page("/{ledger}/holds", listed, needs=read, nav=Nav(group="Money", title="Holds", key="h"))
    console.page("/{ledger}/holds/{hold}", shown, needs=read, is_personal=True)
    for word, act, weigh in (
        ("capture", capture, capture_weight),
        ("void", void, void_weight),
        ("extend", extend, None),
    ):
        console.act(f"/{{ledger}}/holds/{{hold}}/{word}", act, needs=write, name=f"{word} a hold", weigh=weigh)


def _asked(view: View) -> CaptureRequest:
    given = {"amount": view.form.get("amount"), "final": True if view.form.get("final") == "true" else None}
    return validated(CaptureRequest, given)
