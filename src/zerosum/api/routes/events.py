"""The feed of events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import WithJsonSchema

from zerosum.api.endpoints import Routes, TheCall, check_parameters
from zerosum.api.lists import DEFAULT_LIMIT, AccountFilter, InDigits, Limit
from zerosum.api.schemas.events import EventPage, feed_body
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.services.event_feed import WAIT_SECONDS_MAX, FeedOrder

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
    ) -> dict[str, Any]:
        given = check_parameters(call.query_string, frozenset(PARAMETERS))
        order = FeedOrder(
            after=after,
            types=() if type is None else type.split(","),
            resource=resource,
            filters={name: value for name, value in given.items() if name == "account"},
            limit=limit,
            wait_seconds=wait,
        )
        return feed_body(await services.event_feed.read(LedgerId(call.caller.ledger_id), order))

    routes.add(
        "GET",
        "/v1/events",
        list_events,
        operation_id="listEvents",
        scope=Scope.EVENTS_READ,
        refusals=(errors.InvalidId, errors.AccountNotFound),
        query=PARAMETERS,
        summary="Read events",
        answer=EventPage,
        description="Oldest first, each once, in the order of their transactions. Nothing appears later before an "
        "event that was read, so the last id is all a reader keeps. What is read was committed.",
    )
    return routes
