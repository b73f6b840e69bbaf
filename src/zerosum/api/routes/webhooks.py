"""Webhook endpoints: make, read, change, delete them, and what else is done to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.webhook_deliveries import add_delivery_routes
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.webhooks import (
    DeletedWebhookEndpointResponse,
    NewWebhookEndpointResponse,
    WebhookEndpointChange,
    WebhookEndpointRequest,
    WebhookEndpointResponse,
    WebhookPingResponse,
    WebhookSecretRotation,
    endpoint_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind
from zerosum.services.requests.caller import Caller
from zerosum.services.webhooks.endpoints import EndpointRecord

EndpointReference = Annotated[str, id_path(Prefix.WEBHOOK_ENDPOINT, "The endpoint's id.")]

PATH = "/v1/webhook-endpoints"
ONE = f"{PATH}/{{endpoint}}"
OF_ONE = (errors.InvalidId, errors.WebhookEndpointNotFound)

EXAMPLES = {
    "payments": {
        "summary": "All payments",
        "value": {"url": "https://hooks.example.com/zerosum", "event_types": ["payment.*"]},
    }
}
CHANGES = {"types": {"summary": "Other events", "value": {"event_types": ["payment.*", "hold.expired"]}}}


def webhook_routes(services: Services) -> Routes:
    routes = Routes("Webhooks")
    _add_endpoints(routes, services)
    _add_acts(routes, services)
    add_delivery_routes(routes, services)
    return routes


def endpoint_id(text: str) -> UUID:
    """Raises InvalidId."""
    return parse_id(Prefix.WEBHOOK_ENDPOINT, text)


def _add_endpoints(routes: Routes, services: Services) -> None:
    endpoints = services.webhook_endpoints

    async def create_endpoint(call: TheCall) -> dict[str, Any]:
        record, secret = await endpoints.create(call.caller, validated(WebhookEndpointRequest, call.content).order())
        return {**endpoint_body(record), "secret": secret}

    async def list_endpoints(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "webhook endpoints", limit, cursor, order)
        return await list_body(await endpoints.list(call.caller, request), endpoint_body)

    async def get_endpoint(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        return endpoint_body(await endpoints.get(call.caller, endpoint_id(endpoint)))

    async def change_endpoint(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        changes = validated(WebhookEndpointChange, call.content).changes()
        return endpoint_body(await endpoints.change(call.caller, endpoint_id(endpoint), changes))

    async def delete_endpoint(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        id_ = endpoint_id(endpoint)
        await endpoints.delete(call.caller, id_)
        return {"id": render_id(Prefix.WEBHOOK_ENDPOINT, id_), "deleted": True}

    shared: dict[str, Any] = {"scope": Scope.WEBHOOKS_WRITE}
    routes.add(
        "POST",
        PATH,
        create_endpoint,
        operation_id="createWebhookEndpoint",
        **shared,
        status=201,
        body=BodyKind.JSON,
        reads=WebhookEndpointRequest,
        examples=EXAMPLES,
        refusals=(errors.UrlNotAllowed, errors.QuotaExceeded),
        summary="Create a webhook endpoint",
        answer=NewWebhookEndpointResponse,
        description="It gets what is committed from now on, signed as Standard Webhooks has it. The answer shows the "
        "secret once.",
    )
    routes.add(
        "GET",
        PATH,
        list_endpoints,
        operation_id="listWebhookEndpoints",
        **shared,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List webhook endpoints",
        answer=ListOf[WebhookEndpointResponse],
    )
    routes.add(
        "GET",
        ONE,
        get_endpoint,
        operation_id="getWebhookEndpoint",
        **shared,
        refusals=OF_ONE,
        summary="Read a webhook endpoint",
        answer=WebhookEndpointResponse,
    )
    routes.add(
        "PATCH",
        ONE,
        change_endpoint,
        operation_id="changeWebhookEndpoint",
        **shared,
        body=BodyKind.JSON,
        reads=WebhookEndpointChange,
        examples=CHANGES,
        refusals=(*OF_ONE, errors.UrlNotAllowed),
        summary="Change a webhook endpoint",
        answer=WebhookEndpointResponse,
    )
    routes.add(
        "DELETE",
        ONE,
        delete_endpoint,
        operation_id="deleteWebhookEndpoint",
        **shared,
        refusals=OF_ONE,
        summary="Delete a webhook endpoint",
        answer=DeletedWebhookEndpointResponse,
    )


def _add_acts(routes: Routes, services: Services) -> None:
    endpoints = services.webhook_endpoints

    async def rotate_secret(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        overlap = validated(WebhookSecretRotation, call.content).overlap
        record, secret = await endpoints.rotate_secret(call.caller, endpoint_id(endpoint), overlap)
        return {**endpoint_body(record), "secret": secret}

    async def ping(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        event_id = await endpoints.ping(call.caller, endpoint_id(endpoint))
        return {"event_id": render_id(Prefix.EVENT, event_id)}

    routes.add(
        "POST",
        f"{ONE}/rotate-secret",
        rotate_secret,
        operation_id="rotateWebhookSecret",
        scope=Scope.WEBHOOKS_WRITE,
        body=BodyKind.OPTIONAL_JSON,
        reads=WebhookSecretRotation,
        refusals=(*OF_ONE, errors.InvalidState, errors.QuotaExceeded),
        summary="Give a webhook endpoint a new secret",
        answer=NewWebhookEndpointResponse,
        description="As long as secrets overlap, deliveries bear a signature by each, also of those rotated before. "
        "Without an overlap all former ones end at once. The answer shows the new one once.",
    )
    states: tuple[tuple[str, Callable[[Caller, UUID], Awaitable[EndpointRecord]], str, Any], ...] = (
        (
            "enable",
            endpoints.enable,
            "It gets what is committed from now on. What fell due meanwhile stays parked until it is replayed.",
            (*OF_ONE, errors.UrlNotAllowed),
        ),
        ("disable", endpoints.disable, "Nothing is sent to it; what falls due is parked.", OF_ONE),
    )
    for verb, use_case, description, refusals in states:
        routes.add(
            "POST",
            f"{ONE}/{verb}",
            _state_route(use_case),
            operation_id=f"{verb}WebhookEndpoint",
            scope=Scope.WEBHOOKS_WRITE,
            refusals=refusals,
            summary=f"{verb.capitalize()} a webhook endpoint",
            answer=WebhookEndpointResponse,
            description=description,
        )
    routes.add(
        "POST",
        f"{ONE}/ping",
        ping,
        operation_id="pingWebhookEndpoint",
        scope=Scope.WEBHOOKS_WRITE,
        status=202,
        refusals=(*OF_ONE, errors.InvalidState),
        summary="Send a test to a webhook endpoint",
        answer=WebhookPingResponse,
        description="An event `webhook_endpoint.ping` that nobody else gets, and that is not in the feed.",
    )


def _state_route(
    use_case: Callable[[Caller, UUID], Awaitable[EndpointRecord]],
) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def set_state(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        return endpoint_body(await use_case(call.caller, endpoint_id(endpoint)))

    return set_state
