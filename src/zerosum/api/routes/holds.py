"""Holds: placing one, what is done with it later, and reading."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Annotated, Any

from fastapi import Query, Response

from zerosum.api.desk_routes import DeskRoutes, answer_of, model_item_order, model_order, shown_as
from zerosum.api.endpoints import Routes, TheCall, as_response, id_in
from zerosum.api.express_orders import begun
from zerosum.api.hold_text import hold_text
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, AccountFilter, Cursor, Limit, SortOrder, page_request
from zerosum.api.route_manual import OF_KEYS
from zerosum.api.routes.payments import DryRunFlag, Include
from zerosum.api.schemas.bulk import BulkRequest, BulkResponse
from zerosum.api.schemas.fields import TEXT_MAX, id_path
from zerosum.api.schemas.holds import (
    CaptureRequest,
    ExtendRequest,
    HoldDryRun,
    HoldRequest,
    HoldResolutionItem,
    HoldResponse,
    HoldStatusName,
    IncrementRequest,
    VoidRequest,
    hold_body,
)
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX, Begun, BodyKind, Call, Express, HttpAnswer, Lean
from zerosum.services.holds import HoldChangeOrder, HoldOrder, RecordedHold

OF_CHANGES = (
    *errors.OF_AMOUNTS,
    errors.InvalidId,
    errors.HoldNotFound,
    errors.InvalidState,
    errors.AccountFrozen,
    errors.AccountClosed,
    errors.BalanceOverflow,
)
OF_MONEY = (
    errors.InsufficientFunds,
    errors.LimitExceeded,
    errors.VelocityLimitExceeded,
    errors.RuleRefused,
    errors.JudgementNeeded,
)
OF_SPLITS = (errors.SameAccount, errors.SplitsExceedAmount, errors.CurrencyMismatch)

FILTERS = ("account", "status", "currency", "reference")

HoldReference = Annotated[str, id_path(Prefix.HOLD, "The hold's id.")]

EXAMPLES = {
    "hold": {
        "summary": "A hold",
        "value": {"from": "customers:alice", "to": "customers:bob", "amount": "80.00", "currency": "USD"},
    },
}
CAPTURE_EXAMPLES = {
    "all": {"summary": "All that remains", "value": {}},
    "part": {"summary": "A part; the rest stays held", "value": {"amount": "30.00"}},
    "last": {"summary": "A part; the rest is set free", "value": {"amount": "30.00", "final": True}},
    "fee": {
        "summary": "All that remains, of which the platform keeps its fee",
        "value": {"splits": [{"to": "platform:fees", "percent": "10"}]},
    },
}
INCREMENT_EXAMPLES = {"more": {"summary": "Hold 20.00 more", "value": {"amount": "20.00"}}}
EXTEND_EXAMPLES = {"later": {"summary": "Until a day", "value": {"expires_at": "2099-12-31T00:00:00Z"}}}
RESOLVE_EXAMPLES = {
    "two": {
        "summary": "Capture one and void another",
        "value": {
            "items": [
                {
                    "hold": "hold_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90",
                    "action": "capture",
                    "amount": "30.00",
                    "final": True,
                    "idempotency_key": "stay-1001",
                },
                {
                    "hold": "hold_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e91",
                    "action": "void",
                    "idempotency_key": "stay-1002",
                },
            ]
        },
    }
}


def hold_routes(services: Services) -> Routes:
    routes = Routes("Holds")
    holds = services.holds
    desk: DeskRoutes[HoldOrder, RecordedHold] = DeskRoutes(
        holds.desk,
        order_of=model_order(HoldRequest),
        item_order_of=model_item_order(HoldRequest),
        body_of=hold_body,
        lines_of=attrgetter("lines"),
        text_of=hold_text,
    )
    group: DeskRoutes[HoldChangeOrder, RecordedHold] = DeskRoutes(
        holds.changes,
        order_of=model_order(HoldResolutionItem),
        item_order_of=model_item_order(HoldResolutionItem),
        body_of=hold_body,
        lines_of=attrgetter("lines"),
        status=200,
    )

    def change_of(order_in: Callable[[Call], HoldChangeOrder]) -> tuple[Lean, Express]:
        async def change(call: Call) -> HttpAnswer:
            is_rehearsal, shown = shown_as(call, hold_body, attrgetter("lines"))
            order = order_in(call)
            return await answer_of(call, holds.changes, order, shown, is_rehearsal=is_rehearsal, status=200)

        def change_express(call: Call) -> Begun:
            return begun(holds.changes, call, order_in(call), hold_text, 200)

        return change, change_express

    async def place_hold(call: TheCall, dry_run: DryRunFlag = None, include: Include = None) -> Response:  # noqa: ARG001 - the desk reads them
        return as_response(await desk.single(call))

    def through_the_framework(lean: Lean) -> Callable[..., Awaitable[Response]]:
        async def change_hold(
            call: TheCall,
            hold: HoldReference,  # noqa: ARG001 - read from the path of the call, as the lean way does
            dry_run: DryRunFlag = None,  # noqa: ARG001
            include: Include = None,  # noqa: ARG001
        ) -> Response:
            return as_response(await lean(call))

        return change_hold

    async def resolve_holds(call: TheCall, dry_run: DryRunFlag = None, include: Include = None) -> Response:  # noqa: ARG001
        return as_response(await group.bulk(call, is_always_atomic=True))

    async def list_holds(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        account: AccountFilter = None,  # noqa: ARG001 - read with the other filters
        status: Annotated[HoldStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001
        currency: Annotated[str | None, Query(description="Only in this one.", max_length=12)] = None,  # noqa: ARG001
        reference: Annotated[  # noqa: ARG001
            str | None, Query(description="Only what bears exactly this reference.", min_length=1, max_length=TEXT_MAX)
        ] = None,
    ) -> dict[str, Any]:
        request = page_request(call, "holds", limit, cursor, order, FILTERS, ("metadata",))
        return await list_body(await holds.list(call.caller, request), hold_body)

    async def get_hold(call: TheCall, hold: HoldReference) -> dict[str, Any]:
        return hold_body(await holds.get(call.caller, parse_id(Prefix.HOLD, hold)))

    read, write = Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE
    routes.add(
        "POST",
        "/v1/holds",
        place_hold,
        operation_id="createHold",
        scope=write,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        express=desk.express,
        query=("dry_run", "include"),
        summary="Place a hold",
        answer=HoldResponse,
        reads=HoldRequest,
        examples=EXAMPLES,
        refusals=(*errors.OF_BOOKS, errors.SameAccount, errors.RuleRefused, errors.JudgementNeeded),
        named_in_body=(errors.AccountNotFound,),
        also_answers={200: ("A rehearsal.", HoldDryRun)},
        description="Money that cannot be spent otherwise, and is not paid yet. It is captured, at once or in parts, "
        "or voided; when its time is over what is left is set free.",
    )
    for name, summary, model, examples, refusals, description in (
        (
            "capture",
            "Capture a hold",
            CaptureRequest,
            CAPTURE_EXAMPLES,
            (*OF_CHANGES, *OF_MONEY, errors.AmountExceedsHold, *OF_SPLITS),
            "Pays what is held, all of it or a part. Several captures are possible, until one is final or nothing is "
            "left.",
        ),
        (
            "increment",
            "Hold more",
            IncrementRequest,
            INCREMENT_EXAMPLES,
            (*OF_CHANGES, *OF_MONEY),
            "Judged as a hold of its own would be.",
        ),
        (
            "extend",
            "Hold for longer",
            ExtendRequest,
            EXTEND_EXAMPLES,
            OF_CHANGES,
            "Posts nothing; its key is remembered all the same.",
        ),
        (
            "void",
            "Void a hold",
            VoidRequest,
            None,
            OF_CHANGES,
            "What is still held is set free. What was captured stays paid.",
        ),
    ):
        lean, express = change_of(_change(model))
        routes.add(
            "POST",
            f"/v1/holds/{{hold}}/{name}",
            through_the_framework(lean),
            operation_id=f"{name}Hold",
            lean=lean,
            express=express,
            scope=write,
            body=BodyKind.OPTIONAL_JSON if name in ("capture", "void") else BodyKind.JSON,
            needs_key=True,
            query=("dry_run", "include"),
            summary=summary,
            answer=HoldResponse,
            reads=model,
            examples=examples,
            refusals=refusals,
            named_in_body=(errors.AccountNotFound,) if model is CaptureRequest else (),
            description=description,
        )
    routes.add(
        "POST",
        "/v1/holds/resolve",
        resolve_holds,
        operation_id="resolveHolds",
        scope=write,
        body=BodyKind.JSON,
        body_bytes_max=BULK_BODY_BYTES_MAX,
        query=("dry_run", "include"),
        refusals=(*OF_KEYS, *OF_CHANGES, *OF_MONEY, errors.AmountExceedsHold, *OF_SPLITS),
        named_in_body=(errors.AccountNotFound,),
        summary="Capture or void up to 1,000 holds together",
        answer=BulkResponse[HoldResponse],
        reads=BulkRequest[HoldResolutionItem],
        examples=RESOLVE_EXAMPLES,
        description="All or nothing; when one is refused the answer is its problem, with its `index`.",
    )
    routes.add(
        "GET",
        "/v1/holds",
        list_holds,
        operation_id="listHolds",
        scope=read,
        refusals=(errors.InvalidCursor,),
        families=("metadata",),
        named_in_body=(errors.AccountNotFound,),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List holds",
        answer=ListOf[HoldResponse],
        description="Newest first. All filters that are given must fit; `account` is either side.",
    )
    routes.add(
        "GET",
        "/v1/holds/{hold}",
        get_hold,
        operation_id="getHold",
        scope=read,
        refusals=(errors.InvalidId, errors.HoldNotFound),
        summary="Read a hold",
        answer=HoldResponse,
    )
    return routes


def _change(model: Any) -> Callable[[Call], HoldChangeOrder]:
    def order_in(call: Call) -> HoldChangeOrder:
        order: HoldChangeOrder = validated(model, call.content or {}).order(
            call.idempotency_key or "", id_in(call, Prefix.HOLD)
        )
        return order

    return order_in
