"""Routing: by which processor a payment is to go that has left that to us. The first route that fits decides."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.route_times import DAYS, RouteTime, place_of_clocks

AUTOMATIC = "auto"
"""Named instead of a processor: the routes choose one."""

ROUTES_MAX = 200

UTC_NAME = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is not said fits everything. `amount_from` belongs to the range, `amount_below` does not.

    `accounts` is the code of the payment's own account; ending in `*`, what it begins with. `processors` are tried in
    their order; with `weights` one of them comes first by chance, the same for the same key. `times` are by the clocks
    of `time_zone`.
    """

    name: str
    processors: tuple[str, ...]
    weights: tuple[int, ...] = ()
    types: frozenset[PaymentType] = frozenset()
    currencies: frozenset[str] = frozenset()
    amount_from: Decimal | None = None
    amount_below: Decimal | None = None
    accounts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    times: tuple[RouteTime, ...] = ()
    time_zone: str = UTC_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A payment as routes see it `at` a moment. `account` is the code of its payer or payee."""

    type: PaymentType
    amount: Decimal
    currency: str
    account: str
    key: str
    at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


PAUSED = "it is paused"

NOBODY: Mapping[str, str] = MappingProxyType({})


class Choice(NamedTuple):
    """`passed_over` are the processors of the route that come before it, each with why it was not chosen."""

    processor: str
    route: str
    passed_over: tuple[tuple[str, str], ...] = ()
    onward: tuple[str, ...] = ()
    """The others of the route, in the order in which they may take over what this one has not carried out."""


class Explained(NamedTuple):
    """What came of one route: `why` it does not fit, or the processor that it chooses."""

    route: Route
    why: str | None
    processor: str | None
    passed_over: tuple[tuple[str, str], ...] = ()
    onward: tuple[str, ...] = ()


def choose(
    routes: Sequence[Route], payment: Routed, paused: Collection[str], troubled: Mapping[str, str] = NOBODY
) -> Choice | None:
    """The first route that fits and has a processor that takes payments."""
    for one in explain(routes, payment, paused, troubled):
        if one.processor is not None:
            return Choice(one.processor, one.route.name, one.passed_over, one.onward)
    return None


def explain(
    routes: Sequence[Route], payment: Routed, paused: Collection[str], troubled: Mapping[str, str] = NOBODY
) -> Iterator[Explained]:
    """Each route in its order, also those behind the one that decides. What is `paused` is never chosen.

    One that is `troubled`, which says why, is passed over where the route has another. Where all of them are, the first
    takes it: the payment waits for it, and is refused by nobody.
    """
    for route in routes:
        why = _objection(route, payment)
        if why is not None:
            yield Explained(route, why, None)
            continue
        turn = _in_turn(route, payment.key)
        left = [name for name in turn if name not in paused]
        if not left:
            yield Explained(
                route,
                "none of its processors takes payments: "
                + ", ".join(f"{name}: {_why_not(name, troubled)}" for name in turn),
                None,
            )
            continue
        chosen = next((name for name in left if name not in troubled), left[0])
        place = turn.index(chosen)
        passed_over = tuple((name, _why_not(name, troubled)) for name in turn[:place])
        yield Explained(route, None, chosen, passed_over, (*turn[place + 1 :], *turn[:place]))


def _why_not(name: str, troubled: Mapping[str, str]) -> str:
    return troubled.get(name, PAUSED)


def _objection(route: Route, payment: Routed) -> str | None:
    if route.types and payment.type not in route.types:
        return f"it is not for a {payment.type.value}"
    if route.currencies and payment.currency not in route.currencies:
        return f"it is not for {payment.currency}"
    if route.amount_from is not None and payment.amount < route.amount_from:
        return "the amount is below its range"
    if route.amount_below is not None and payment.amount >= route.amount_below:
        return "the amount is above its range"
    if route.accounts and not any(_is_meant(account, payment.account) for account in route.accounts):
        return f"it is not for the account {payment.account}"
    for name, value in route.metadata.items():
        if payment.metadata.get(name) != value:
            return f"the metadata {name} is another"
    if route.times:
        local = payment.at.astimezone(place_of_clocks(route.time_zone))
        if not any(time.covers(local) for time in route.times):
            return f"it is not for {DAYS[local.weekday()]} {local:%H:%M} in {route.time_zone}"
    return None


def _is_meant(pattern: str, code: str) -> bool:
    return code.startswith(pattern[:-1]) if pattern.endswith("*") else code == pattern


def _in_turn(route: Route, key: str) -> Sequence[str]:
    """The processors of the route, the one first that the key falls to."""
    if not route.weights:
        return route.processors
    drawn = int.from_bytes(hashlib.sha256(f"{route.name} {key}".encode()).digest()) % sum(route.weights)
    for name, weight in zip(route.processors, route.weights, strict=True):
        if drawn < weight:
            return (name, *(other for other in route.processors if other != name))
        drawn -= weight
    raise LookupError("weights come to more than nothing")
