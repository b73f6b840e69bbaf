"""The security log: of the own ledger, or for an operator of all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import WithJsonSchema

from zerosum.api.endpoints import LIST_EFFORT, Routes, TheCall, check_parameters
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.routes.api_keys import LedgerParameter, check_ledger
from zerosum.api.schemas.audit import AuditFeedResponse, AuditRecordResponse, audit_body, audit_feed_body
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.services import Services
from zerosum.domain import errors
from zerosum.domain.audit import AuditType
from zerosum.gateway.identity.principal import Scope

From = Annotated[
    str | None,
    Query(alias="from", description="Only what was written then or later: a day or a time (RFC 3339)."),
    WithJsonSchema({"type": "string"}),
]
To = Annotated[
    str | None,
    Query(description="Only what was written before: a day or a time (RFC 3339)."),
    WithJsonSchema({"type": "string"}),
]

FEED_PARAMETERS = ("after", "limit", "ledger", "from", "to")


def audit_routes(services: Services) -> Routes:
    routes = Routes("Administration")

    async def list_audit_log(
        call: TheCall,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        ledger: LedgerParameter = None,
        type: Annotated[AuditType | None, Query(description="Only this.")] = None,  # noqa: A002, ARG001 - read with the other filters
        from_: From = None,  # noqa: ARG001
        to: To = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        check_ledger(ledger)
        request = page_request(call, "audit log", limit, cursor, order, ("ledger", "type", "from", "to"))
        return await list_body(await services.audit_log.list(call.granter.own_ledger, request), audit_body)

    routes.add(
        "GET",
        "/v1/audit-log",
        list_audit_log,
        operation_id="listAuditLog",
        scope=Scope.ADMIN,
        other_scope=Scope.OPERATOR,
        refusals=(errors.InvalidCursor,),
        query=(*PAGE_PARAMETERS, "ledger", "type", "from", "to"),
        summary="Read the security log",
        answer=ListOf[AuditRecordResponse],
        description="Newest first: what was done to keys, ledgers, limits and accounts, and who was refused. Of the "
        "own ledger; an operator reads all, and what concerns the service as a whole.",
    )

    async def read_audit_feed(
        call: TheCall,
        after: Annotated[
            str | None, Query(description="The `place` of the last record you have; without it from the beginning.")
        ] = None,
        limit: Limit = DEFAULT_LIMIT,
        ledger: LedgerParameter = None,
        from_: From = None,  # noqa: ARG001 - read with the other filters
        to: To = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        check_ledger(ledger)
        given = check_parameters(call.query_string, frozenset(FEED_PARAMETERS))
        page = await services.audit_feed.page(call.granter.own_ledger, given, after=after, limit=limit)
        return audit_feed_body(page)

    routes.add(
        "GET",
        "/v1/audit-log/feed",
        read_audit_feed,
        operation_id="readAuditFeed",
        scope=Scope.ADMIN,
        other_scope=Scope.OPERATOR,
        query=FEED_PARAMETERS,
        effort=LIST_EFFORT,
        summary="Read on in the security log",
        answer=AuditFeedResponse,
        description="Oldest first and without gaps, for who carries it elsewhere: in the order in which records were "
        "committed, so that none appears later before a place that was passed. `zerosum audit export` reads it.",
    )
    return routes
