"""Sessions of the console: who has signed in, and ending that at once."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Query

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.console_sessions import (
    ConsoleSessionResponse,
    EndedSessionsResponse,
    EndSessionRequest,
    EndSessionsRequest,
    console_session_body,
    ended_sessions_body,
)
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind, Call
from zerosum.services.credentials.open_sessions import Reach

LIST_NAME = "console sessions"
SubjectParameter = Annotated[str | None, Query(description="Only of this person.")]


def console_session_routes(services: Services) -> Routes:
    routes = Routes("Administration")
    sessions = services.open_sessions

    async def list_sessions(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        subject: SubjectParameter = None,  # noqa: ARG001 - read with the page
    ) -> dict[str, Any]:
        request = page_request(call, LIST_NAME, limit, cursor, order, ("subject",))
        page = await sessions.list(call.caller, request, call.granter.own_ledger)
        return await list_body(page, partial(console_session_body, reach=_reach(call)))

    async def end_session(
        call: TheCall, session: Annotated[str, id_path(Prefix.CONSOLE_SESSION, "The session's id.")]
    ) -> dict[str, Any]:
        reason = validated(EndSessionRequest, call.content).reason
        id_ = parse_id(Prefix.CONSOLE_SESSION, session)
        return console_session_body(await sessions.end(call.caller, _reach(call), id_, reason), _reach(call))

    async def end_sessions(call: TheCall) -> dict[str, Any]:
        body = validated(EndSessionsRequest, call.content)
        return ended_sessions_body(await sessions.end_all_of(call.caller, _reach(call), body.subject, body.reason))

    either: dict[str, Any] = {"scope": Scope.ADMIN, "other_scope": Scope.OPERATOR}
    routes.add(
        "GET",
        "/v1/console-sessions",
        list_sessions,
        operation_id="listConsoleSessions",
        **either,
        refusals=(errors.InvalidCursor,),
        query=(*PAGE_PARAMETERS, "subject"),
        summary="List who has signed in to the console",
        answer=ListOf[ConsoleSessionResponse],
        description="Those that are open now, newest first: that may open the own ledger, for an operator all.",
    )
    routes.add(
        "POST",
        "/v1/console-sessions/{session}/end",
        end_session,
        operation_id="endConsoleSession",
        **either,
        body=BodyKind.JSON,
        reads=EndSessionRequest,
        refusals=(errors.InvalidId, errors.ConsoleSessionNotFound),
        summary="End a session of the console",
        answer=ConsoleSessionResponse,
        description="Its next request is a stranger's. One that may open other ledgers, too, an operator ends.",
    )
    routes.add(
        "POST",
        "/v1/console-sessions/end",
        end_sessions,
        operation_id="endConsoleSessions",
        **either,
        body=BodyKind.JSON,
        reads=EndSessionsRequest,
        summary="End all sessions of a person",
        answer=EndedSessionsResponse,
        description="Links that were made for them and not used yet are used up. Whoever still has a role at the "
        "issuer can sign in again: take that away first.",
    )
    return routes


def _reach(call: Call) -> Reach:
    own = call.granter.own_ledger
    return None if own is None else (own,)
