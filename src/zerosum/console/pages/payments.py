"""Payments: the list with its filters, and the life of each and of its refunds."""

from __future__ import annotations

from decimal import Decimal

from zerosum.api.schemas.payments import RefundRequest
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.pages.payment_life import steps_of, steps_of_refund
from zerosum.console.pages.payments_csv import payments_as_csv
from zerosum.console.personal import personal_of
from zerosum.console.saved_views import shown_views
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount, subtract
from zerosum.domain.payments.payment import PaymentStatus, PaymentType
from zerosum.domain.traces import trace_id_in
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.payments import RecordedPayment
from zerosum.services.requests.paging import PAGE_SIZE_MAX

FILTERS = ("reference", "account", "type", "status", "currency", "effective_from", "effective_to")
WORDS = {"type": PaymentType, "status": PaymentStatus}

NOTHING_LEFT = (PaymentStatus.PROCESSING, PaymentStatus.FAILED, PaymentStatus.REFUNDED, PaymentStatus.CHARGED_BACK)
"""Of such a payment nothing can be given back."""


def payment_pages(console: Console) -> None:
    payments = console.services.payments

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "payments", FILTERS, words=WORDS)
        page = await payments.list(view.caller, request)
        await view.seen_account(request.filters.get("account"))
        return view.show(
            "payments.html",
            payments=page.items,
            next=next_page(view, request, page, "payments"),
            given=request.filters,
            kept=await shown_views(view, "payments", request.filters),
            csv=view.href("payments.csv", **request.filters),
            types=list(PaymentType),
            statuses=list(PaymentStatus),
        )

    async def life(view: View) -> HttpAnswer:
        found = await console.lives.get(view.caller, view.id(Prefix.PAYMENT, "payment"))
        texts = found.payment.texts._asdict().items()
        may_refund = view.may(Scope.PAYMENTS_WRITE) and found.payment.status not in NOTHING_LEFT
        return view.show(
            "payment.html",
            payment=found.payment,
            life=found,
            steps=steps_of(found),
            texts=texts,
            personal=await personal_of(
                view,
                console.services.subjects,
                found.payment.id,
                found.payment.metadata,
                render_id(Prefix.PAYMENT, found.payment.id),
            ),
            may_refund=may_refund,
            trace_id=trace_id_in(found.payment.traceparent),
        )

    async def shown_refund(view: View) -> HttpAnswer:
        found = await console.lives.refund(view.caller, view.id(Prefix.REFUND, "refund"))
        refund, wire_id = found.refund, render_id(Prefix.REFUND, found.refund.id)
        subjects = console.services.subjects
        return view.show(
            "refund.html",
            refund=refund,
            wire_id=wire_id,
            payment=found.payment,
            life=found,
            steps=steps_of_refund(found),
            personal=await personal_of(view, subjects, refund.id, refund.metadata, wire_id),
            trace_id=next((trace_id_in(entry.traceparent) for entry in found.entries if entry.id == refund.id), None),
        )

    async def exported(view: View) -> HttpAnswer:
        # Who carries off so much at once is told of, as is who looks at a person's data.
        await view.seen("payments.csv")
        return await payments_as_csv(view, page_request(view, "payments", FILTERS, words=WORDS, size=PAGE_SIZE_MAX))

    async def weighed(view: View) -> Weight:
        asked = view.order(RefundRequest, "amount", "reason").amount
        payment = await payments.get(view.caller, view.id(Prefix.PAYMENT, "payment"))
        if asked is not None:
            return Weight(moves={payment.currency: await view.amount(asked, payment.currency)})
        return weight_of_rest(payment)

    async def refund(view: View) -> HttpAnswer:
        order = view.order(RefundRequest, "amount", "reason").order(view.key, view.id(Prefix.PAYMENT, "payment"))
        await console.services.refunds.desk.one(view.caller, order)
        return view.go_to("payments", view.path["payment"])

    console.act(
        "/{ledger}/payments/{payment}/refund",
        refund,
        needs=Scope.PAYMENTS_WRITE,
        name="refund a payment",
        weigh=weighed,
    )
    console.page("/{ledger}/payments.csv", exported, needs=Scope.PAYMENTS_READ, is_report=True)
    console.page("/{ledger}/payments/{payment}", life, needs=Scope.PAYMENTS_READ, is_personal=True)
    console.page("/{ledger}/refunds/{refund}", shown_refund, needs=Scope.PAYMENTS_READ, is_personal=True)
    console.page(
        "/{ledger}/payments",
        listed,
        needs=Scope.PAYMENTS_READ,
        nav=Nav(group="Money", title="Payments", key="p", also=("refunds",)),
    )


def weight_of_rest(payment: RecordedPayment) -> Weight:
    """All that is left, where no amount is asked for. What is disputed or being refunded may be left by then, too."""
    paid = payment.amount
    if payment.settlement is not None and payment.settlement.approved is not None:
        paid = payment.settlement.approved
    at_most = _without(paid, payment.refunded, payment.charged_back)
    left = _without(at_most, payment.refunding, payment.disputed)
    return Weight(
        moves={payment.currency: left}, at_most={payment.currency: at_most}, fixed={"amount": render_amount(left)}
    )


def _without(amount: Decimal, *gone: Decimal | None) -> Decimal:
    for one in gone:
        amount = amount if one is None else subtract(amount, one)
    return amount
