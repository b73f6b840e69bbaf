"""Periods: closing one, and what was closed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response

from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters, json_answer
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.periods import (
    CloseRequest,
    PeriodBalance,
    PeriodLateEntry,
    PeriodResponse,
    late_entry_body,
    period_balance_body,
    period_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.ledger.periods import PERIOD_PATTERN_TEXT
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

PeriodReference = Annotated[
    str,
    Path(
        description="A month or a day in the ledger's zone.",
        examples=["2026-11"],
        json_schema_extra={"pattern": f"^{PERIOD_PATTERN_TEXT}$"},
    ),
]

EXAMPLES = {"one": {"summary": "With a note", "value": {"note": "Approved by finance"}}}

_NOT_THERE = (errors.InvalidId, errors.PeriodNotFound)


def period_routes(services: Services) -> Routes:
    routes = Routes("Periods")
    periods, balances = services.periods, services.balances

    async def close_period(call: TheCall, period: PeriodReference) -> Response:
        check_parameters(call.query_string, frozenset())
        note = validated(CloseRequest, call.content or {}).note
        done = await periods.close(call.caller, period, call.idempotency_key or "", note)
        return as_response(json_answer(200, period_body(done.view), is_replay=done.is_replay))

    async def list_periods(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "periods", limit, cursor, order)
        return await list_body(await periods.list(call.caller, request), period_body)

    async def get_period(call: TheCall, period: PeriodReference) -> dict[str, Any]:
        return period_body(await periods.get(call.caller, period))

    async def list_balances(
        call: TheCall, period: PeriodReference, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> dict[str, Any]:
        closing = await periods.sealed(call.caller, period)
        request = page_request(call, f"balances of {closing.period}", limit, cursor, None)
        page = await balances.sealed(call.caller, request, closing.ends_at, closing.recorded_until)
        return await list_body(page, period_balance_body)

    async def list_late_entries(
        call: TheCall,
        period: PeriodReference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
    ) -> dict[str, Any]:
        request = page_request(call, f"late entries of {period}", limit, cursor, order)
        return await list_body(await periods.list_late_entries(call.caller, period, request), late_entry_body)

    read = Scope.REPORTS_READ
    routes.add(
        "POST",
        "/v1/periods/{period}/close",
        close_period,
        operation_id="closePeriod",
        scope=Scope.ADMIN,
        body=BodyKind.OPTIONAL_JSON,
        needs_key=True,
        reads=CloseRequest,
        examples=EXAMPLES,
        effort=50,
        refusals=(errors.InvalidId, errors.PeriodClosed, errors.PeriodClosing, errors.PeriodNotOver),
        summary="Close a period",
        answer=PeriodResponse,
        description="Everything dated before its end is closed with it. From then on a date in it is refused, or "
        "rolled forward, as the ledger has it. Takes a second or more; no payment waits for it. Where it was cut off, "
        "ask again.",
    )
    routes.add(
        "GET",
        "/v1/periods",
        list_periods,
        operation_id="listPeriods",
        scope=read,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List closed periods",
        answer=ListOf[PeriodResponse],
        description="Newest first.",
    )
    routes.add(
        "GET",
        "/v1/periods/{period}",
        get_period,
        operation_id="getPeriod",
        scope=read,
        refusals=_NOT_THERE,
        summary="Read a closed period",
        answer=PeriodResponse,
    )
    routes.add(
        "GET",
        "/v1/periods/{period}/balances",
        list_balances,
        operation_id="listPeriodBalances",
        scope=read,
        refusals=(*_NOT_THERE, errors.PeriodClosing, errors.InvalidCursor),
        query=("limit", "cursor"),
        effort=10,
        summary="List the balances that were sealed",
        answer=ListOf[PeriodBalance],
        description="By code, of the accounts that anything was posted to before the end. They stay as they were "
        "sealed, whatever was put into the period afterwards.",
    )
    routes.add(
        "GET",
        "/v1/periods/{period}/late-entries",
        list_late_entries,
        operation_id="listLateEntries",
        scope=read,
        refusals=(*_NOT_THERE, errors.InvalidCursor),
        query=PAGE_PARAMETERS,
        summary="List what came after the close",
        answer=ListOf[PeriodLateEntry],
        description="Entries dated into closed time since this period was closed and before the next one was: those "
        "that were put there by an override, and those that were rolled forward. Newest first.",
    )
    return routes
