"""A ledger's own routes on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.schemas.fields import Amount, CurrencyCode, Request, Response, Time
from zerosum.api.schemas.payments import PaymentTypeName
from zerosum.domain.moments import render_time
from zerosum.domain.payments.ledger_routes import LedgerRoutes, RouteContent
from zerosum.domain.payments.payment import PROCESSOR_PATTERN_TEXT
from zerosum.domain.payments.route_times import TIMES_MAX
from zerosum.domain.payments.routing import ROUTES_MAX

NAMED_MAX = 50
WEIGHT_MAX = 1_000_000
WHY_LENGTH_MAX = 500

ProcessorName = Annotated[str, Field(json_schema_extra={"pattern": PROCESSOR_PATTERN_TEXT}, max_length=32)]
RouteName = Annotated[
    str,
    Field(description="Stays with each payment that it decides.", min_length=1, max_length=100, examples=["in euros"]),
]
Text = Annotated[str, Field(max_length=500)]
_IN_TURN = "Tried in this order."
_WEIGHTS = "In their place: which comes first is drawn by the idempotency key, so often."
_ACCOUNTS = "Codes of who pays or is paid; ending in `*`, what they begin with."
_TIMES = "When it is for: `08:00-17:30`, `mon-fri 08:00-17:30`, `sat,sun 22:00-06:00`. None: at any time."
_TIME_ZONE = "By whose clocks, a name of IANA's; UTC where none is said."
Why = Annotated[str, Field(description="Stands in the security log.", min_length=1, max_length=WHY_LENGTH_MAX)]


class RouteRequest(Request):
    """Where payments go that leave it to us. What is not said fits everything."""

    name: RouteName
    processors: Annotated[list[ProcessorName] | None, Field(description=_IN_TURN, max_length=NAMED_MAX)] = None
    weights: Annotated[
        dict[Annotated[str, Field(max_length=32)], Annotated[int, Field(ge=1, le=WEIGHT_MAX)]] | None,
        Field(description=_WEIGHTS, max_length=NAMED_MAX, examples=[{"acme": 80, "beta": 20}]),
    ] = None
    types: Annotated[list[PaymentTypeName] | None, Field(description="Of the payment.", max_length=2)] = None
    currencies: Annotated[list[CurrencyCode] | None, Field(description="Of its amount.", max_length=100)] = None
    amount_from: Annotated[Amount | None, Field(description="Belongs to the range.")] = None
    amount_below: Annotated[Amount | None, Field(description="Does not.")] = None
    accounts: Annotated[list[Text] | None, Field(description=_ACCOUNTS, max_length=NAMED_MAX)] = None
    metadata: Annotated[
        dict[Text, Text] | None,
        Field(description="All of these, of the payment.", max_length=NAMED_MAX, examples=[{"tier": "gold"}]),
    ] = None
    times: Annotated[
        list[Text] | None, Field(description=_TIMES, max_length=TIMES_MAX, examples=[["mon-fri 08:00-17:30"]])
    ] = None
    time_zone: Annotated[Text | None, Field(description=_TIME_ZONE, examples=["Europe/Berlin"])] = None

    def content(self) -> RouteContent:
        said = self.model_dump(exclude_none=True)
        return {name: value for name, value in said.items() if value not in ([], {})}


class RoutesRequest(Request):
    """All of them, or null: those of the file of processors count again."""

    routes: Annotated[
        list[RouteRequest] | None,
        Field(description="The first that fits decides. None of them: nothing is routed.", max_length=ROUTES_MAX),
    ]
    why: Why


class RouteResponse(Response):
    """Where payments go that leave it to us."""

    name: RouteName
    processors: Annotated[list[str], Field(description=_IN_TURN)]
    weights: Annotated[dict[str, int], Field(description=_WEIGHTS, examples=[{}])]
    types: Annotated[list[PaymentTypeName], Field(description="None: any.")]
    currencies: Annotated[list[CurrencyCode], Field(description="None: any.")]
    amount_from: Annotated[Amount | None, Field(description="Belongs to the range.")]
    amount_below: Annotated[Amount | None, Field(description="Does not.")]
    accounts: Annotated[list[str], Field(description=_ACCOUNTS)]
    metadata: Annotated[dict[str, str], Field(description="All of these, of the payment.", examples=[{}])]
    times: Annotated[list[str], Field(description=_TIMES, examples=[[]])]
    time_zone: Annotated[str | None, Field(description=_TIME_ZONE, examples=[None])]


class RoutesResponse(Response):
    """A version of the ledger's own routes."""

    version: Annotated[int, Field(description="How often they were changed; 0: never.", examples=[1])]
    routes: Annotated[list[RouteResponse] | None, Field(description="Null: those of the file of processors count.")]
    why: Annotated[str | None, Field(description="Why it was made.", examples=["acme is down"])]
    actor: Annotated[str | None, Field(description="By whom it was made.", examples=["key_…"])]
    created_at: Annotated[Time | None, Field(description="When it was made.")]


def routes_body(made: LedgerRoutes) -> dict[str, Any]:
    return {
        "version": made.version,
        "routes": None if made.routes is None else [_route_body(one) for one in made.routes],
        "why": made.why or None,
        "actor": made.actor or None,
        "created_at": None if made.created_at is None else render_time(made.created_at),
    }


def _route_body(route: RouteContent) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "name": "", "processors": [], "weights": {}, "types": [], "currencies": [], "amount_from": None,
        "amount_below": None, "accounts": [], "metadata": {}, "times": [], "time_zone": None,
    }  # fmt: skip
    return empty | dict(route)
