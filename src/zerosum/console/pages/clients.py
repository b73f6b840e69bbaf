"""Clients of the CSV engine: their money, and their transactions."""

from __future__ import annotations

import re

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.errors import ClientNotFound
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.payments.clients import CLIENT_MAX, ClientTransactionStatus, ClientTransactionType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

FILTERS = ("type", "status", "effective_from", "effective_to")
WORDS = {"type": ClientTransactionType, "status": ClientTransactionStatus}
_NUMBER = re.compile("0|[1-9][0-9]{0,4}", re.ASCII)


def client_pages(console: Console) -> None:
    clients = console.services.clients

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "clients", ())
        page = await clients.list(view.caller, request)
        await view.seen("clients")
        return view.show("clients.html", clients=page.items, next=next_page(view, request, page, "clients"))

    async def shown(view: View) -> HttpAnswer:
        number = number_of(view)
        request = page_request(view, f"clients/{number}/transactions", FILTERS, words=WORDS)
        account = await clients.client(view.caller, number)
        await view.seen(f"client_{number}")
        page = await clients.transactions(view.caller, number, request)
        return view.show(
            "client.html",
            number=number,
            account=account,
            wire_id=render_id(Prefix.ACCOUNT, account.state.id),
            transactions=page.items,
            next=next_page(view, request, page, "clients", str(number)),
            given=request.filters,
            types=list(ClientTransactionType),
            statuses=list(ClientTransactionStatus),
        )

    console.page(
        "/{ledger}/clients",
        listed,
        needs=Scope.PAYMENTS_READ,
        nav=Nav(group="Books", title="Clients", key="c"),
    )
    console.page("/{ledger}/clients/{client}", shown, needs=Scope.PAYMENTS_READ)


def number_of(view: View) -> int:
    """Raises ClientNotFound for what is no client's number."""
    text = view.path["client"]
    if not _NUMBER.fullmatch(text) or int(text) > CLIENT_MAX:
        raise ClientNotFound(f"A client's number goes from 0 to {CLIENT_MAX}.")
    return int(text)
