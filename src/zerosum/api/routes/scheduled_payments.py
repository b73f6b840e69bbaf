"""Scheduled payments: ordering one, cancelling it, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from zerosum.api.desk_routes import answer_of, rehearses
from zerosum.api.endpoints import Routes, TheCall, as_response
from zerosum.api.lists import (
    DEFAULT_LIMIT,
    PAGE_PARAMETERS,
    AccountFilter,
    Cursor,
    Limit,
    SortOrder,
    page_request,
)
from zerosum.api.routes.payments import EXAMPLES as PAYMENT_EXAMPLES
from zerosum.api.routes.payments import REFUSALS, DryRunFlag
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.scheduled_payments import (
    RULE_EXAMPLE,
    ZONE_EXAMPLE,
    CancellationRequest,
    RunResponse,
    ScheduledPaymentDryRun,
    ScheduledPaymentRequest,
    ScheduledPaymentResponse,
    ScheduledPaymentWithRuns,
    ScheduleStatusName,
    run_body,
    schedule_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.scheduled_payments import CancellationOrder

ScheduleReference = Annotated[str, id_path(Prefix.SCHEDULED_PAYMENT, "The scheduled payment's id.")]

_TRANSFER = PAYMENT_EXAMPLES["transfer"]["value"]
EXAMPLES = {
    "once": {"summary": "Once", "value": {**_TRANSFER, "execute_at": "2035-12-24T09:00:00Z"}},
    "monthly": {
        "summary": "At each month's end, tried again where it is refused",
        "value": {
            **_TRANSFER,
            "execute_at": "2035-12-31T08:00:00Z",
            "recurrence": {"rule": RULE_EXAMPLE, "time_zone": ZONE_EXAMPLE},
            "on_refusal": "retry",
            "retry": {"attempts": 3, "interval_seconds": 3600},
        },
    },
}
CANCELLATION_EXAMPLES = {"one": {"summary": "Cancel it", "value": {}}}

FILTERS = ("account", "status")

PASSING = (errors.InsufficientFunds, errors.AccountFrozen, errors.LimitExceeded, errors.BalanceOverflow)
"""What refuses a payment when it is due, and not before."""


def scheduled_payment_routes(services: Services) -> Routes:
    routes = Routes("Scheduled payments")
    schedules = services.scheduled_payments

    async def schedule_payment(call: TheCall, dry_run: DryRunFlag = None) -> Response:  # noqa: ARG001
        is_rehearsal = rehearses(call)
        order = validated(ScheduledPaymentRequest, call.content).order(call.idempotency_key or "")
        return as_response(await answer_of(call, schedules.desk, order, schedule_body, is_rehearsal=is_rehearsal))

    async def take_back(
        call: TheCall,
        scheduled_payment: ScheduleReference,
        dry_run: DryRunFlag = None,  # noqa: ARG001
    ) -> Response:
        is_rehearsal = rehearses(call)
        validated(CancellationRequest, call.content or {})
        id_ = parse_id(Prefix.SCHEDULED_PAYMENT, scheduled_payment)
        order = CancellationOrder(idempotency_key=call.idempotency_key or "", schedule_id=id_)
        return as_response(
            await answer_of(call, schedules.cancellations, order, schedule_body, is_rehearsal=is_rehearsal, status=200)
        )

    async def list_schedules(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        account: AccountFilter = None,  # noqa: ARG001 - read with the other filters
        status: Annotated[ScheduleStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "scheduled payments", limit, cursor, order, FILTERS)
        return await list_body(await schedules.list(call.caller, request), schedule_body)

    async def get_schedule(call: TheCall, scheduled_payment: ScheduleReference) -> dict[str, Any]:
        found, runs = await schedules.get(call.caller, parse_id(Prefix.SCHEDULED_PAYMENT, scheduled_payment))
        return schedule_body(found) | {"runs": [run_body(run) for run in runs]}

    async def list_runs(
        call: TheCall,
        scheduled_payment: ScheduleReference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
    ) -> dict[str, Any]:
        id_ = parse_id(Prefix.SCHEDULED_PAYMENT, scheduled_payment)
        request = page_request(call, f"runs of {id_}", limit, cursor, order)
        return await list_body(await schedules.runs(call.caller, id_, request), run_body)

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    routes.add(
        "POST",
        "/v1/scheduled-payments",
        schedule_payment,
        operation_id="createScheduledPayment",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run",),
        summary="Schedule a payment",
        answer=ScheduledPaymentResponse,
        reads=ScheduledPaymentRequest,
        examples=EXAMPLES,
        refusals=(*[one for one in REFUSALS if one not in PASSING], errors.InvalidRecurrence),
        named_in_body=(errors.AccountNotFound,),
        also_answers={200: ("A rehearsal.", ScheduledPaymentDryRun)},
        description="It is made once it is due, by the worker and in the name of the caller, or several times by a "
        "rule. The money need not be there before; what is done where it is missing says `on_refusal`.",
    )
    routes.add(
        "POST",
        "/v1/scheduled-payments/{scheduled_payment}/cancel",
        take_back,
        operation_id="cancelScheduledPayment",
        scope=write,
        body=BodyKind.OPTIONAL_JSON,
        needs_key=True,
        query=("dry_run",),
        summary="Cancel a scheduled payment",
        answer=ScheduledPaymentResponse,
        reads=CancellationRequest,
        examples=CANCELLATION_EXAMPLES,
        refusals=(errors.InvalidId, errors.ScheduledPaymentNotFound, errors.InvalidState),
        description="What was paid stays paid; nothing more is.",
    )
    routes.add(
        "GET",
        "/v1/scheduled-payments",
        list_schedules,
        operation_id="listScheduledPayments",
        scope=read,
        refusals=(errors.InvalidCursor,),
        named_in_body=(errors.AccountNotFound,),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List scheduled payments",
        answer=ListOf[ScheduledPaymentResponse],
        description="Newest first.",
    )
    routes.add(
        "GET",
        "/v1/scheduled-payments/{scheduled_payment}",
        get_schedule,
        operation_id="getScheduledPayment",
        scope=read,
        refusals=(errors.InvalidId, errors.ScheduledPaymentNotFound),
        summary="Read a scheduled payment",
        answer=ScheduledPaymentWithRuns,
        description="With the newest of its runs and the payments they have made.",
    )
    routes.add(
        "GET",
        "/v1/scheduled-payments/{scheduled_payment}/runs",
        list_runs,
        operation_id="listScheduledPaymentRuns",
        scope=read,
        refusals=(errors.InvalidCursor, errors.InvalidId, errors.ScheduledPaymentNotFound),
        query=PAGE_PARAMETERS,
        summary="List the runs of a scheduled payment",
        answer=ListOf[RunResponse],
        description="All of them, newest first.",
    )
    return routes
