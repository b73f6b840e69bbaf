"""Breaks: what has no match on the other side, and what is done about it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from zerosum.api.endpoints import Routes, TheCall, as_response, json_answer
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, InDigits, Limit, SortOrder, page_request
from zerosum.api.route_manual import OF_KEYS
from zerosum.api.schemas.fields import EXAMPLE_UUID
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.reconciliation_breaks import (
    AdjustBreakRequest,
    AssignBreakRequest,
    BreakStateName,
    ExplainBreakRequest,
    NoteBreakRequest,
    ReconciliationBreakAdjustment,
    ReconciliationBreakDetail,
    ReconciliationBreakResponse,
    ResolveBreakRequest,
    break_body,
    break_detail,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, parse_id, render_id
from zerosum.domain.reconciliation.breaks import ReconciliationBreak
from zerosum.domain.reconciliation.sources import SOURCE_NAME_PATTERN_TEXT
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

BreakReference = Annotated[
    str,
    Path(
        alias="break",
        description="The break's id.",
        examples=[f"{Prefix.RECONCILIATION_BREAK.value}{EXAMPLE_UUID}"],
        json_schema_extra={"pattern": f"^{Prefix.RECONCILIATION_BREAK.value}{ID_PATTERN_TEXT}$"},
    ),
]
OfSource = Annotated[str | None, Query(description="Only of this source.", pattern=f"^{SOURCE_NAME_PATTERN_TEXT}$")]
InState = Annotated[BreakStateName | None, Query(description="Only what stands so now.")]
IsExplained = Annotated[
    str | None, Query(description="Whether there is nothing wrong with it today.", pattern="^(true|false)$")
]
AtLeastSoOld = Annotated[int | None, InDigits, Query(description="At least so many days old.", ge=0, le=100_000)]
FILTERS = ("source", "state", "explained", "age_days")

_NOT_THERE = (errors.InvalidId, errors.ReconciliationBreakNotFound)
_CHANGES = (*_NOT_THERE, errors.ReconciliationBreakClosed, errors.QuotaExceeded)
READ, WRITE = Scope.RECONCILIATION_READ, Scope.RECONCILIATION_WRITE


def add_break_routes(routes: Routes, services: Services) -> None:
    _add_reading(routes, services)
    _add_steps(routes, services)
    _add_adjustment(routes, services)


def _add_reading(routes: Routes, services: Services) -> None:
    breaks = services.reconciliation_breaks

    async def list_all(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        source: OfSource = None,  # noqa: ARG001 - read with the other filters
        state: InState = None,  # noqa: ARG001
        explained: IsExplained = None,  # noqa: ARG001
        age_days: AtLeastSoOld = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "reconciliation breaks", limit, cursor, order, FILTERS)
        today = breaks.today()
        return await list_body(await breaks.list(call.caller, request), lambda one: break_body(one, today))

    async def get_break(call: TheCall, break_: BreakReference) -> dict[str, Any]:
        found, steps, line = await breaks.get(call.caller, parse_id(Prefix.RECONCILIATION_BREAK, break_))
        return break_detail(found, steps, line, breaks.today())

    routes.add(
        "GET",
        "/v1/reconciliation/breaks",
        list_all,
        operation_id="listReconciliationBreaks",
        scope=READ,
        query=(*PAGE_PARAMETERS, *FILTERS),
        refusals=(errors.InvalidCursor,),
        summary="List breaks",
        answer=ListOf[ReconciliationBreakResponse],
        description="The newest first.",
    )
    routes.add(
        "GET",
        "/v1/reconciliation/breaks/{break}",
        get_break,
        operation_id="getReconciliationBreak",
        scope=READ,
        refusals=_NOT_THERE,
        summary="Read a break with all its steps",
        answer=ReconciliationBreakDetail,
    )


def _add_steps(routes: Routes, services: Services) -> None:
    breaks = services.reconciliation_breaks

    def answered(found: ReconciliationBreak) -> dict[str, Any]:
        return break_body(found, breaks.today())

    async def assign(call: TheCall, break_: BreakReference) -> dict[str, Any]:
        order = validated(AssignBreakRequest, call.content)
        return answered(await breaks.assign(call.caller, _id(break_), order.owner))

    async def note(call: TheCall, break_: BreakReference) -> dict[str, Any]:
        order = validated(NoteBreakRequest, call.content)
        return answered(await breaks.note(call.caller, _id(break_), order.note))

    async def explain(call: TheCall, break_: BreakReference) -> dict[str, Any]:
        order = validated(ExplainBreakRequest, call.content)
        return answered(await breaks.explain(call.caller, _id(break_), order.reason, order.until))

    async def resolve(call: TheCall, break_: BreakReference) -> dict[str, Any]:
        order = validated(ResolveBreakRequest, call.content)
        return answered(await breaks.resolve(call.caller, _id(break_), order.reason))

    steps: tuple[tuple[str, Any, Any, str, str], ...] = (
        ("assign", assign, AssignBreakRequest, "Say whose a break is", "assignReconciliationBreak"),
        ("note", note, NoteBreakRequest, "Say what is known of a break", "noteReconciliationBreak"),
        ("explain", explain, ExplainBreakRequest, "Say why there is nothing wrong yet", "explainReconciliationBreak"),
        ("resolve", resolve, ResolveBreakRequest, "Say why nothing is to be done", "resolveReconciliationBreak"),
    )
    for word, endpoint, model, summary, operation_id in steps:
        routes.add(
            "POST",
            f"/v1/reconciliation/breaks/{{break}}/{word}",
            endpoint,
            operation_id=operation_id,
            scope=WRITE,
            body=BodyKind.JSON,
            reads=model,
            refusals=_CHANGES,
            summary=summary,
            answer=ReconciliationBreakResponse,
            description="Its steps are kept for ever. The same again is no step.",
        )


def _add_adjustment(routes: Routes, services: Services) -> None:
    breaks, adjustments = services.reconciliation_breaks, services.reconciliation_adjustments

    async def adjust(call: TheCall, break_: BreakReference) -> Response:
        order = validated(AdjustBreakRequest, call.content).order()
        call.must_have(Scope.JOURNAL_WRITE, "")
        done = await adjustments.adjust(call.caller, _id(break_), order)
        body = break_body(done.adjusted, breaks.today())
        body["adjustment"] = render_id(Prefix.JOURNAL_ENTRY, done.entry.id)
        return as_response(json_answer(200, body, is_replay=done.is_replay))

    routes.add(
        "POST",
        "/v1/reconciliation/breaks/{break}/adjust",
        adjust,
        operation_id="adjustReconciliationBreak",
        scope=WRITE,
        body=BodyKind.JSON,
        reads=AdjustBreakRequest,
        refusals=(*errors.OF_BOOKS, *errors.OF_DATES, *_CHANGES, errors.InvalidState, *OF_KEYS),
        named_in_body=(errors.AccountNotFound,),
        summary="Post the entry that puts a break right",
        answer=ReconciliationBreakAdjustment,
        description="A line that our books lack is posted, an entry that is too much is taken back, against the "
        "account that is named. Its key is the break's own: however often this is sent, there is one entry. Needs "
        "`journal:write` too.",
    )


def _id(text: str) -> Any:
    """Raises InvalidId."""
    return parse_id(Prefix.RECONCILIATION_BREAK, text)
