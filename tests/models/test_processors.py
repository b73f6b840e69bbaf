"""Payments through two processors in every order: paid once at the most, never backward, and never stuck."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.exploring import Broken, Model, Search, explore
from tests.models.processor_world import Accidents, Worker, World
from tests.models.processors import Processors, fault, is_over


def explored(accidents: Accidents, workers: int, states_max: int = 60_000, **members: Any) -> Search[World]:
    """Of so many workers, and processors with these members."""
    begin = World(accidents=accidents, workers=(Worker(),) * workers)
    return explore(Model(begin, Processors(**members).steps, fault, is_over), states_max)


@pytest.mark.parametrize(
    ("accidents", "workers", "members"),
    [
        pytest.param(Accidents(died=1, missing=1, unsent=1), 1, {}, id="died, not answered and no connection"),
        pytest.param(Accidents(died=1, stands_still=3), 1, {}, id="died, and stood still before"),
        pytest.param(Accidents(stands_still=4), 2, {}, id="two at it, and they stand still"),
        pytest.param(Accidents(stands_still=3), 2, {"ahead": 1}, id="two with clocks that differ"),
        pytest.param(Accidents(missing=1, called_back=2, by_hand=1), 1, {}, id="told by callbacks and by hand"),
        pytest.param(Accidents(missing=1, called_back=1, very_late=1), 2, {}, id="a request that arrives far too late"),
        pytest.param(Accidents(missing=2, died=1), 2, {"repeats_safely": False}, id="one that must not be asked twice"),
    ],
)
def test_it_is_paid_once_at_the_most_and_never_stuck(
    accidents: Accidents, workers: int, members: dict[str, Any]
) -> None:
    assert explored(accidents, workers, **members).steps > 1_000


@pytest.mark.campaign
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("accidents", "workers", "members"),
    [
        pytest.param(Accidents(stands_still=6), 2, {}, id="two at it, and they stand still for long"),
        pytest.param(Accidents(stands_still=4, troubled=1, died=1), 2, {}, id="died, and the next one is not well"),
        pytest.param(Accidents(stands_still=3, died=1, missing=1, troubled=1), 1, {}, id="all that can happen to one"),
        pytest.param(Accidents(stands_still=2, died=1, missing=1), 2, {"ahead": 1}, id="clocks that differ, and died"),
        pytest.param(Accidents(missing=1, called_back=1, very_late=1, stands_still=2), 2, {}, id="far too late"),
        pytest.param(Accidents(missing=1, called_back=2, by_hand=1, forgets=1), 2, {}, id="callbacks to two"),
    ],
)
def test_it_is_paid_once_at_the_most_and_never_stuck_at_length(
    accidents: Accidents, workers: int, members: dict[str, Any]
) -> None:
    assert explored(accidents, workers, 3_000_000, **members).steps > 10_000


TWICE, ALL_THE_SAME = "it was paid twice", "it was sent although it was known to be paid"


@pytest.mark.parametrize(
    ("plant", "accidents", "workers", "told"),
    [
        ("waits_until_nothing_is_on_its_way", Accidents(missing=1), 1, TWICE),
        ("reckons_from_the_look", Accidents(missing=1, stands_still=3), 1, TWICE),
        ("reckons_with_who_has_died", Accidents(died=1, stands_still=3), 1, TWICE),
        ("sends_nothing_late", Accidents(stands_still=6), 2, TWICE),
        ("moves_by_its_attempt", Accidents(stands_still=4, troubled=1), 2, TWICE),
        ("moves_unsent_at_the_first_attempt_only", Accidents(missing=1, unsent=1, troubled=1), 1, TWICE),
        ("keeps_to_who_has_had_it", Accidents(forgets=1), 1, TWICE),
        ("settles_where_it_asked", Accidents(stands_still=4), 2, "it is declined, and was paid"),
        ("asks_for_the_word_behind_the_look", Accidents(missing=2, very_late=1, called_back=1), 1, ALL_THE_SAME),
        ("hears_who_was_left", Accidents(missing=1, very_late=1, called_back=1), 1, ALL_THE_SAME),
        ("settles_once", Accidents(by_hand=1), 1, "the call went back"),
    ],
)
def test_a_planted_fault_is_found(plant: str, accidents: Accidents, workers: int, told: str) -> None:
    with pytest.raises(Broken, match=told):
        explored(accidents, workers, **{plant: False})


def test_one_that_must_not_be_asked_twice_is_looked_up_before() -> None:
    with pytest.raises(Broken, match=TWICE):
        explored(Accidents(missing=1), 1, repeats_safely=False, looks_up_first=False)


def test_a_claim_that_never_lapses_is_found_to_be_stuck() -> None:
    class Held(Processors):
        def _claimed(self, world: World, place: int) -> Any:
            return iter(()) if world.call.state == "sent" else super()._claimed(world, place)

    begin = World(accidents=Accidents(died=1))
    with pytest.raises(Broken, match="nothing leads to an end any more"):
        explore(Model(begin, Held().steps, fault, is_over))
