"""Payments: the list with its filters, and the life of each."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.payments.payment import PaymentStatus, PaymentType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

FILTERS = ("reference", "account", "type", "status", "currency", "effective_from", "effective_to")


def payment_pages(console: Console) -> None:
    payments = console.services.payments

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "payments", FILTERS)
        page = await payments.list(view.caller, request)
        return view.show(
            "payments.html",
            payments=page.items,
            next=next_page(view, request, page, "payments"),
            given=request.filters,
            types=list(PaymentType),
            statuses=list(PaymentStatus),
        )

    console.page(
        "/{ledger}/payments",
        listed,
        needs=Scope.PAYMENTS_READ,
        nav=Nav(group="Money", title="Payments", key="p"),
    )
