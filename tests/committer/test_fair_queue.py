"""Ledgers are served by turns: who hands over more than his share waits behind himself, and is the one refused."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from math import inf
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.errors import InsufficientFunds, Overloaded
from zerosum.domain.ledger.outcome import Refused
from zerosum.services.committing.committer import (
    COMMANDS_TAKEN_ALWAYS,
    WORKS_TAKEN_ALWAYS,
    Committer,
    CommitterOptions,
)
from zerosum.services.committing.fair_queue import SERVED_LEDGERS_MAX, FairQueue
from zerosum.services.committing.held_up import HeldUp
from zerosum.services.committing.lane_loop import BATCH_COMMANDS_MIN, BATCH_SECONDS, CommitterStats
from zerosum.services.committing.pace import Pace, Pressure
from zerosum.services.committing.unknown_keys import UnknownKeys
from zerosum.services.committing.work import Work

GREEDY, MODEST, THIRD = (UUID(int=number) for number in (1, 2, 3))
LARGEST = 50

steps = st.lists(
    st.one_of(st.just(None), st.tuples(st.sampled_from([GREEDY, MODEST, THIRD]), st.integers(1, LARGEST))), max_size=200
)
"""A work with so many commands comes; None: one is taken."""


def work(ledger_id: UUID, count: int = 1, deadline: float = 0.0) -> Work:
    commands = [SimpleNamespace(ledger_id=ledger_id, idempotency_key="k")] * count
    answer = cast("asyncio.Future[Any]", SimpleNamespace(done=lambda: False))
    return Work(cast("Any", commands), is_atomic=False, answer=answer, deadline=deadline, unknown_keys=UnknownKeys())


@given(steps)
def test_each_ledger_has_its_own_in_order_and_nothing_is_lost(steps: list[tuple[UUID, int] | None]) -> None:
    queue, waiting = FairQueue(), defaultdict[UUID, deque[Work]](deque)
    for step in [*steps, *[None] * len(steps)]:
        if step is not None:
            waiting[step[0]].append(work(*step))
            queue.append(waiting[step[0]][-1])
        elif queue:
            expected = {id(works[0]): works for works in waiting.values() if works}
            assert queue.next_commands in {len(works[0].commands) for works in expected.values()}
            expected[id(queue.take())].popleft()
        assert queue.commands == sum(len(one.commands) for works in waiting.values() for one in works)
        for ledger_id, works in waiting.items():
            assert queue.waiting(ledger_id) == (len(works), sum(len(one.commands) for one in works))
        assert {id(one) for one in queue} == {id(one) for works in waiting.values() for one in works}


@given(steps)
def test_whoever_waits_is_served_as_much_as_others_but_for_one_work(steps: list[tuple[UUID, int] | None]) -> None:
    """The bound of the method: while two both wait, neither is ahead by more than a largest work of each."""
    queue = FairQueue()
    both_since: Counter[UUID] | None = None
    for step in steps:
        if step is not None:
            queue.append(work(*step))
        elif queue:
            taken = queue.take()
            if both_since is not None:
                both_since[taken.ledger_id] += len(taken.commands)
                assert abs(both_since[GREEDY] - both_since[MODEST]) <= 2 * LARGEST
        do_both_wait = queue.waiting(GREEDY).works > 0 and queue.waiting(MODEST).works > 0
        both_since = (both_since or Counter()) if do_both_wait else None


def test_one_command_waits_for_its_turn_and_not_for_a_thousand_of_another() -> None:
    queue = FairQueue()
    for _ in range(1_000):
        queue.append(work(GREEDY))
    assert queue.commands_ahead(MODEST) == 0
    queue.append(work(MODEST))
    assert [queue.take().ledger_id for _ in range(2)] == [GREEDY, MODEST]


def test_who_has_just_been_served_much_is_not_served_first_because_he_asks_again() -> None:
    queue = FairQueue()
    queue.append(work(GREEDY, 100))
    for _ in range(60):
        queue.append(work(MODEST))
    assert queue.take().ledger_id == GREEDY
    queue.append(work(GREEDY, 100))
    assert [queue.take().ledger_id for _ in range(60)] == [MODEST] * 60


def test_what_is_remembered_of_those_who_wait_no_more_is_bounded() -> None:
    queue = FairQueue()
    queue.append(work(GREEDY, 5_000_000))
    queue.append(work(GREEDY))
    for number in range(3 * SERVED_LEDGERS_MAX):
        queue.append(work(UUID(int=100 + number)))
    while queue:
        queue.take()
        assert len(queue._lines) <= SERVED_LEDGERS_MAX + queue._ledgers + 1
    assert not queue._lines
    assert queue.commands == 0


# --- What would wait for too long ------------------------------------------------------------------------------------


def pressed(queue: FairQueue, commands_per_second: float) -> Pressure:
    pace = Pace()
    pace.landed(round(commands_per_second), 10.0, 11.0)
    return Pressure(queue, pace, seconds_max=0.5, works_min=4, commands_min=100)


def test_only_whose_own_works_would_wait_too_long_has_too_many() -> None:
    queue = FairQueue()
    for _ in range(600):
        queue.append(work(GREEDY))
    for _ in range(5):
        queue.append(work(MODEST))
    pressure = pressed(queue, 1_000)
    assert pressure.is_too_much(GREEDY)
    assert not pressure.is_too_much(MODEST)
    assert not pressure.is_too_much(THIRD)
    assert not pressed(queue, 2_000).is_too_much(GREEDY)


def test_few_requests_are_never_too_much_however_large() -> None:
    queue = FairQueue()
    for _ in range(3):
        queue.append(work(GREEDY, 1_000))
    assert not pressed(queue, 100).is_too_much(GREEDY)
    queue.append(work(GREEDY, 1_000))
    assert pressed(queue, 100).is_too_much(GREEDY)


def test_few_commands_are_never_too_much_however_slow() -> None:
    queue = FairQueue()
    for _ in range(100):
        queue.append(work(GREEDY))
    assert not pressed(queue, 1).is_too_much(GREEDY)
    queue.append(work(GREEDY))
    assert pressed(queue, 1).is_too_much(GREEDY)


def test_before_the_first_batch_nothing_is_known_to_be_slow() -> None:
    assert Pace().seconds_for(1_000_000) == 0.0


def test_time_in_which_nobody_was_at_work_says_nothing_of_the_pace() -> None:
    pace = Pace()
    for batch in range(50):
        pace.landed(10, 100.0 * batch, 100.0 * batch + 0.01)
    assert pace.seconds_for(1_000) == pytest.approx(1.0)


def test_batches_that_are_on_their_way_together_share_the_time() -> None:
    pace = Pace()
    for batch in range(50):
        pace.landed(10, 0.01 * batch - 0.01, 0.01 * batch + 0.01)
    assert pace.seconds_for(1_000) == pytest.approx(1.0, rel=0.02)


def test_after_a_stall_the_pace_is_what_it_was_as_soon_as_it_goes_on() -> None:
    pace, seconds = Pace(), 0.0
    for took in (*[0.04] * 50, 3.0, *[0.04] * 3):
        pace.landed(300, seconds, seconds + took)
        seconds += took
    assert pace.seconds_for(3_000) == pytest.approx(0.4, rel=0.05)


def test_two_that_land_together_and_batches_that_become_slow_end_no_stall() -> None:
    pace, seconds = Pace(), 0.0
    for took in [0.08, 0.0] * 25:
        pace.landed(300, seconds, seconds + took)
        seconds += took
        if seconds > 1.0:
            assert pace.seconds_for(3_000) == pytest.approx(0.4, rel=0.1)
    for _ in range(20):
        pace.landed(300, seconds, seconds + 0.4)
        seconds += 0.4
    assert pace.seconds_for(3_000) == pytest.approx(4.0, rel=0.15)


def test_a_batch_is_no_larger_than_goes_in_its_time() -> None:
    pace = Pace()
    assert pace.commands_in(BATCH_SECONDS) == inf
    pace.landed(300, 10.0, 10.5)
    assert pace.commands_in(BATCH_SECONDS) == pytest.approx(600 * BATCH_SECONDS)


# --- In the committer ------------------------------------------------------------------------------------------------


class Slow:
    """A carrier that takes a tenth of a second for a hundred commands, and notes whose they were."""

    has_room = False

    def __init__(self) -> None:
        self.order: list[UUID] = []

    async def warm_up(self) -> None:
        return

    async def launch(self, _works: Sequence[Work]) -> None:
        return None

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        count = sum(len(one.commands) for one in works)
        await asyncio.sleep(count / 1_000)
        for one in works:
            self.order += [one.ledger_id]
            one.resolve([Refused(InsufficientFunds("Noted.")) for _ in one.commands])
        return HeldUp()

    def abandon(self) -> None:
        return

    async def close(self) -> None:
        return


def commands_of(ledger_id: UUID, count: int = 1) -> list[Any]:
    return [SimpleNamespace(ledger_id=ledger_id, idempotency_key=f"k{number}") for number in range(count)]


async def test_a_flood_of_one_ledger_is_refused_and_another_is_served_in_between() -> None:
    carrier = Slow()
    committer = Committer(lambda: carrier, CommitterOptions(queue_seconds_max=0.2), CommitterStats())
    committer.start()
    try:

        def hand_over(ledger_id: UUID, count: int = 1) -> asyncio.Future[Any]:
            return committer.hand_over(commands_of(ledger_id, count), is_atomic=False, order_key=None)

        await hand_over(GREEDY, 100)  # tells the pace: a thousand a second
        flood = [hand_over(GREEDY, 20) for _ in range(200)]
        taken = [one for one in flood if not one.done()]
        assert WORKS_TAKEN_ALWAYS <= len(taken) <= WORKS_TAKEN_ALWAYS + COMMANDS_TAKEN_ALWAYS / 20 + 1
        refused = [one for one in flood if one.done()]
        for one in refused:
            assert isinstance(one.exception(), Overloaded)
        assert committer.is_too_much(GREEDY)
        modest = hand_over(MODEST)
        assert not modest.done()
        await modest
        assert len(carrier.order) <= 2 + 2 * BATCH_COMMANDS_MIN / 20, "in the next batch or the one behind it"
        assert committer.queued_commands > 0, "most of the flood still waits"
        await asyncio.gather(*taken)
        assert not committer.is_too_much(GREEDY)
        await hand_over(GREEDY)
    finally:
        await committer.stop()
