"""The routes of the processors' file, in their order: which processor a payment goes through that leaves that to us.

[[routes]]
name = "small payouts in euros"
types = ["withdrawal"]
currencies = ["EUR"]
amount_below = "1000"
processors = ["acme", "beta"]
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from zerosum.adapters.processors.configured import ProcessorsFileWrong, read_file
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.route_times import TIMES_MAX, place_of_clocks, route_time
from zerosum.domain.payments.routing import ROUTES_MAX, UTC_NAME, Route

WEIGHT_MAX = 1_000_000


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    processors: Annotated[list[str], Field(max_length=50)] = []
    weights: dict[str, Annotated[int, Field(ge=1, le=WEIGHT_MAX, strict=True)]] = {}
    types: frozenset[PaymentType] = frozenset()
    currencies: frozenset[str] = frozenset()
    amount_from: Annotated[Decimal, Field(ge=0)] | None = None
    amount_below: Annotated[Decimal, Field(gt=0)] | None = None
    accounts: list[str] = []
    metadata: dict[str, str] = {}
    times: Annotated[list[str], Field(max_length=TIMES_MAX)] = []
    time_zone: str | None = None

    @field_validator("times")
    @classmethod
    def _are_times(cls, value: list[str]) -> list[str]:
        for text in value:
            route_time(text)
        return value

    @field_validator("time_zone")
    @classmethod
    def _has_clocks(cls, value: str | None) -> str | None:
        if value is not None:
            place_of_clocks(value)
        return value

    @field_validator("amount_from", "amount_below", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError('an amount is a text, such as "10.00"')
        return value

    @field_validator("types")
    @classmethod
    def _leave_the_ledger(cls, value: frozenset[PaymentType]) -> frozenset[PaymentType]:
        if PaymentType.TRANSFER in value:
            raise ValueError("a transfer stays in the ledger: it is not routed")
        return value

    @model_validator(mode="after")
    def _leads_somewhere(self) -> _Described:
        if bool(self.processors) == bool(self.weights):
            raise ValueError("it has either processors or weights")
        if self.time_zone is not None and not self.times:
            raise ValueError("a time zone goes with times")
        return self

    def route(self) -> Route:
        return Route(
            name=self.name,
            processors=tuple(self.processors or self.weights),
            weights=tuple(self.weights.values()),
            types=self.types,
            currencies=self.currencies,
            amount_from=self.amount_from,
            amount_below=self.amount_below,
            accounts=tuple(self.accounts),
            metadata=self.metadata,
            times=tuple(route_time(text) for text in self.times),
            time_zone=self.time_zone or UTC_NAME,
        )


def read_routes(path: Path, processors: Collection[str]) -> list[Route]:
    """Raises ProcessorsFileWrong."""
    described = read_file(path).get("routes", [])
    if not isinstance(described, list) or len(described) > ROUTES_MAX:
        raise ProcessorsFileWrong(f"{path}: routes are a list of at most {ROUTES_MAX}")
    routes = [_route(f"{path}: routes.{number}", one, processors) for number, one in enumerate(described)]
    names = [route.name for route in routes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ProcessorsFileWrong(f"{path}: two routes are called {twice[0]}")
    return routes


def _route(place: str, described: Any, processors: Collection[str]) -> Route:
    try:
        route = _Described.model_validate(described).route()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f".{part}" for part in first["loc"])
        raise ProcessorsFileWrong(f"{place}{where}: {first['msg'].removeprefix('Value error, ')}") from None
    unknown = [name for name in route.processors if name not in processors]
    if unknown:
        raise ProcessorsFileWrong(f"{place}: there is no processor {unknown[0]}")
    return route
