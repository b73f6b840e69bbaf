"""Events on the wire: the same in the feed and in whatever is delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.clients import transaction_body
from zerosum.api.schemas.exchanges import exchange_body
from zerosum.api.schemas.fields import OneOf, Response, Time, id_field
from zerosum.api.schemas.journal import entry_body
from zerosum.api.schemas.payments import payment_body
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account_content import account_facts
from zerosum.domain.traces import HEADER
from zerosum.services.event_feed import PREFIXES, FeedPage, ToldEvent


class EventResourceResponse(Response):
    """What an event speaks of."""

    type: Annotated[str, OneOf(ResourceType), Field(description="What it is.", examples=["payment"])]
    id: Annotated[str, Field(description="Which one.", examples=["pay_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1"])]


class EventResponse(Response):
    """A fact. It is never changed, and tells its resource as that was then."""

    id: Annotated[str, id_field(Prefix.EVENT, "The event; the same wherever it is told.")]
    type: Annotated[str, OneOf(EventType), Field(description="What has happened.", examples=["payment.succeeded"])]
    created_at: Annotated[Time, Field(description="When it was recorded.")]
    ledger: Annotated[str, id_field(Prefix.LEDGER, "In which ledger.")]
    resource: Annotated[EventResourceResponse, Field(description="To what.")]
    account_versions: Annotated[
        dict[str, int],
        Field(
            description="The version at which it left each account that it moved: in the order of these an account's "
            "events happened.",
            examples=[{"acc_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1": 7}],
        ),
    ]
    data: Annotated[
        dict[str, Any], Field(description="The resource as it was then; its members are those of its own page.")
    ]
    traceparent: Annotated[
        str | None,
        Field(
            description="Of which trace (W3C Trace Context) it was a part. Not there where it was part of none.",
            examples=["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        ),
    ] = None


class EventPage(Response):
    """Events, the oldest first. Ask again with `after` and the last id, or with `next_after` where there is none."""

    data: Annotated[list[EventResponse], Field(description="The events of this page.")]
    has_more: Annotated[bool, Field(description="Whether there are more already.")]
    next_after: Annotated[
        str | None,
        Field(description="How far was looked: `after` of the next page. Null where the ledger has no event yet."),
    ]


def event_body(told: ToldEvent) -> dict[str, Any]:
    event = told.event
    data = event.data if event.data is not None else _told(told)
    body = {
        "id": render_id(Prefix.EVENT, event.id),
        "type": event.type.value,
        "created_at": render_time(event.created_at),
        "ledger": render_id(Prefix.LEDGER, told.ledger_id),
        "resource": {"type": event.resource_type.value, "id": _resource_id(told, data)},
        "account_versions": {
            render_id(Prefix.ACCOUNT, account_id): version for account_id, version in told.account_versions.items()
        },
        "data": data,
    }
    return body if event.traceparent is None else {**body, HEADER: event.traceparent}


def feed_body(page: FeedPage) -> dict[str, Any]:
    behind = page.behind.id
    return {
        "data": [event_body(told) for told in page.events],
        "has_more": page.has_more,
        "next_after": render_id(Prefix.EVENT, behind) if behind.int else None,
    }


def _told(told: ToldEvent) -> dict[str, Any]:
    """What was recorded with the resource alone. Nothing, where that has gone."""
    return {} if told.resource is None else _BODIES[told.event.resource_type](told.resource)


def _resource_id(told: ToldEvent, data: Mapping[str, Any]) -> str:
    event = told.event
    prefix = PREFIXES.get(event.resource_type)
    if prefix is not None:
        return render_id(prefix, event.resource_id)
    return str(data.get(_OWN_NAMES[event.resource_type], ""))


_OWN_NAMES = {
    ResourceType.ACCOUNT_GROUP: "name",
    ResourceType.CLIENT_TRANSACTION: "tx",
    ResourceType.HOUSE_RULES: "version",
    ResourceType.PERIOD: "period",
    ResourceType.SUBJECT: "subject",
    ResourceType.TEMPLATE: "name",
}
"""The member that names a resource which has no UUID on the wire."""

_BODIES: Mapping[ResourceType, Callable[[Any], dict[str, Any]]] = {
    ResourceType.ACCOUNT: account_facts,
    ResourceType.JOURNAL_ENTRY: entry_body,
    ResourceType.PAYMENT: payment_body,
    ResourceType.EXCHANGE: exchange_body,
    ResourceType.CLIENT_TRANSACTION: transaction_body,
}
