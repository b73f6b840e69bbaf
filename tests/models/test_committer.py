"""The committer in every order: no key posts twice, nothing acknowledged is lost, no answer is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.committer import Committer, fault, is_over
from tests.models.committer_world import Accidents, World
from tests.models.exploring import Broken, Model, Search, explore

ONE_PROCESS: dict[str, Any] = {"first_at": (0, 0)}
IN_ORDER: dict[str, Any] = {**ONE_PROCESS, "ordered": frozenset({0, 1})}
ASKED_ONCE: dict[str, Any] = {"asks_max": 1}


def explored(accidents: Accidents, *, units: int = 2, states_max: int = 60_000, **members: Any) -> Search[World]:
    """Of a committer with these members. There are units for two payments, if nothing else is said."""
    committer = Committer(**members)
    return explore(Model(committer.begin(units, accidents), committer.steps, fault, is_over), states_max)


@pytest.mark.parametrize(
    ("accidents", "members"),
    [
        pytest.param(Accidents(lost=1, other_writers=1), ASKED_ONCE, id="one lost beside another writer"),
        pytest.param(Accidents(lost=2), {**ASKED_ONCE, **ONE_PROCESS}, id="two lost of one process"),
        pytest.param(Accidents(lost=1, shed=1), ONE_PROCESS, id="lost and shed, and asked again"),
        pytest.param(Accidents(late=1, shed=1), ONE_PROCESS, id="late and shed, and asked again"),
        pytest.param(Accidents(late=1, lost=1), {**ASKED_ONCE, **IN_ORDER}, id="late and lost in order"),
        pytest.param(Accidents(held=1, late=1), {"first_at": (0,)}, id="a key held elsewhere, and late"),
        pytest.param(Accidents(killed=1), ONE_PROCESS, id="killed, and asked again"),
    ],
)
def test_nothing_is_lost_doubled_or_taken_back(accidents: Accidents, members: dict[str, Any]) -> None:
    assert explored(accidents, **members).steps > 1_000


@pytest.mark.campaign
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("accidents", "members"),
    [
        pytest.param(Accidents(lost=2, other_writers=1), ASKED_ONCE, id="two lost beside another writer"),
        pytest.param(Accidents(held=1, late=1), ONE_PROCESS, id="a key held elsewhere, and late"),
        pytest.param(Accidents(lost=1, killed=1), ONE_PROCESS, id="lost and killed, and asked again"),
        pytest.param(Accidents(late=1, lost=1, shed=1), ONE_PROCESS, id="late, lost and shed"),
        pytest.param(Accidents(late=1, shed=1), IN_ORDER, id="late and shed in order, and asked again"),
        pytest.param(Accidents(lost=1), {}, id="three callers of two processes, who ask again"),
    ],
)
def test_nothing_is_lost_doubled_or_taken_back_at_length(accidents: Accidents, members: dict[str, Any]) -> None:
    assert explored(accidents, states_max=3_000_000, **members).steps > 10_000


@pytest.mark.parametrize(
    ("plant", "accidents", "members", "told"),
    [
        ("answers_after_commit", Accidents(lost=1), ASKED_ONCE, "was told that it is version 1, and it is None"),
        ("looks_up_keys_under_locks", Accidents(lost=1), ASKED_ONCE, "posted twice"),
        ("looks_up_keys_of_a_post", Accidents(lost=1, shed=1), {"first_at": (0,)}, "posted twice"),
        ("compares_rows", Accidents(), ASKED_ONCE, "more was taken than was there"),
        ("asks_who_has_left_the_row", Accidents(lost=1), ASKED_ONCE, "more was taken than was there"),
        ("moments_grow", Accidents(lost=1), ASKED_ONCE, "more was taken than was there"),
        ("waits_for_who_is_behind", Accidents(lost=1), ASKED_ONCE, "more was taken than was there"),
        ("remembers_lost_commits", Accidents(lost=2), {**ASKED_ONCE, **ONE_PROCESS}, "nothing was done"),
        ("shares_unknown_keys", Accidents(late=1, shed=1), ONE_PROCESS, "nothing was done"),
        ("remembers_what_was_told_unknown", Accidents(late=1, shed=1), ONE_PROCESS, "nothing was done"),
        ("forgets_only_what_is_told", Accidents(late=1, shed=1), ONE_PROCESS, "nothing was done"),
        ("says_unknown_where_a_key_is_held", Accidents(held=1, late=1), {"first_at": (0,)}, "nothing was done"),
        ("says_unknown_of_what_was_found", Accidents(late=1, shed=1), ONE_PROCESS, "nothing was done"),
        ("keeps_what_was_not_found", Accidents(late=1, shed=1), ONE_PROCESS, "nothing was done"),
        ("says_unknown_to_who_is_behind", Accidents(late=1), {**ASKED_ONCE, **IN_ORDER}, "nothing was done"),
    ],
)
def test_a_planted_fault_is_found(plant: str, accidents: Accidents, members: dict[str, Any], told: str) -> None:
    with pytest.raises(Broken, match=told):
        explored(accidents, **members, **{plant: False})
