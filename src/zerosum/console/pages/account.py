"""An account's page: what lies in it, how that came, and what holds it back."""

from __future__ import annotations

from zerosum.console.chart import steps
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.view import View, see_other
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.requests.paging import PageRequest

DAYS_SHOWN = 30
HOLDS_SHOWN = 20
TIMES = ("effective_from", "effective_to")


def account_page(console: Console) -> None:
    services = console.services

    async def shown(view: View) -> HttpAnswer:
        account = await services.accounts.get(view.caller, view.path["account"])
        wire_id = render_id(Prefix.ACCOUNT, account.state.id)
        if "/" in view.path["account"]:
            # Where one comes back to after stepping up is written with its slashes as they are.
            return see_other(view.href("accounts", wire_id))
        request = page_request(view, "postings", TIMES)
        await view.seen_account(wire_id)
        page = await services.journal.list_postings(view.caller, wire_id, request)
        days = await services.account_history.days(view.caller, account, DAYS_SHOWN)
        open_holds = PageRequest(list_name="holds", limit=HOLDS_SHOWN, filters={"account": wire_id, "status": "open"})
        holds = await services.holds.list(view.caller, open_holds)
        return view.show(
            "account.html",
            account=account,
            wire_id=wire_id,
            postings=page.items,
            why=await services.account_history.explained(view.caller, account.state.id, page.items),
            next=next_page(view, request, page, "accounts", wire_id),
            given=request.filters,
            days=days,
            chart=steps([day.posted for day in days]),
            holds=holds.items,
            has_more_holds=holds.next_cursor is not None,
        )

    console.page("/{ledger}/accounts/{account}", shown, needs=Scope.ACCOUNTS_READ)
