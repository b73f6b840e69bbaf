"""Routes: the first that fits decides, weights are drawn by the key, and what is paused is passed by."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.processor_calls import onward
from zerosum.domain.payments.route_times import route_time
from zerosum.domain.payments.routing import Choice, Route, Routed, choose, explain

PAYMENT = Routed(
    type=PaymentType.WITHDRAWAL,
    amount=Decimal("20.00"),
    currency="EUR",
    account="customers:alice",
    key="k",
    at=datetime(2026, 12, 1, 7, 30, tzinfo=UTC),
    metadata={"tier": "gold"},
)
LAST = Route(name="else", processors=("beta",))


@pytest.mark.parametrize(
    ("members", "change"),
    [
        ({"types": frozenset({PaymentType.WITHDRAWAL})}, {"type": PaymentType.DEPOSIT}),
        ({"currencies": frozenset({"EUR", "USD"})}, {"currency": "JPY"}),
        ({"amount_from": Decimal("20.00")}, {"amount": Decimal("19.99")}),
        ({"amount_below": Decimal("20.01")}, {"amount": Decimal("20.01")}),
        ({"accounts": ("customers:*",)}, {"account": "merchants:alice"}),
        ({"accounts": ("customers:alice",)}, {"account": "customers:alice2"}),
        ({"metadata": {"tier": "gold"}}, {"metadata": {}}),
        ({"metadata": {"tier": "gold"}}, {"metadata": {"tier": "tin"}}),
        ({"times": (route_time("tue 07:00-08:00"),)}, {"at": datetime(2026, 12, 1, 8, 0, tzinfo=UTC)}),
        (
            {"times": (route_time("08:30-09:00"),), "time_zone": "Europe/Berlin"},
            {"at": datetime(2026, 12, 1, 8, 30, tzinfo=UTC)},
        ),
    ],
)
def test_a_route_is_for_what_it_says_and_for_nothing_else(members: dict[str, Any], change: dict[str, Any]) -> None:
    routes = (Route(name="first", processors=("acme",), **members), LAST)
    assert choose(routes, PAYMENT, ()) == Choice("acme", "first")
    assert choose(routes, replace(PAYMENT, **change), ()) == Choice("beta", "else")
    told = [one.why for one in explain(routes, replace(PAYMENT, **change), ())]
    assert told[0] is not None
    assert told[1] is None


def test_what_is_paused_is_passed_by() -> None:
    routes = (Route(name="first", processors=("acme", "beta")), Route(name="second", processors=("gamma",)))
    assert choose(routes, PAYMENT, ()) == Choice("acme", "first", (), ("beta",))
    assert choose(routes, PAYMENT, {"acme"}) == Choice("beta", "first", (("acme", "it is paused"),), ("acme",))
    assert choose(routes, PAYMENT, {"acme", "beta"}) == Choice("gamma", "second")
    assert choose(routes, PAYMENT, {"acme", "beta", "gamma"}) is None
    assert choose((), PAYMENT, ()) is None


def test_one_in_trouble_is_passed_over_for_another_and_never_for_nobody() -> None:
    routes = (Route(name="first", processors=("acme", "beta")), LAST)
    assert choose(routes, PAYMENT, (), {"acme": "silent"}) == Choice("beta", "first", (("acme", "silent"),), ("acme",))
    paused = Choice("beta", "first", (("acme", "it is paused"),), ("acme",))
    assert choose(routes, PAYMENT, {"acme"}, {"beta": "silent"}) == paused
    both = {"acme": "silent", "beta": "silent"}
    assert choose(routes, PAYMENT, (), both) == Choice("acme", "first", (), ("beta",))
    weighed = Route(name="shared", processors=("acme", "beta"), weights=(99, 1))
    drawn = [choose((weighed,), replace(PAYMENT, key=f"{key}"), (), {"acme": "silent"}) for key in range(50)]
    assert {choice.processor for choice in drawn if choice} == {"beta"}


def test_what_was_not_chosen_comes_behind_what_stands_after_it() -> None:
    route = Route(name="all", processors=("acme", "beta", "gamma"))
    choice = choose((route,), PAYMENT, (), {"acme": "silent"})
    assert choice is not None
    assert choice.onward == ("gamma", "acme")
    routing = {"next": list(choice.onward)}
    assert [onward(routing, name) for name in ("beta", "gamma", "acme")] == [["gamma", "acme"], ["acme"], []]
    assert onward({}, "beta") == onward(None, "beta") == ()


def test_weights_are_drawn_by_the_key_and_alike_for_the_same() -> None:
    route = Route(name="shared", processors=("acme", "beta"), weights=(80, 20))
    keys = [f"key-{number}" for number in range(4000)]
    drawn = [choose((route,), replace(PAYMENT, key=key), ()) for key in keys]
    assert drawn == [choose((route,), replace(PAYMENT, key=key), ()) for key in keys]
    counts = Counter(choice.processor for choice in drawn if choice is not None)
    assert 0.77 < counts["acme"] / 4000 < 0.83
    assert {choose((route,), replace(PAYMENT, key=key), {"acme"}) for key in keys} == {
        Choice("beta", "shared", (), ("acme",)),
        Choice("beta", "shared", (("acme", "it is paused"),), ("acme",)),
    }
