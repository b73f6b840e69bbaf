"""Dead letters: messages from queues that could not be carried out, and what is done about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from zerosum.api.dead_letters import replay
from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.dead_letters import (
    DeadLetterDetail,
    DeadLetterReplay,
    DeadLetterResponse,
    DeadLetterStatusName,
    dead_letter_body,
    dead_letter_detail,
)
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope

DeadLetterReference = Annotated[str, id_path(Prefix.DEAD_LETTER, "The dead letter's id.")]

_NOT_THERE = (errors.InvalidId, errors.DeadLetterNotFound)


def dead_letter_routes(services: Services) -> Routes:
    routes = Routes("Dead letters")
    letters = services.dead_letters

    async def list_dead_letters(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        status: Annotated[DeadLetterStatusName | None, Query(description="Only what stands so now.")] = None,  # noqa: ARG001 - read with the other filters
        input: Annotated[str | None, Query(description="Only what came from this input.", max_length=64)] = None,  # noqa: A002, ARG001
    ) -> dict[str, Any]:
        request = page_request(call, "dead letters", limit, cursor, order, ("status", "input"))
        return await list_body(await letters.list(call.caller, request), dead_letter_body)

    async def get_dead_letter(call: TheCall, dead_letter: DeadLetterReference) -> dict[str, Any]:
        return dead_letter_detail(await letters.get(call.caller, parse_id(Prefix.DEAD_LETTER, dead_letter)))

    async def replay_dead_letter(call: TheCall, dead_letter: DeadLetterReference) -> dict[str, Any]:
        return await replay(services, call.caller, parse_id(Prefix.DEAD_LETTER, dead_letter))

    async def drop_dead_letter(call: TheCall, dead_letter: DeadLetterReference) -> dict[str, Any]:
        return dead_letter_body(await letters.drop(call.caller, parse_id(Prefix.DEAD_LETTER, dead_letter)))

    routes.add(
        "GET",
        "/v1/dead-letters",
        list_dead_letters,
        operation_id="listDeadLetters",
        scope=Scope.ADMIN,
        refusals=(errors.InvalidCursor,),
        query=(*PAGE_PARAMETERS, "status", "input"),
        summary="List dead letters",
        answer=ListOf[DeadLetterResponse],
        description="Newest first, without the messages themselves.",
    )
    routes.add(
        "GET",
        "/v1/dead-letters/{dead_letter}",
        get_dead_letter,
        operation_id="getDeadLetter",
        scope=Scope.ADMIN,
        refusals=_NOT_THERE,
        summary="Read a dead letter",
        answer=DeadLetterDetail,
    )
    routes.add(
        "POST",
        "/v1/dead-letters/{dead_letter}/replay",
        replay_dead_letter,
        operation_id="replayDeadLetter",
        scope=Scope.ADMIN,
        refusals=(*_NOT_THERE, errors.DeadLetterSettled),
        summary="Carry a dead letter out",
        answer=DeadLetterReplay,
        description="Under the message's own key: however often it is replayed, and whatever else brings the message, "
        "it has its effect once. Where nothing comes of it again it stays `dead`, with why.",
    )
    routes.add(
        "POST",
        "/v1/dead-letters/{dead_letter}/drop",
        drop_dead_letter,
        operation_id="dropDeadLetter",
        scope=Scope.ADMIN,
        refusals=(*_NOT_THERE, errors.DeadLetterSettled),
        summary="Drop a dead letter",
        answer=DeadLetterResponse,
        description="It stays to be read, and is not carried out.",
    )
    return routes
