"""Processors: what is asked of them for payments, what they tell by themselves, and settling by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from zerosum.api.desk_routes import answer_of, rehearses
from zerosum.api.endpoints import Routes, TheCall, as_response
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.payments import DryRunFlag
from zerosum.api.schemas.fields import EXAMPLE_UUID
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.processor_calls import (
    CallbackRequest,
    CallbackResponse,
    CallStateName,
    ProcessorCallDryRun,
    ProcessorCallResponse,
    SettlementRequest,
    callback_body,
    move_body,
    processor_call_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, parse_id
from zerosum.domain.payments.payment import PROCESSOR_PATTERN_TEXT
from zerosum.domain.payments.processor_calls import CallOutcome
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.processor_calls import SettlementOrder

CallReference = Annotated[
    str,
    Path(
        description="The payment's id, or the refund's.",
        examples=[f"pay_{EXAMPLE_UUID}"],
        json_schema_extra={"pattern": f"^({Prefix.PAYMENT.value}|{Prefix.REFUND.value}){ID_PATTERN_TEXT}$"},
    ),
]

FILTERS = ("state", "processor")

EXAMPLES = {
    "approved": {"summary": "Carried out", "value": {"outcome": "approved", "reason": "Seen in the bank's portal."}},
    "declined": {"summary": "Not carried out", "value": {"outcome": "declined", "reason": "The bank knows nothing."}},
}
CALLBACK_EXAMPLES = {
    "paid": {
        "summary": "In the words of the sandbox",
        "value": {"event_id": "ev_1", "key": "zs-…", "status": "approved", "approved": "20.00", "id": "po_71"},
    }
}


def is_of_refund(reference: str) -> bool:
    return reference.startswith(Prefix.REFUND.value)


def prefix_of(reference: str) -> Prefix:
    return Prefix.REFUND if is_of_refund(reference) else Prefix.PAYMENT


def processor_routes(services: Services) -> Routes:
    routes = Routes("Processors")
    calls = services.processor_calls

    async def list_processor_calls(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        state: Annotated[CallStateName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
        processor: Annotated[str | None, Query(description="Only of this one.", max_length=32)] = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "processor calls", limit, cursor, order, FILTERS)
        return await list_body(await calls.list(call.caller, request), processor_call_body)

    async def get_processor_call(call: TheCall, payment: CallReference) -> dict[str, Any]:
        found, moves, callbacks = await calls.get(
            call.caller, parse_id(prefix_of(payment), payment), is_of_refund=is_of_refund(payment)
        )
        return {
            **processor_call_body(found),
            "moves": [move_body(found.ledger_id, move) for move in moves],
            "callbacks": [callback_body(one) for one in callbacks],
        }

    async def settle(call: TheCall, payment: CallReference, dry_run: DryRunFlag = None) -> Response:  # noqa: ARG001
        is_rehearsal = rehearses(call)
        body = validated(SettlementRequest, call.content)
        order = SettlementOrder(
            idempotency_key=call.idempotency_key or "",
            id=parse_id(prefix_of(payment), payment),
            is_of_refund=is_of_refund(payment),
            outcome=CallOutcome(body.outcome),
            reason=body.reason,
            amount=body.amount,
            processor=body.processor,
        )
        return as_response(
            await answer_of(call, calls.desk, order, processor_call_body, is_rehearsal=is_rehearsal, status=200)
        )

    async def take_callback(
        call: TheCall,
        processor: Annotated[str, Path(description="Which one, by its name here.", pattern=PROCESSOR_PATTERN_TEXT)],
    ) -> dict[str, Any]:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in call.headers}
        return {"effect": await services.processor_callbacks.take(processor, headers, call.body)}

    routes.add(
        "GET",
        "/v1/processor-calls",
        list_processor_calls,
        operation_id="listProcessorCalls",
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidCursor,),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List processor calls",
        answer=ListOf[ProcessorCallResponse],
        description="Newest first. `state=parked` are those that wait for a person.",
    )
    routes.add(
        "GET",
        "/v1/processor-calls/{payment}",
        get_processor_call,
        operation_id="getProcessorCall",
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidId, errors.ProcessorCallNotFound),
        summary="Read the processor call of a payment or refund",
        answer=ProcessorCallResponse,
    )
    routes.add(
        "POST",
        "/v1/processor-calls/{payment}/settle",
        settle,
        operation_id="settleProcessorCall",
        scope=Scope.ADMIN,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run",),
        summary="Settle a processor call by hand",
        answer=ProcessorCallResponse,
        reads=SettlementRequest,
        examples=EXAMPLES,
        refusals=(
            *errors.OF_AMOUNTS,
            errors.InvalidId,
            errors.InvalidState,
            errors.ProcessorCallNotFound,
            errors.ProcessorCallMoved,
            errors.AmountExceedsPayment,
            errors.BalanceOverflow,
        ),
        also_answers={200: ("Settled, or a rehearsal.", ProcessorCallResponse | ProcessorCallDryRun)},
        description="By the word of a person who has looked, where the processor does not say what became of it. It is "
        "told in the security log. What is settled stays so.",
    )
    routes.add(
        "POST",
        "/v1/processors/{processor}/callbacks",
        take_callback,
        operation_id="takeProcessorCallback",
        scope=None,
        body=BodyKind.JSON,
        summary="Take what a processor tells by itself",
        answer=CallbackResponse,
        reads=CallbackRequest,
        examples=CALLBACK_EXAMPLES,
        refusals=(errors.ProcessorNotFound, errors.PaymentNotFound, errors.Unauthenticated),
        description="Open to everybody and believed by its signature alone: `Zerosum-Signature: t=<seconds>,v1=<hex>`, "
        "the HMAC-SHA256 of `<seconds>.<body>`, at most five minutes old. An event has its effect once, however often "
        "and in whatever order events come.",
    )
    return routes
