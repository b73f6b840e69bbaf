"""Ingest from one partition in every order: each message has its effect once, in its order, and none is skipped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.exploring import Broken, Model, Search, explore
from tests.models.ingest import Ingest, fault, is_over
from tests.models.ingest_world import Accidents, Message, World

GOOD = (Message("a"), Message("a"), Message("a"))
FAILING = (Message("a"), Message("a", "failing"), Message("b"), Message("a"))
FAILING_FIRST = (Message("a", "failing"), Message("a"), Message("a"))
DEADLY = (Message("a"), Message("b", "deadly"), Message("a"))
DEADLY_THIRD = (Message("a"), Message("a"), Message("b", "deadly"), Message("a"))
POISON = (Message("a"), Message("a", "poison"), Message("a"))
LOGS = {
    "good": GOOD,
    "failing": FAILING,
    "failing first": FAILING_FIRST,
    "deadly": DEADLY,
    "deadly third": DEADLY_THIRD,
    "poison": POISON,
}


def explored(log: tuple[Message, ...], accidents: Accidents, states_max: int = 60_000, **members: Any) -> Search[World]:
    """Of an ingest with these members. In the model three ends of a consumer are one too many, for the same message."""
    return explore(Model(World(log, accidents), Ingest(**members).steps, fault, is_over), states_max)


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS)
@pytest.mark.parametrize(
    "accidents",
    [
        pytest.param(Accidents(killed=1, away=2), id="killed, and the ledger away"),
        pytest.param(Accidents(taken=1, fails=2, away=1), id="a zombie, failures, and the ledger away"),
        pytest.param(Accidents(killed=1, deleted=1), id="killed, and messages deleted"),
    ],
)
def test_each_message_has_its_effect_once_and_in_order(log: tuple[Message, ...], accidents: Accidents) -> None:
    assert explored(log, accidents).steps > 300


@pytest.mark.campaign
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("log", [GOOD, FAILING, FAILING_FIRST, POISON], ids=["good", "failing", "first", "poison"])
@pytest.mark.parametrize(
    "accidents",
    [
        pytest.param(Accidents(killed=1, taken=1, fails=2), id="a zombie, killed, and failures"),
        pytest.param(Accidents(killed=1, taken=1, fails=1, away=1), id="all that can happen"),
        pytest.param(Accidents(taken=2, fails=2), id="two zombies and failures"),
    ],
)
def test_each_message_has_its_effect_once_and_in_order_at_length(
    log: tuple[Message, ...], accidents: Accidents
) -> None:
    assert explored(log, accidents, 3_000_000).steps > 500


@pytest.mark.parametrize(
    ("plant", "log", "accidents", "told"),
    [
        ("answers_by_key", GOOD, Accidents(killed=1), "a message had its effect twice"),
        ("tells_zombies", GOOD, Accidents(taken=1), "a consumer has stopped, and nothing is missing"),
        ("settles_behind_the_answers", GOOD, Accidents(), "were skipped"),
        ("settles_as_far_as_it_came", GOOD, Accidents(away=1), "were skipped"),
        ("stops_at_gaps", GOOD, Accidents(deleted=1), "1 has overtaken 0"),
        ("counts_before_it_tries", DEADLY, Accidents(), "nothing leads to an end any more"),
        ("tries_suspects_alone", DEADLY, Accidents(), "a good message was put aside for good"),
        ("does_not_count_what_waits", GOOD, Accidents(away=3), "a good message was put aside for good"),
        ("keeps_those_behind_waiting", FAILING, Accidents(fails=1), "3 has overtaken 1"),
        ("knows_who_waits", FAILING, Accidents(taken=1, fails=2), "3 has overtaken 1"),
        ("retries_the_oldest_of_a_key", FAILING, Accidents(fails=1), "3 has overtaken 1"),
    ],
)
def test_a_planted_fault_is_found(plant: str, log: tuple[Message, ...], accidents: Accidents, told: str) -> None:
    with pytest.raises(Broken, match=told):
        explored(log, accidents, **{plant: False})
