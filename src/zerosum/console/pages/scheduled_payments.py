"""Scheduled payments: what is to be paid, when, and what came of it."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.payments.schedules import ScheduleStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.scheduled_payments import CancellationOrder

FILTERS = ("account", "status")
WORDS = {"status": ScheduleStatus}


def scheduled_payment_pages(console: Console) -> None:
    schedules = console.services.scheduled_payments

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "scheduled payments", FILTERS, words=WORDS)
        page = await schedules.list(view.caller, request)
        await view.seen_account(request.filters.get("account"))
        return view.show(
            "scheduled_payments.html",
            schedules=page.items,
            next=next_page(view, request, page, "scheduled-payments"),
            given=request.filters,
            statuses=list(ScheduleStatus),
        )

    async def shown(view: View) -> HttpAnswer:
        id_ = view.id(Prefix.SCHEDULED_PAYMENT, "scheduled_payment")
        request = page_request(view, f"runs of {id_}", ())
        schedule, _ = await schedules.get(view.caller, id_)
        runs = await schedules.runs(view.caller, id_, request)
        return view.show(
            "scheduled_payment.html",
            schedule=schedule,
            runs=runs.items,
            next=next_page(view, request, runs, "scheduled-payments", view.path["scheduled_payment"]),
            texts=[(name, text) for name, text in schedule.texts._asdict().items() if text],
        )

    async def take_back(view: View) -> HttpAnswer:
        id_ = view.id(Prefix.SCHEDULED_PAYMENT, "scheduled_payment")
        order = CancellationOrder(idempotency_key=view.key, schedule_id=id_)
        await schedules.cancellations.one(view.caller, order)
        return view.go_to("scheduled-payments", view.path["scheduled_payment"])

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    one = "/{ledger}/scheduled-payments/{scheduled_payment}"
    nav = Nav(group="Money", title="Scheduled payments", key="s")
    console.page("/{ledger}/scheduled-payments", listed, needs=read, nav=nav)
    console.page(one, shown, needs=read, is_personal=True)
    console.act(f"{one}/cancel", take_back, needs=write, name="cancel a scheduled payment")
