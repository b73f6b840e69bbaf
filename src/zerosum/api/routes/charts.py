"""The ledger's chart: which accounts their first use may open."""

from __future__ import annotations

from typing import Any

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.schemas.charts import ChartRequest, ChartResponse, chart_body, chart_rules
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind


def chart_routes(services: Services) -> Routes:
    routes = Routes("Administration")
    charts = services.charts

    async def put_chart(call: TheCall) -> dict[str, Any]:
        rules = chart_rules(validated(ChartRequest, call.content))
        return chart_body(await charts.put(call.caller, rules))

    async def get_chart(call: TheCall) -> dict[str, Any]:
        return chart_body(await charts.get(call.caller))

    routes.add(
        "PUT",
        "/v1/chart",
        put_chart,
        operation_id="putChart",
        scope=Scope.ADMIN,
        body=BodyKind.JSON,
        reads=ChartRequest,
        refusals=(errors.InvalidState,),
        named_in_body=(errors.InvalidCurrency, *errors.OF_AMOUNTS),
        summary="Say which accounts their first payment may open",
        answer=ChartResponse,
        description="It replaces the chart as a whole; the security log keeps every version. An account that a payment "
        "names and that is not there is opened in the payment's transaction, by the first rule that matches its code; "
        "a refused payment opens nothing. Without rules nothing is opened.",
    )
    routes.add(
        "GET",
        "/v1/chart",
        get_chart,
        operation_id="getChart",
        scope=Scope.ADMIN,
        summary="Read which accounts their first payment may open",
        answer=ChartResponse,
    )
    return routes
