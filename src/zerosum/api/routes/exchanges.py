"""Exchanges: one currency sold for another."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

from fastapi import Response

from zerosum.api.desk_routes import answer_of, body_with, shown_as
from zerosum.api.endpoints import Routes, TheCall, as_response, check_parameters
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.payments import SHOWN, DryRunFlag, Include
from zerosum.api.schemas.exchanges import ExchangeDryRun, ExchangeRequest, ExchangeResponse, exchange_body
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind, Call, HttpAnswer

EXAMPLES = {
    "dollars": {
        "summary": "100 dollars into euros, of which half a percent is kept",
        "value": {
            "from": "customers:alice",
            "to": "customers:alice:eur",
            "amount": "100.00",
            "currency": "USD",
            "to_currency": "EUR",
            "rate": "0.92135",
            "rate_source": "ECB reference rates",
            "rate_at": "2026-11-28T15:00:00Z",
            "margin_percent": "0.5",
        },
    },
    "euros": {
        "summary": "As many dollars as buy 50 euros",
        "value": {
            "from": "customers:alice",
            "to": "customers:alice:eur",
            "bought": "50.00",
            "currency": "USD",
            "to_currency": "EUR",
            "rate": "0.92135",
            "rate_source": "ECB reference rates",
            "rate_at": "2026-11-28T15:00:00Z",
        },
    },
}


def exchange_routes(services: Services) -> Routes:
    routes = Routes("Exchanges")
    exchanges = services.exchanges

    async def exchange(call: Call) -> HttpAnswer:
        is_rehearsal, shown = shown_as(call, exchange_body, attrgetter("lines"))
        order = validated(ExchangeRequest, call.content).order(call.idempotency_key or "")
        return await answer_of(call, exchanges.desk, order, shown, is_rehearsal=is_rehearsal)

    async def make_exchange(call: TheCall, dry_run: DryRunFlag = None, include: Include = None) -> Response:  # noqa: ARG001 - read by `exchange`
        return as_response(await exchange(call))

    async def list_exchanges(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "exchanges", limit, cursor, order, ())
        return await list_body(await exchanges.list(call.caller, request), exchange_body)

    async def get_exchange(
        call: TheCall,
        exchange: Annotated[str, id_path(Prefix.EXCHANGE, "The exchange's id.")],
        include: Include = None,  # noqa: ARG001 - read with what else may be shown
    ) -> dict[str, Any]:
        shown = body_with(check_parameters(call.query_string, SHOWN), exchange_body, attrgetter("lines"))
        return shown(await exchanges.get(call.caller, parse_id(Prefix.EXCHANGE, exchange)))

    routes.add(
        "POST",
        "/v1/exchanges",
        make_exchange,
        operation_id="createExchange",
        lean=exchange,
        scope=Scope.PAYMENTS_WRITE,
        status=201,
        body=BodyKind.JSON,
        needs_key=True,
        query=("dry_run", "include"),
        summary="Exchange money",
        answer=ExchangeResponse,
        reads=ExchangeRequest,
        examples=EXAMPLES,
        refusals=(*errors.OF_BOOKS, *errors.OF_DATES, errors.AmountTooSmall, errors.QuotaExceeded),
        named_in_body=(errors.AccountNotFound,),
        also_answers={200: ("A rehearsal.", ExchangeDryRun)},
        description="Sells an amount of one currency for another, or as much as an amount of the other costs, at the "
        "rate you give, through the ledger's own exchange accounts: one entry that balances in both currencies.",
    )
    routes.add(
        "GET",
        "/v1/exchanges",
        list_exchanges,
        operation_id="listExchanges",
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List exchanges",
        answer=ListOf[ExchangeResponse],
        description="Newest first.",
    )
    routes.add(
        "GET",
        "/v1/exchanges/{exchange}",
        get_exchange,
        operation_id="getExchange",
        query=("include",),
        scope=Scope.PAYMENTS_READ,
        refusals=(errors.InvalidId, errors.ExchangeNotFound),
        summary="Read an exchange",
        answer=ExchangeResponse,
    )
    return routes
