"""Breaks of reconciliation: what has no match on the other side, whose each is, and what is done about it."""

from __future__ import annotations

from uuid import UUID

from zerosum.api.schemas.reconciliation_breaks import (
    AdjustBreakRequest,
    AssignBreakRequest,
    ExplainBreakRequest,
    NoteBreakRequest,
    ResolveBreakRequest,
)
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.lists import ALL, narrowed, next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.reconciliation.breaks import BreakState
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

FILTERS = ("source", "state", "explained", "age_days")
WORDS = {"state": (*BreakState, ALL), "explained": ("true", "false")}


def break_pages(console: Console) -> None:
    breaks = console.services.reconciliation_breaks

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "reconciliation breaks", FILTERS, words=WORDS)
        page = await breaks.list(view.caller, narrowed(request, "state", BreakState.OPEN))
        return view.show(
            "breaks.html",
            breaks=page.items,
            next=next_page(view, request, page, "breaks"),
            given=request.filters,
            at=request.filters.get("state", BreakState.OPEN),
            states=(*BreakState, ALL),
            today=breaks.today(),
        )

    async def shown(view: View) -> HttpAnswer:
        found, steps, line = await breaks.get(view.caller, view.id(Prefix.RECONCILIATION_BREAK, "break"))
        is_open = found.state == "open"
        return view.show("break.html", one=found, steps=steps, line=line, today=breaks.today(), is_open=is_open)

    console.page(
        "/{ledger}/breaks",
        listed,
        needs=Scope.RECONCILIATION_READ,
        nav=Nav(group="Outside", title="Breaks", key="k"),
    )
    console.page("/{ledger}/breaks/{break}", shown, needs=Scope.RECONCILIATION_READ, is_personal=True)
    _add_steps(console)
    _add_adjustment(console)


def _add_steps(console: Console) -> None:
    breaks = console.services.reconciliation_breaks

    async def assign(view: View) -> HttpAnswer:
        """Nobody's, where no name is given."""
        owner = view.order(AssignBreakRequest, "owner").owner if "owner" in view.form else None
        await breaks.assign(view.caller, _id(view), owner)
        return _back(view)

    async def note(view: View) -> HttpAnswer:
        """What is noted is why, too: the form asks for it once."""
        await breaks.note(view.caller, _id(view), validated(NoteBreakRequest, {"note": view.reason}).note)
        return _back(view)

    async def explain(view: View) -> HttpAnswer:
        order = view.order(ExplainBreakRequest, "reason", "until")
        await breaks.explain(view.caller, _id(view), order.reason, order.until)
        return _back(view)

    async def resolve(view: View) -> HttpAnswer:
        await breaks.resolve(view.caller, _id(view), view.order(ResolveBreakRequest, "reason").reason)
        return _back(view)

    needs = Scope.RECONCILIATION_WRITE
    for word, step in (("assign", assign), ("note", note), ("explain", explain), ("resolve", resolve)):
        template = f"/{{ledger}}/breaks/{{break}}/{word}"
        console.act(template, step, needs=needs, name=f"{word} a break")


def _add_adjustment(console: Console) -> None:
    async def adjust(view: View) -> HttpAnswer:
        view.must(Scope.JOURNAL_WRITE)
        order = _adjustment(view).order()
        await console.services.reconciliation_adjustments.adjust(view.caller, _id(view), order)
        return _back(view)

    async def weighed(view: View) -> Weight:
        """Nothing, once it is closed: another entry is never posted for it."""
        view.must(Scope.JOURNAL_WRITE)
        _adjustment(view)
        found, _, _ = await console.services.reconciliation_breaks.get(view.caller, _id(view))
        is_open = found.state in (BreakState.OPEN, BreakState.ADJUSTING)
        return Weight(moves={found.currency: found.amount.copy_abs()} if is_open else {})

    console.act(
        "/{ledger}/breaks/{break}/adjust",
        adjust,
        needs=Scope.RECONCILIATION_WRITE,
        name="adjust a break",
        weigh=weighed,
    )


def _adjustment(view: View) -> AdjustBreakRequest:
    return view.order(AdjustBreakRequest, "account", "reason", "effective_at")


def _id(view: View) -> UUID:
    """Raises InvalidId."""
    found: UUID = view.id(Prefix.RECONCILIATION_BREAK, "break")
    return found


def _back(view: View) -> HttpAnswer:
    return view.go_to("breaks", view.path["break"])
