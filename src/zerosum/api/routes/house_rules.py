"""The ledger's house rules: what holds and disputes are made under where their requests say nothing."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from zerosum.api.endpoints import Routes, TheCall, as_response, json_answer
from zerosum.api.schemas.house_rules import HouseRulesRequest, HouseRulesResponse, house_rules_body
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

EXAMPLES = {
    "hotel": {
        "summary": "A fifth more than is held, and a fee for lost disputes",
        "value": {
            "over_capture": {"percent": "20", "amounts": [{"amount": "1.00", "currency": "USD"}]},
            "dispute_fees": [{"amount": "15.00", "currency": "USD", "to": "platform:dispute-fees"}],
        },
    }
}


def house_rules_routes(services: Services) -> Routes:
    routes = Routes("Administration")
    house_rules = services.house_rules

    async def put_house_rules(call: TheCall) -> Response:
        order = validated(HouseRulesRequest, call.content).order(call.idempotency_key or "")
        done = await house_rules.put(call.caller, order)
        return as_response(json_answer(200, house_rules_body(done.view), is_replay=done.is_replay))

    async def get_house_rules(call: TheCall) -> dict[str, Any]:
        return house_rules_body(await house_rules.get(call.caller))

    routes.add(
        "PUT",
        "/v1/house-rules",
        put_house_rules,
        operation_id="putHouseRules",
        scope=Scope.ADMIN,
        body=BodyKind.JSON,
        needs_key=True,
        reads=HouseRulesRequest,
        examples=EXAMPLES,
        refusals=(*errors.OF_AMOUNTS, errors.CurrencyMismatch),
        named_in_body=(errors.InvalidCurrency, errors.AccountNotFound, errors.InvalidId),
        summary="Say what holds and disputes are made under where their requests say nothing",
        answer=HouseRulesResponse,
        description="They replace those before as a whole; the security log keeps every version. Holds that are there "
        "already keep what they were placed under. The same again changes nothing.",
    )
    routes.add(
        "GET",
        "/v1/house-rules",
        get_house_rules,
        operation_id="getHouseRules",
        scope=Scope.ADMIN,
        summary="Read what holds and disputes are made under where their requests say nothing",
        answer=HouseRulesResponse,
    )
    return routes
