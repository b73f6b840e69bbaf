"""What was delivered to webhook endpoints, and sending it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import WithJsonSchema

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, InDigits, Limit, SortOrder, page_request
from zerosum.api.schemas.fields import OneOf, id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.webhooks import (
    WebhookDeliveryResponse,
    WebhookReplayRequest,
    WebhookReplayResponse,
    delivery_body,
    replay_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, parse_id
from zerosum.domain.webhooks import DeliveryStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

FILTERS = ("status", "event", "type", "code", "from", "to")

EndpointReference = Annotated[str, id_path(Prefix.WEBHOOK_ENDPOINT, "The endpoint's id.")]
EventReference = Annotated[str, id_path(Prefix.EVENT, "The event's id.")]
EventFilter = Annotated[
    str | None,
    Query(
        description="Only of this event, by its id.",
        json_schema_extra={"pattern": f"^{Prefix.EVENT.value}{ID_PATTERN_TEXT}$"},
    ),
]
CodeFilter = Annotated[
    int | None,
    InDigits,
    Query(ge=100, le=599, description="Only what was last answered so, as 500.", examples=[500]),
]
DeliveryFrom = Annotated[
    str | None,
    Query(alias="from", description="Only events made then or later: a day or a time (RFC 3339)."),
    WithJsonSchema({"type": "string"}),
]
DeliveryTo = Annotated[
    str | None,
    Query(description="Only events made before: a day or a time (RFC 3339)."),
    WithJsonSchema({"type": "string"}),
]

DELIVERIES = "/v1/webhook-endpoints/{endpoint}/deliveries"
OF_ONE = (errors.InvalidId, errors.WebhookEndpointNotFound)


def add_delivery_routes(routes: Routes, services: Services) -> None:
    deliveries = services.webhook_deliveries

    async def list_deliveries(
        call: TheCall,
        endpoint: EndpointReference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        status: Annotated[  # noqa: ARG001 - read with the other filters
            Annotated[str, OneOf(DeliveryStatus)] | None, Query(description="Only what stands so now.")
        ] = None,
        event: EventFilter = None,  # noqa: ARG001
        type: Annotated[  # noqa: A002, ARG001
            Annotated[str, OneOf(EventType)] | None, Query(description="Only events of this type.")
        ] = None,
        code: CodeFilter = None,  # noqa: ARG001
        from_: DeliveryFrom = None,  # noqa: ARG001
        to: DeliveryTo = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        id_ = parse_id(Prefix.WEBHOOK_ENDPOINT, endpoint)
        request = page_request(call, f"webhook deliveries {id_}", limit, cursor, order, FILTERS)
        return await list_body(await deliveries.list(call.caller, id_, request), delivery_body)

    async def replay_one(call: TheCall, endpoint: EndpointReference, event: EventReference) -> dict[str, Any]:
        id_, event_id = parse_id(Prefix.WEBHOOK_ENDPOINT, endpoint), parse_id(Prefix.EVENT, event)
        return delivery_body(await deliveries.replay_one(call.caller, id_, event_id))

    async def replay(call: TheCall, endpoint: EndpointReference) -> dict[str, Any]:
        order = validated(WebhookReplayRequest, call.content).order()
        id_ = parse_id(Prefix.WEBHOOK_ENDPOINT, endpoint)
        return replay_body(await deliveries.replay(call.caller, id_, order))

    routes.add(
        "GET",
        DELIVERIES,
        list_deliveries,
        operation_id="listWebhookDeliveries",
        scope=Scope.WEBHOOKS_WRITE,
        refusals=(*OF_ONE, errors.InvalidCursor),
        query=(*PAGE_PARAMETERS, *FILTERS),
        summary="List the deliveries of a webhook endpoint",
        answer=ListOf[WebhookDeliveryResponse],
        description="Newest event first: how far each has come, what was last answered, and when it is tried again.",
    )
    routes.add(
        "POST",
        f"{DELIVERIES}/{{event}}/replay",
        replay_one,
        operation_id="replayWebhookDelivery",
        scope=Scope.WEBHOOKS_WRITE,
        status=202,
        refusals=(*OF_ONE, errors.WebhookDeliveryNotFound, errors.InvalidState),
        summary="Send an event to a webhook endpoint again",
        answer=WebhookDeliveryResponse,
        description="Whatever became of it before, under the same id. Attempts are counted anew.",
    )
    routes.add(
        "POST",
        "/v1/webhook-endpoints/{endpoint}/replay",
        replay,
        operation_id="replayWebhookEvents",
        scope=Scope.WEBHOOKS_WRITE,
        status=202,
        body=BodyKind.JSON,
        reads=WebhookReplayRequest,
        refusals=(*OF_ONE, errors.InvalidState),
        summary="Send the events of a span of time again",
        answer=WebhookReplayResponse,
        description="Those that the endpoint wants, oldest first, 5,000 a call; also what was parked or given up. "
        "`next_since` tells where to go on.",
    )
