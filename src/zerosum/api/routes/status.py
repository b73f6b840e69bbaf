"""How the service is, for who watches it."""

from __future__ import annotations

from typing import Any

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.schemas.status import StatusResponse, status_body
from zerosum.gateway.identity.principal import Scope
from zerosum.services.status.board import StatusBoard


def status_routes(board: StatusBoard) -> Routes:
    routes = Routes("Reports")

    async def read_status(call: TheCall) -> dict[str, Any]:
        return status_body(await board.read(call.granter.own_ledger))

    routes.add(
        "GET",
        "/v1/status",
        read_status,
        operation_id="getStatus",
        scope=Scope.REPORTS_READ,
        other_scope=Scope.OPERATOR,
        summary="How the service is",
        answer=StatusResponse,
        description="The proof of the books, what lags, what waits for people, and how PostgreSQL and Redis are: good, "
        "degraded or bad. Of the own ledger; for an operator of all. It is looked up at most once a second, and costs "
        "the same however long the past. `zerosum status` and `zerosum top` show it in a terminal.",
    )
    return routes
