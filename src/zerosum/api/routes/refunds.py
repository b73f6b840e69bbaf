"""Refunds: giving money of a payment back, and what was given back."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

from fastapi import Response

from zerosum.api.desk_routes import answer_of, shown_as
from zerosum.api.endpoints import Routes, TheCall, as_response, id_in
from zerosum.api.express_orders import begun
from zerosum.api.hold_text import refund_text
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.payments import DryRunFlag, Include
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.payments import RefundDryRun, RefundRequest, RefundResponse, refund_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import Begun, BodyKind, Call, HttpAnswer
from zerosum.services.refunds import RefundOrder

PaymentReference = Annotated[str, id_path(Prefix.PAYMENT, "The payment's id.")]

EXAMPLES = {
    "all": {"summary": "All that is left", "value": {}},
    "part": {"summary": "A part", "value": {"amount": "5.00", "reason": "Returned"}},
}


def refund_routes(services: Services) -> Routes:
    routes = Routes("Payments")
    refunds = services.refunds

    async def refund(call: Call) -> HttpAnswer:
        is_rehearsal, shown = shown_as(call, refund_body, attrgetter("lines"))
        return await answer_of(call, refunds.desk, _order_in(call), shown, is_rehearsal=is_rehearsal)

    def refund_express(call: Call) -> Begun:
        return begun(refunds.desk, call, _order_in(call), refund_text)

    async def refund_payment(
        call: TheCall,
        payment: PaymentReference,  # noqa: ARG001 - read from the path of the call, as the lean way does
        dry_run: DryRunFlag = None,  # noqa: ARG001
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        return as_response(await refund(call))

    async def list_refunds(
        call: TheCall,
        payment: PaymentReference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
    ) -> dict[str, Any]:
        payment_id = parse_id(Prefix.PAYMENT, payment)
        request = page_request(call, f"refunds of {payment_id}", limit, cursor, order, ())
        return await list_body(await refunds.list(call.caller, payment_id, request), refund_body)

    routes.add(
        "POST",
        "/v1/payments/{payment}/refund",
        refund_payment,
        operation_id="refundPayment",
        lean=refund,
        express=refund_express,
        scope=Scope.PAYMENTS_WRITE,
        status=201,
        body=BodyKind.OPTIONAL_JSON,
        needs_key=True,
        query=("dry_run", "include"),
        summary="Refund a payment",
        answer=RefundResponse,
        reads=RefundRequest,
        examples=EXAMPLES,
        refusals=(
            *errors.OF_AMOUNTS,
            errors.InvalidId,
            errors.PaymentNotFound,
            errors.AmountExceedsPayment,
            errors.InvalidState,
            errors.ProcessorNotFound,
            errors.InsufficientFunds,
            errors.LimitExceeded,
            errors.BalanceOverflow,
            errors.AccountFrozen,
            errors.AccountClosed,
        ),
        also_answers={200: ("A rehearsal.", RefundDryRun)},
        description="Gives back all of it or a part, as often as something is left: from who was paid to who has paid, "
        "of a deposit or withdrawal through the clearing account. Who gives back must have it. What an outside "
        "processor has carried out is given back by it: the refund is `processing`, and its amount pending, until that "
        "has said so.",
    )
    routes.add(
        "GET",
        "/v1/payments/{payment}/refunds",
        list_refunds,
        operation_id="listRefunds",
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidCursor, errors.InvalidId, errors.PaymentNotFound),
        query=PAGE_PARAMETERS,
        summary="List the refunds of a payment",
        answer=ListOf[RefundResponse],
        description="Newest first.",
    )
    return routes


def _order_in(call: Call) -> RefundOrder:
    body = validated(RefundRequest, call.content or {})
    return body.order(call.idempotency_key or "", id_in(call, Prefix.PAYMENT))
