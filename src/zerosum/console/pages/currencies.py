"""Currencies that the ledger counts in, and which accounts their first payment may open."""

from __future__ import annotations

from zerosum.api.schemas.ledgers import CurrencyRequest
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.errors import InvalidCurrency
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer


def currency_pages(console: Console) -> None:
    services = console.services

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "currencies", ())
        table = await services.currencies.table(view.caller)
        page = services.ledgers.list_currencies(view.caller, table, request)
        return view.show(
            "currencies.html",
            currencies=[(currency, table.is_custom(currency.code)) for currency in page.items],
            next=next_page(view, request, page, "currencies"),
        )

    async def define(view: View) -> HttpAnswer:
        places = view.field("exponent")
        given = {"code": view.field("code"), "exponent": int(places) if places.isdecimal() and len(places) < 3 else -1}
        named = {"name": view.form["name"]} if "name" in view.form else {}
        body = validated(CurrencyRequest, {**given, **named})
        try:
            await services.currencies.define(view.caller, body.code, body.exponent, body.name or body.code)
        except InvalidCurrency as refusal:
            raise refusal.at("/code") from None
        return view.go_to("currencies")

    async def chart(view: View) -> HttpAnswer:
        view.query()
        return view.show("chart.html", chart=await services.charts.get(view.caller))

    needs = Scope.ADMIN
    nav = Nav(group="Administration", title="Currencies and chart", also=("chart",))
    console.page("/{ledger}/currencies", listed, needs=needs, nav=nav)
    console.act("/{ledger}/currencies", define, needs=needs, name="define a currency")
    console.page("/{ledger}/chart", chart, needs=needs)
