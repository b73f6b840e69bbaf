"""Balances from Redis beside payments, in every order: what was shown of one account is not undone by another."""

from __future__ import annotations

import pytest

from tests.models.exploring import Broken, Model, Search, explore
from tests.models.reads import NOTHING, Batch, Reader, Reads, World, fault, is_over

EMPTY = (NOTHING, NOTHING)
ONE, TWO = (Batch("xy"),), (Batch("x"), Batch("xy"))
"""Batches. Of two the second stands on the first, at x."""


def explored(begin: World, states_max: int = 120_000, **members: bool) -> Search[World]:
    return explore(Model(begin, Reads(**members).steps, fault, is_over), states_max)


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(World(TWO, (Reader(),) * 2, 2), id="two batches"),
        pytest.param(World(TWO, (Reader(),), 3, cached=EMPTY), id="two batches and an empty Redis"),
        pytest.param(World(ONE, (Reader(),) * 2, 3, cached=EMPTY), id="one batch and three reads"),
        pytest.param(World(ONE, (Reader(),) * 2, 2, kills_left=1), id="one batch that is killed"),
    ],
)
def test_what_was_shown_is_not_undone_by_another_account(begin: World) -> None:
    assert explored(begin).steps > 1_000


@pytest.mark.campaign
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("reads", "kills", "cached"),
    [(4, 0, (0, 0)), (3, 0, EMPTY), (3, 1, (0, 0)), (2, 1, EMPTY)],
    ids=["four", "three of an empty Redis", "three and a kill", "two of an empty Redis and a kill"],
)
def test_what_was_shown_is_not_undone_by_another_account_at_length(
    reads: int, kills: int, cached: tuple[int, int]
) -> None:
    assert explored(World(TWO, (Reader(),) * 2, reads, kills, cached=cached), 3_000_000).steps > 50_000


@pytest.mark.parametrize(
    ("plant", "begin"),
    [
        ("asks_postgresql_for_what_is_under_way", World(TWO, (Reader(),), 2)),
        ("begins_before_it_commits", World(ONE, (Reader(),), 2)),
        ("ends_behind_the_refresh", World(ONE, (Reader(),), 2)),
        ("keeps_what_the_killed_left", World(ONE, (Reader(),), 2, kills_left=1)),
        ("refreshes_leases", World(ONE, (Reader(),) * 2, 2, cached=EMPTY)),
    ],
)
def test_a_planted_fault_is_found(plant: str, begin: World) -> None:
    with pytest.raises(Broken, match="was shown before"):
        explored(begin, **{plant: False})
