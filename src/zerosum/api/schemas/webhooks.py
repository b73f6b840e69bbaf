"""Webhooks on the wire: endpoints and what was delivered to them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import Moment, OneOf, Request, Response, Text, Time, id_field
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.webhooks import DeliveryStatus, DisabledReason, EndpointStatus
from zerosum.services.event_feed import PREFIXES
from zerosum.services.webhooks.announcing import endpoint_content
from zerosum.services.webhooks.deliveries import DeliveryRecord, Replayed, ReplayOrder
from zerosum.services.webhooks.endpoints import EndpointOrder, EndpointRecord

EVENT_TYPES_MAX = 50
HEADERS_MAX = 20
HEADER_CHARACTERS_MAX = 1_000
OVERLAP_DEFAULT = 24 * 3600
OVERLAP_MAX = 7 * 24 * 3600

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OWN_BEGINNINGS = ("webhook-", "proxy-")
_KNOWN_TYPES = frozenset(EventType) | {f"{name.value.partition('.')[0]}.*" for name in EventType}


def _event_type(text: str) -> str:
    if text not in _KNOWN_TYPES:
        raise PydanticCustomError("event_type", "There is no such type of event, nor such a kind as payment.*")
    return text


def _headers(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name) or lower in _OWN_HEADERS or lower.startswith(_OWN_BEGINNINGS):
            raise PydanticCustomError("header_name", "Its name is no header's, or of one that the service sets itself.")
        if len(value) > HEADER_CHARACTERS_MAX or not _HEADER_VALUE.fullmatch(value):
            raise PydanticCustomError("header_value", "A value is up to 1,000 characters of ASCII, in one line.")
    if len({name.lower() for name in given}) != len(given):
        raise PydanticCustomError("header_name", "A header is given twice.")
    return {name.lower(): value for name, value in given.items()}


Url = Annotated[
    str,
    Field(
        description="Where events are sent: https, on port 443 or 8443 of a host of the open internet.",
        examples=["https://hooks.example.com/zerosum"],
        min_length=1,
        max_length=4_000,
    ),
]
EventTypeName = Annotated[str, Field(max_length=64), AfterValidator(_event_type)]
"""A type, or all of a kind."""
EventTypes = Annotated[
    list[EventTypeName],
    Field(
        description="Which events: types, or all of a kind as `payment.*`. Null means all.",
        min_length=1,
        max_length=EVENT_TYPES_MAX,
        examples=[["payment.*", "hold.expired"]],
    ),
]
Headers = Annotated[
    dict[str, str],
    Field(
        description="Headers of your own, sent with each delivery: at most 20. They are kept sealed and never shown.",
        max_length=HEADERS_MAX,
        examples=[{"x-api-key": "receiver-key"}],
    ),
    AfterValidator(_headers),
]
Description = Annotated[Text, Field(description="For people.", examples=["Order service"])]


class WebhookEndpointRequest(Request):
    """Where events are to be sent, and which."""

    url: Url
    event_types: EventTypes | None = None
    description: Description | None = None
    headers: Headers | None = None

    def order(self) -> EndpointOrder:
        return EndpointOrder(
            url=self.url,
            description=self.description,
            event_types=None if self.event_types is None else tuple(self.event_types),
            headers=self.headers or {},
        )


class WebhookEndpointChange(Request):
    """What is given is changed. `headers` replace all of before."""

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Description | None = None
    headers: Headers | None = None

    def changes(self) -> dict[str, Any]:
        """A URL cannot be taken away; null elsewhere takes away what was there."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if given.get("url", "") is None:
            del given["url"]
        if "headers" in given:
            given["headers"] = given["headers"] or {}
        if given.get("event_types") is not None:
            given["event_types"] = tuple(given["event_types"])
        return given


class WebhookSecretRotation(Request):
    """How long the secret of before signs too."""

    overlap_seconds: Annotated[
        int, Field(description="Up to a week; 0 means not at all.", ge=0, le=OVERLAP_MAX, examples=[86400])
    ] = OVERLAP_DEFAULT

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_seconds)


class WebhookReplayRequest(Request):
    """Which events are sent again."""

    since: Annotated[Moment, Field(description="Those recorded then or later.")]
    until: Annotated[Moment | None, Field(description="Those recorded before; null means up to now.")] = None
    only_undelivered: Annotated[bool, Field(description="Leave out what was delivered.", examples=[True])] = False

    def order(self) -> ReplayOrder:
        return ReplayOrder(since=self.since, until=self.until, only_undelivered=self.only_undelivered)


class WebhookEndpointResponse(Response):
    """Where events are sent."""

    id: Annotated[str, id_field(Prefix.WEBHOOK_ENDPOINT, "The endpoint.")]
    url: Annotated[str, Field(description="Where.", examples=["https://hooks.example.com/zerosum"])]
    description: Annotated[str | None, Field(description="For people.", examples=["Order service"])]
    event_types: Annotated[
        list[str] | None, Field(description="Which events; null means all.", examples=[["payment.*"]])
    ]
    header_names: Annotated[
        list[str], Field(description="Headers of your own, without their values.", examples=[["x-api-key"]])
    ]
    status: Annotated[str, OneOf(EndpointStatus), Field(description="Whether it gets any.", examples=["enabled"])]
    disabled_reason: Annotated[
        Annotated[str, OneOf(DisabledReason)] | None, Field(description="Why it gets none, or null.", examples=[None])
    ]
    disabled_at: Annotated[Time | None, Field(description="Since when it gets none, or null.", examples=[None])]
    failing_since: Annotated[
        Time | None, Field(description="Since when every attempt has failed, or null.", examples=[None])
    ]
    paused_until: Annotated[
        Time | None, Field(description="Until when it is left alone after failures, or null.", examples=[None])
    ]
    previous_secret_until: Annotated[
        Time | None, Field(description="Until when former secrets sign too, at the longest, or null.", examples=[None])
    ]
    created_at: Annotated[Time, Field(description="When it was made.")]
    created_by: Annotated[str, Field(description="Who made it.", examples=["key_01994f3e"])]


class NewWebhookEndpointResponse(WebhookEndpointResponse):
    """An endpoint with a new secret. This answer alone shows it."""

    secret: Annotated[
        str, Field(description="What deliveries are signed with.", examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    ]


class DeletedWebhookEndpointResponse(Response):
    """Nothing more is sent to it."""

    id: Annotated[str, id_field(Prefix.WEBHOOK_ENDPOINT, "Which one it was.")]
    deleted: Annotated[bool, Field(description="Always true.", examples=[True])]


class WebhookPingResponse(Response):
    """A test is on its way."""

    event_id: Annotated[str, id_field(Prefix.EVENT, "What is sent; its delivery shows how it went.")]


class WebhookReplayResponse(Response):
    """How many are sent again."""

    replayed: Annotated[int, Field(description="Events that are sent again.", examples=[12])]
    next_since: Annotated[
        Time | None, Field(description="Where there may be more: `since` of the next call. Null: that was all.")
    ]


class DeliveredResourceResponse(Response):
    """What a delivered event speaks of."""

    type: Annotated[str, OneOf(ResourceType), Field(description="What it is.", examples=["payment"])]
    id: Annotated[
        str | None,
        Field(
            description="Which one; null where only the event itself says it.",
            examples=["pay_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1"],
        ),
    ]


class WebhookDeliveryResponse(Response):
    """What became of an event at an endpoint."""

    event_id: Annotated[str, id_field(Prefix.EVENT, "The event; also the `webhook-id`.")]
    type: Annotated[str, OneOf(EventType), Field(description="Its type.", examples=["payment.succeeded"])]
    resource: Annotated[DeliveredResourceResponse, Field(description="What it speaks of.")]
    status: Annotated[str, OneOf(DeliveryStatus), Field(description="How far it has come.", examples=["delivered"])]
    attempts: Annotated[int, Field(description="How often it was sent.", examples=[1])]
    next_attempt_at: Annotated[
        Time | None,
        Field(description="When it is tried again; null also while it waits for an earlier one of its resource."),
    ]
    last_attempt_at: Annotated[Time | None, Field(description="When it was last tried.")]
    last_status_code: Annotated[
        int | None, Field(description="What was answered then; null where nothing was.", examples=[200])
    ]
    last_error: Annotated[
        str | None, Field(description="Why that was no success, in a word, or null.", examples=[None])
    ]


def endpoint_body(record: EndpointRecord) -> dict[str, Any]:
    return endpoint_content(record)


def replay_body(replayed: Replayed) -> dict[str, Any]:
    return {"replayed": replayed.number, "next_since": _time(replayed.last_at)}


def delivery_body(record: DeliveryRecord) -> dict[str, Any]:
    return {
        "event_id": render_id(Prefix.EVENT, record.event_id),
        "type": record.type.value,
        "resource": {"type": record.resource_type.value, "id": _resource_id(record)},
        "status": record.status.value,
        "attempts": record.attempts,
        "next_attempt_at": _time(record.next_at),
        "last_attempt_at": _time(record.attempted_at),
        "last_status_code": record.status_code,
        "last_error": record.error,
    }


def _resource_id(record: DeliveryRecord) -> str | None:
    """Of what has a UUID on the wire; the event itself names the others."""
    if record.type is EventType.WEBHOOK_ENDPOINT_PING:
        return render_id(Prefix.WEBHOOK_ENDPOINT, record.endpoint_id)
    prefix = PREFIXES.get(record.resource_type)
    return None if prefix is None else render_id(prefix, record.resource_id)


def _time(moment: Any) -> str | None:
    return None if moment is None else render_time(moment)
