"""Processor calls: what is asked of processors, which of it is stuck, and settling one by hand."""

from __future__ import annotations

from zerosum.api.routes.processor_calls import is_of_refund, prefix_of
from zerosum.api.schemas.processor_calls import SettlementRequest
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.identifiers import parse_id
from zerosum.domain.payments.processor_calls import SETTLED, CallOutcome, CallState
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.processor_calls import SettlementOrder

FILTERS = ("state", "processor")
WORDS = {"state": CallState}
PROCESSOR_CHARACTERS_MAX = 32


def processor_call_pages(console: Console) -> None:
    calls = console.services.processor_calls

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "processor calls", FILTERS, words=WORDS)
        if len(request.filters.get("processor", "")) > PROCESSOR_CHARACTERS_MAX:
            raise InvalidParameter("No processor has so long a name.", pointer="processor")
        page = await calls.list(view.caller, request)
        return view.show(
            "processor_calls.html",
            calls=page.items,
            next=next_page(view, request, page, "processor-calls"),
            given=request.filters,
            states=list(CallState),
            settled=SETTLED,
        )

    async def shown(view: View) -> HttpAnswer:
        reference = view.path["payment"]
        id_ = parse_id(prefix_of(reference), reference)
        call, moves, callbacks = await calls.get(view.caller, id_, is_of_refund=is_of_refund(reference))
        payment = await console.services.payments.get(view.caller, call.refunded_payment_id or call.id)
        return view.show(
            "processor_call.html",
            call=call,
            codes={payment.payer_id: payment.payer_code, payment.payee_id: payment.payee_code},
            callbacks=callbacks,
            moves=moves,
            reference=reference,
            is_settled=call.state in SETTLED,
            outcomes=list(CallOutcome),
        )

    async def weighed(view: View) -> Weight:
        """All of it, whatever the outcome: what was not carried out goes back."""
        reference = view.path["payment"]
        view.order(SettlementRequest, "outcome", "reason", "amount", "processor")
        id_ = parse_id(prefix_of(reference), reference)
        call, _, _ = await calls.get(view.caller, id_, is_of_refund=is_of_refund(reference))
        return Weight(moves={call.currency: call.amount})

    async def settle(view: View) -> HttpAnswer:
        reference = view.path["payment"]
        said = view.order(SettlementRequest, "outcome", "reason", "amount", "processor")
        order = SettlementOrder(
            idempotency_key=view.key,
            id=parse_id(prefix_of(reference), reference),
            is_of_refund=is_of_refund(reference),
            outcome=CallOutcome(said.outcome),
            reason=said.reason,
            amount=said.amount,
            processor=said.processor,
        )
        await calls.desk.one(view.caller, order)
        return view.go_to("processor-calls", reference)

    read = Scope.PAYMENTS_READ
    nav = Nav(group="Outside", title="Processor calls", key="l")
    console.page("/{ledger}/processor-calls", listed, needs=read, nav=nav)
    console.page("/{ledger}/processor-calls/{payment}", shown, needs=read, is_personal=True)
    name = "settle a processor call"
    console.act("/{ledger}/processor-calls/{payment}/settle", settle, needs=Scope.ADMIN, name=name, weigh=weighed)
