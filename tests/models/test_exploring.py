"""The search itself: it meets every world once, tells the fewest steps to a fault, and finds what is stuck."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models.exploring import Broken, Model, explore

Jugs = tuple[int, int]


def poured(jugs: Jugs) -> Iterator[tuple[str, Jugs]]:
    """Three litres and five: fill, empty, pour over."""
    small, big = jugs
    yield "fill small", (3, big)
    yield "fill big", (small, 5)
    yield "empty small", (0, big)
    yield "empty big", (small, 0)
    yield "small into big", (small - min(small, 5 - big), big + min(small, 5 - big))
    yield "big into small", (small + min(big, 3 - small), big - min(big, 3 - small))


def four_litres(jugs: Jugs) -> str | None:
    return "four litres" if jugs[1] == 4 else None


def test_it_finds_the_fewest_steps() -> None:
    with pytest.raises(Broken, match="four litres") as found:
        explore(Model((0, 0), poured, four_litres))
    assert str(found.value).splitlines()[1:] == [
        "  fill big",
        "  big into small",
        "  empty small",
        "  big into small",
        "  fill big",
        "  big into small",
    ]


def test_it_meets_every_world_once_and_takes_every_step() -> None:
    search = explore(Model((0, 0), poured, lambda _: None))
    assert (len(search), search.steps) == (16, 16 * 6)


def test_what_leads_nowhere_is_found() -> None:
    ways = {0: [1, 2], 1: [3], 2: [2], 3: []}

    def steps(place: int) -> Iterator[tuple[str, int]]:
        return ((f"to {there}", there) for there in ways[place])

    explore(Model(1, steps, lambda _: None, lambda place: place == 3))
    with pytest.raises(Broken, match=r"nothing leads to an end any more, after\n  to 2$"):
        explore(Model(0, steps, lambda _: None, lambda place: place == 3))


def test_a_search_has_a_bound() -> None:
    with pytest.raises(AssertionError, match="too large to search"):
        explore(Model(0, lambda place: [("on", place + 1)], lambda _: None), 100)
