"""Payments: transfers, deposits and withdrawals."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import WithJsonSchema

from zerosum.api.desk_routes import DeskRoutes, body_with, model_item_order, model_order
from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters
from zerosum.api.lists import (
    DEFAULT_LIMIT,
    OLD_TIMES,
    PAGE_PARAMETERS,
    TIMES,
    AccountFilter,
    Cursor,
    EffectiveFrom,
    EffectiveTo,
    Limit,
    OldFrom,
    OldTo,
    SortOrder,
    page_request,
)
from zerosum.api.overrides import check_override, check_overrides
from zerosum.api.payment_text import paid_or_held_body, paid_or_held_status, paid_or_held_text
from zerosum.api.route_manual import OF_KEYS
from zerosum.api.schemas.bulk import BulkRequest, BulkResponse
from zerosum.api.schemas.fields import TEXT_MAX, id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.payments import (
    PaymentDryRun,
    PaymentItem,
    PaymentRequest,
    PaymentResponse,
    PaymentStatusName,
    PaymentTypeName,
)
from zerosum.api.schemas.reviews import ReviewResponse
from zerosum.api.schemas.traced import TracedPaymentResponse, traced_payment_body
from zerosum.api.services import Services
from zerosum.api.straight_payments import answer_each_straight, begin_straight
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX, Begun, BodyKind, Call
from zerosum.services.payments import PaymentOrder, RecordedPayment, RecordedReview

# Only for the manual: the desk reads these itself, the same whether or not the web framework stands in between.
DryRunFlag = Annotated[
    Any,
    Query(description="`true`: all checks, nothing written, and the balances as they would be."),
    WithJsonSchema({"type": "boolean", "default": False}),
]
Mode = Annotated[
    Any,
    Query(description="`atomic`: all or nothing; `independent`: each by itself."),
    WithJsonSchema({"type": "string", "enum": ["atomic", "independent"], "default": "independent"}),
]

Include = Annotated[
    Any,
    Query(description="`balances`: how the accounts stood right after it, the same in every replay."),
    WithJsonSchema({"type": "string", "enum": ["balances"]}),
]
SHOWN = frozenset({"include"})

OF_CONDITIONS = (errors.ConditionFailed, errors.VersionConflict)
REFUSALS = (
    *errors.OF_BOOKS,
    *errors.OF_DATES,
    *OF_CONDITIONS,
    errors.SameAccount,
    errors.SplitsExceedAmount,
    errors.NoRoute,
    errors.RuleRefused,
    errors.JudgementNeeded,
    errors.QuotaExceeded,
    errors.SubjectErased,
)

FILTERS = ("account", "reference", "type", "currency", "status", *TIMES, *OLD_TIMES)

EXAMPLES: dict[str, dict[str, Any]] = {
    "deposit": {
        "summary": "A deposit",
        "value": {"type": "deposit", "amount": "100.00", "currency": "USD", "to": "customers:alice"},
    },
    "transfer": {
        "summary": "A transfer",
        "value": {
            "type": "transfer",
            "amount": "12.34",
            "currency": "USD",
            "from": "customers:alice",
            "to": "customers:bob",
            "description": "Lunch",
        },
    },
    "splits": {
        "summary": "A transfer of which the platform keeps its fees",
        "value": {
            "type": "transfer",
            "amount": "50.00",
            "currency": "USD",
            "from": "customers:alice",
            "to": "customers:bob",
            "splits": [{"to": "platform:fees", "percent": "2.9"}, {"to": "platform:tips", "amount": "0.30"}],
        },
    },
    "withdrawal": {
        "summary": "A withdrawal",
        "value": {"type": "withdrawal", "amount": "20.00", "currency": "USD", "from": "customers:alice"},
    },
}


BULK_EXAMPLES = {
    "two": {
        "summary": "A deposit and a transfer of it",
        "value": {
            "items": [
                {**EXAMPLES["deposit"]["value"], "idempotency_key": "order-1002"},
                {**EXAMPLES["transfer"]["value"], "idempotency_key": "order-1003"},
            ]
        },
    }
}


def payment_routes(services: Services) -> Routes:
    routes = Routes("Payments")
    payments = services.payments
    desk: DeskRoutes[PaymentOrder, RecordedPayment | RecordedReview] = DeskRoutes(
        payments.desk,
        order_of=model_order(PaymentRequest),
        item_order_of=model_item_order(PaymentItem),
        body_of=paid_or_held_body,
        text_of=paid_or_held_text,
        lines_of=attrgetter("lines"),
        status_of=paid_or_held_status,
    )

    def express(call: Call) -> Begun:
        straight = begin_straight(payments, call)
        if straight is not None:
            return straight
        check_override(call)
        return desk.express(call)

    async def make_payment(call: TheCall, dry_run: DryRunFlag = None, include: Include = None) -> Response:  # noqa: ARG001 - the desk reads them
        check_override(call)
        return as_response(await desk.single(call))

    async def make_payments(
        call: TheCall,
        mode: Mode = None,  # noqa: ARG001 - the desk reads them
        dry_run: DryRunFlag = None,  # noqa: ARG001
        include: Include = None,  # noqa: ARG001
    ) -> Response:
        straight = await answer_each_straight(payments, call, desk.answer_each)
        if straight is not None:
            return as_response(straight)
        check_overrides(call)
        return as_response(await desk.bulk(call))

    async def list_payments(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        type: Annotated[PaymentTypeName | None, Query(description="Only these.")] = None,  # noqa: A002, ARG001 - read with the other filters
        currency: Annotated[str | None, Query(description="Only in this one.", max_length=12)] = None,  # noqa: ARG001
        status: Annotated[PaymentStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
        account: AccountFilter = None,  # noqa: ARG001
        reference: Annotated[  # noqa: ARG001
            str | None, Query(description="Only what bears exactly this reference.", min_length=1, max_length=TEXT_MAX)
        ] = None,
        effective_from: EffectiveFrom = None,  # noqa: ARG001
        effective_to: EffectiveTo = None,  # noqa: ARG001
        from_: OldFrom = None,  # noqa: ARG001
        to: OldTo = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "payments", limit, cursor, order, FILTERS, ("metadata",))
        return await list_body(await payments.list(call.caller, request), traced_payment_body)

    async def get_payment(
        call: TheCall,
        payment: Annotated[str, id_path(Prefix.PAYMENT, "The payment's id.")],
        include: Include = None,  # noqa: ARG001 - read with what else may be shown
    ) -> dict[str, Any]:
        shown = body_with(check_parameters(call.query_string, SHOWN), traced_payment_body, attrgetter("lines"))
        return shown(await payments.get(call.caller, parse_id(Prefix.PAYMENT, payment)))

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    routes.add(
        "POST",
        "/v1/payments",
        make_payment,
        operation_id="createPayment",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        express=express,
        query=("dry_run", "include"),
        summary="Make a payment",
        answer=PaymentResponse,
        reads=PaymentRequest,
        examples=EXAMPLES,
        refusals=REFUSALS,
        named_in_body=(errors.AccountNotFound, errors.ProcessorNotFound),
        also_answers={200: ("A rehearsal.", PaymentDryRun), 202: ("Held by a rule, for review.", ReviewResponse)},
        description="A transfer between two accounts, a deposit into the ledger or a withdrawal out of it. Answered "
        "once it is committed; a refusal is kept under the key, too.",
    )
    routes.add(
        "POST",
        "/v1/payments/bulk",
        make_payments,
        operation_id="createPayments",
        scope=write,
        body=BodyKind.JSON,
        body_bytes_max=BULK_BODY_BYTES_MAX,
        query=("mode", "dry_run", "include"),
        refusals=(*OF_KEYS, *REFUSALS),
        named_in_body=(errors.AccountNotFound, errors.ProcessorNotFound),
        summary="Make up to 1,000 payments",
        answer=BulkResponse[PaymentResponse | ReviewResponse],
        reads=BulkRequest[PaymentItem],
        examples=BULK_EXAMPLES,
        description="Independent: 200 with a result for each. Atomic: all or nothing; when one is refused the answer "
        "is its problem, with its `index`.",
    )
    routes.add(
        "GET",
        "/v1/payments",
        list_payments,
        operation_id="listPayments",
        scope=read,
        refusals=(errors.InvalidCursor,),
        families=("metadata",),
        named_in_body=(errors.AccountNotFound,),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List payments",
        answer=ListOf[TracedPaymentResponse],
        description="Newest first; of an `account` within a span of time by `effective_at`. All filters that are given "
        "must fit. `effective_from` belongs to the span, `effective_to` does not.",
    )
    routes.add(
        "GET",
        "/v1/payments/{payment}",
        get_payment,
        operation_id="getPayment",
        scope=read,
        query=("include",),
        refusals=(errors.InvalidId, errors.PaymentNotFound),
        summary="Read a payment",
        answer=TracedPaymentResponse,
    )
    return routes
