"""Who has signed in: sessions that may open this ledger, and ending one, or all of a person."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

PLACE = "sessions"


def session_pages(console: Console) -> None:
    sessions = console.services.open_sessions

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "console sessions", ("subject",))
        page = await sessions.list(view.caller, request, view.ledger_id)
        return view.show(
            "sessions.html",
            sessions=page.items,
            given=request.filters,
            next=next_page(view, request, page, PLACE),
            own=view.session.id,
        )

    async def end(view: View) -> HttpAnswer:
        id_ = view.id(Prefix.CONSOLE_SESSION, "session")
        await sessions.end(view.caller, view.session.ledgers, id_, view.reason)
        return view.go_to(PLACE)

    async def end_all(view: View) -> HttpAnswer:
        await sessions.end_all_of(view.caller, view.session.ledgers, view.field("subject"), view.reason)
        return view.go_to(PLACE)

    needs = Scope.ADMIN
    nav = Nav(group="Administration", title="Sessions")
    console.page("/{ledger}/sessions", listed, needs=needs, nav=nav)
    console.act("/{ledger}/sessions/{session}/end", end, needs=needs, name="end a session of the console")
    console.act("/{ledger}/sessions/end", end_all, needs=needs, name="end all sessions of a person")
