"""The routes that a ledger has of its own, in the place of those of the file of processors."""

from __future__ import annotations

from typing import Any

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.ledger_routes import RoutesRequest, RoutesResponse, routes_body
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

EXAMPLES = {
    "away": {
        "summary": "Payouts in euros by another",
        "value": {
            "routes": [
                {"name": "in euros", "currencies": ["EUR"], "processors": ["beta"]},
                {"name": "all others", "weights": {"acme": 80, "beta": 20}},
            ],
            "why": "acme declines euros",
        },
    },
}


def ledger_routes_routes(services: Services) -> Routes:
    routes = Routes("Processors")
    book = services.ledger_routes

    async def put_routes(call: TheCall) -> dict[str, Any]:
        body = validated(RoutesRequest, call.content)
        contents = None if body.routes is None else [one.content() for one in body.routes]
        return routes_body(await book.put(call.caller, contents, body.why))

    async def get_routes(call: TheCall) -> dict[str, Any]:
        return routes_body(await book.get(call.caller))

    async def list_versions(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "versions of routes", limit, cursor, order, ())
        return await list_body(await book.versions(call.caller, request), routes_body)

    routes.add(
        "PUT",
        "/v1/routes",
        put_routes,
        operation_id="putRoutes",
        scope=Scope.ADMIN,
        body=BodyKind.JSON,
        reads=RoutesRequest,
        examples=EXAMPLES,
        refusals=(*errors.OF_AMOUNTS, errors.InvalidState),
        summary="Say by which processors payments go that leave it to us",
        answer=RoutesResponse,
        description="They stand in the place of those of the file, all of them, within a second and without a restart. "
        "Each change is a version, which stays with every payment that it decides; the security log tells who has made "
        "it and why. The same again changes nothing.",
    )
    routes.add(
        "GET",
        "/v1/routes",
        get_routes,
        operation_id="getRoutes",
        scope=Scope.ADMIN,
        summary="Read by which processors payments go that leave it to us",
        answer=RoutesResponse,
    )
    routes.add(
        "GET",
        "/v1/routes/versions",
        list_versions,
        operation_id="listRoutesVersions",
        scope=Scope.ADMIN,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List all versions of the ledger's own routes",
        answer=ListOf[RoutesResponse],
        description="Newest first.",
    )
    return routes
