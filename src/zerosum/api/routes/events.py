"""The feed of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import orjson
from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema

from zerosum.api.endpoints import Routes, TheCall, check_parameters
from zerosum.api.lists import DEFAULT_LIMIT, AccountFilter, InDigits, Limit
from zerosum.api.schemas.events import EventPage, event_body, feed_body
from zerosum.api.server_sent_events import FOLLOWED_SECONDS_MAX, HEARTBEAT, MEDIA_TYPE, UNGATHERED, come_again, message
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import Call
from zerosum.services.event_feed import WAIT_SECONDS_MAX, FeedOrder, FeedPage, ToldEvent
from zerosum.services.event_tail import EventTail, RunningTail

RETRY_MILLISECONDS = 1_000
LAST_EVENT_ID = b"last-event-id"
OF_PAGES = ("limit", "wait")
"""Parameters that mean nothing to who follows."""

PARAMETERS = ("after", "limit", "wait", "type", "resource", "account")


def event_routes(services: Services) -> Routes:
    routes = Routes("Events")

    async def list_events(
        call: TheCall,
        after: Annotated[
            str | None,
            Query(
                description="The last event you have (its id): what came behind it. `latest`: from now on. "
                "Without it, from the beginning.",
                examples=["latest"],
            ),
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        wait: Annotated[
            int,
            InDigits,
            Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for an event, where there is none yet."),
        ] = 0,
        type: Annotated[  # noqa: A002
            str | None,
            Query(description="Only these: types with commas between them, `payment.*` for all of a kind."),
            WithJsonSchema({"type": "string"}),
        ] = None,
        resource: Annotated[str | None, Query(description="Only of this one, by its id.")] = None,
        account: AccountFilter = None,  # noqa: ARG001 - read with the other filters
    ) -> dict[str, Any] | Response:
        given = check_parameters(call.query_string, frozenset(PARAMETERS))
        order = FeedOrder(
            after=_last_event(call) or after,
            types=() if type is None else type.split(","),
            resource=resource,
            filters={name: value for name, value in given.items() if name == "account"},
            limit=limit,
            wait_seconds=wait,
        )
        if call.is_followed:
            return await _followed(services.event_tail, call, order, given)
        return feed_body(await services.event_feed.read(LedgerId(call.caller.ledger_id), order))

    routes.add(
        "GET",
        "/v1/events",
        list_events,
        operation_id="listEvents",
        scope=Scope.EVENTS_READ,
        refusals=(errors.InvalidId, errors.AccountNotFound, errors.EventsGone, errors.Overloaded),
        followed_as=MEDIA_TYPE,
        also_as=(MEDIA_TYPE,),
        query=PARAMETERS,
        summary="Read events",
        answer=EventPage,
        description="Oldest first, each once, in the order of their transactions. Nothing appears later before an "
        "event that was read, so the last id is all a reader keeps. What is read was committed. With `Accept: "
        "text/event-stream` the answer goes on as server-sent events, behind `Last-Event-ID` where that is given.",
    )
    return routes


async def _followed(tail: EventTail, call: Call, order: FeedOrder, given: Mapping[str, str]) -> Response:
    for name in OF_PAGES:
        if name in given:
            raise errors.InvalidParameter("Who follows events gets no pages.", pointer=name)
    running = await tail.begin(LedgerId(call.caller.ledger_id), order)
    if call.is_head:
        return Response(media_type=MEDIA_TYPE)
    return StreamingResponse(_written(running, call), media_type=MEDIA_TYPE, headers=dict([UNGATHERED]))


async def _written(running: RunningTail, call: Call) -> AsyncIterator[bytes]:
    """Read when what was before it has been taken. An id without an event moves the reader's place, and tells nothing.

    Whatever ends it, the reader comes again and is told why, where that lasts.
    """
    yield come_again(RETRY_MILLISECONDS)
    until = asyncio.get_running_loop().time() + FOLLOWED_SECONDS_MAX
    try:
        while asyncio.get_running_loop().time() < until:
            page = await running.next_page()
            if page is None:
                return
            await call.confirm()
            yield b"".join(map(_message, page.events)) or _heartbeat(page)
    except errors.DomainError:
        return


def _message(told: ToldEvent) -> bytes:
    event = event_body(told)
    return message(event["type"], orjson.dumps(event).decode(), event["id"])


def _heartbeat(page: FeedPage) -> bytes:
    return b"id: %b\n\n" % render_id(Prefix.EVENT, page.behind.id).encode() if page.behind.id.int else HEARTBEAT


def _last_event(call: Call) -> str | None:
    """What a browser sends when it comes again. It wins over what the address says, which is as old as the page."""
    if not call.is_followed:
        return None
    found = [value.decode("latin-1") for name, value in call.headers if name == LAST_EVENT_ID]
    return found[-1] if found and found[-1] else None
