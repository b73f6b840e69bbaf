"""Routes that a ledger has of its own: versions, of which the newest counts, each with why it was made and by whom.

They stand in the place of those of the file of processors, all of them. A version without routes gives way to the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.money import Currency, parse_amount
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.route_times import place_of_clocks, route_time
from zerosum.domain.payments.routing import UTC_NAME, Route

ANY_CURRENCY = Currency("XXX", 18, "Any currency")
"""In which the amounts of a route are looked at: they are of the payment's currency, whichever that is."""

RouteContent = Mapping[str, Any]
"""A route as it is stored, told and shown: what it does not say is not there."""


class OwnRoutes(NamedTuple):
    """What a payment is routed by in the place of the file's."""

    version: int
    routes: Sequence[Route]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRoutes:
    """A version. `routes` None: those of the file count. Version 0: nobody has ever said any."""

    version: int = 0
    routes: tuple[RouteContent, ...] | None = None
    why: str = ""
    actor: str = ""
    created_at: datetime | None = None

    @property
    def own(self) -> OwnRoutes | None:
        """Raises LookupError, TypeError, ValueError, ArithmeticError where it cannot be read."""
        return None if self.routes is None else OwnRoutes(self.version, [route_of(one) for one in self.routes])


def route_of(content: RouteContent) -> Route:
    weights: Mapping[str, int] = content.get("weights", {})
    amounts = {name: Decimal(content[name]) for name in ("amount_from", "amount_below") if name in content}
    return Route(
        name=content["name"],
        processors=tuple(content.get("processors") or weights),
        weights=tuple(weights.values()),
        types=frozenset(PaymentType(one) for one in content.get("types", ())),
        currencies=frozenset(content.get("currencies", ())),
        accounts=tuple(content.get("accounts", ())),
        metadata=dict(content.get("metadata", {})),
        times=tuple(route_time(one) for one in content.get("times", ())),
        time_zone=content.get("time_zone", UTC_NAME),
        **amounts,
    )


def check_routes(contents: Sequence[RouteContent], known: frozenset[str]) -> None:
    """`known` are the processors that there are. Raises ValidationFailed, and what is wrong with an amount."""
    names: set[str] = set()
    for place, content in enumerate(contents):
        here = f"/routes/{place}"
        if bool(content.get("processors")) == bool(content.get("weights")):
            raise ValidationFailed("A route has either processors or weights.", pointer=here)
        if content["name"] in names:
            raise ValidationFailed("A route before it has this name.", pointer=f"{here}/name")
        names.add(content["name"])
        if PaymentType.TRANSFER in content.get("types", ()):
            raise ValidationFailed("A transfer stays in the ledger: it is not routed.", pointer=f"{here}/types")
        for number, name in enumerate(content.get("processors", ())):
            if name not in known:
                raise ValidationFailed("There is no such processor here.", pointer=f"{here}/processors/{number}")
        for member in ("amount_from", "amount_below"):
            if member in content:
                parse_amount(content[member], ANY_CURRENCY, pointer=f"{here}/{member}")
        _check_times(content, here)
        if any(name not in known for name in content.get("weights", {})):
            raise ValidationFailed("There is no such processor here.", pointer=f"{here}/weights")


def _check_times(content: RouteContent, here: str) -> None:
    for number, text in enumerate(content.get("times", ())):
        try:
            route_time(text)
        except ValueError as error:
            raise ValidationFailed(_sentence(error), pointer=f"{here}/times/{number}") from None
    if "time_zone" not in content:
        return
    if not content.get("times"):
        raise ValidationFailed("A time zone goes with times.", pointer=f"{here}/time_zone")
    try:
        place_of_clocks(content["time_zone"])
    except ValueError as error:
        raise ValidationFailed(_sentence(error), pointer=f"{here}/time_zone") from None


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
