"""What a batch in the air may meet besides other writers: faults of ours, lost lanes, orders that are held up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.committer.ground import (
    CONNECT_SECONDS_MAX,
    Ground,
    Superuser,
    assert_books_are_right,
    connecting,
    running_committer,
)
from tests.committer.test_dying_lanes import lane_of
from tests.committer.test_flights import Staged, answers, remembering, single, waited
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.domain.errors import OutcomeUnknown, RecordUnreadable
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.domain.payments.pay import Pay
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.committing.work import Work


async def test_a_command_that_cannot_be_decided_from_memory_fails_alone(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = await ground.open(2, floor=None)
    pair = Pay.pair

    def faulty(command: Pay, *arguments: Any) -> Any:
        if command.idempotency_key == "faulty":
            raise ZeroDivisionError("planted")
        return pair(command, *arguments)

    monkeypatch.setattr(Pay, "pair", faulty)
    stats = CommitterStats()
    async with running_committer(connecting(test_database.service_dsn), stats=stats) as committer:
        await remembering(committer, ground, source, target)
        keys = ("sound", "faulty", "sound too")
        futures = [single(committer, ground.transfer(source, target, "1.00", key=key)) for key in keys]
        told: list[Any] = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 5)
    assert [type(answer) for answer in told] == [list, RecordUnreadable, list]
    assert stats.lanes_lost == 0
    assert await ground.posted(target) == 3
    await assert_books_are_right(superuser, ground.ledger_id)


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_lane_that_is_lost_with_a_batch_in_the_air_leaves_nobody_waiting_for_it(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, has_begun: bool
) -> None:
    source, target = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        await remembering(committer, ground, source, target)
        lane = committer._lanes[0]
        loop = asyncio.get_running_loop()
        commands = [ground.transfer(source, target, "1.00")]
        work = Work(commands, False, loop.create_future(), loop.time() + 5, committer.unknown_keys)
        flying = await lane.carrier.launch([work])
        assert flying is not None
        task = asyncio.create_task(flying)
        if has_begun:
            await asyncio.sleep(0)
        task.cancel()
        lane_of(committer).cancel()
        await asyncio.wait({task, lane_of(committer)})
        for _ in range(3):
            await asyncio.wait_for(remembering(committer, ground, source, target), 5)
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_what_was_written_and_not_told_when_its_lane_was_lost_is_unknown(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Nobody can ask PostgreSQL any more; and nobody says that nothing was done."""
    source, middle, target = await ground.open(3, floor=None)
    staged = Staged(test_database.service_dsn)
    is_away = False

    async def connect() -> BatchConnection:
        if is_away:
            raise ConnectionRefusedError("planted")
        return await staged()

    async with running_committer(connect, deadline_seconds=2.0) as committer:
        await remembering(committer, ground, source, middle, target)
        begun = staged._count
        staged.after = [lambda: waited(asyncio.Event())]
        commands = [ground.transfer(source, middle, "5.00"), ground.transfer(middle, target, "5.00")]
        futures = []
        for number, command in enumerate(commands):
            futures.append(single(committer, command))
            await asyncio.wait_for(staged.replied[begun + number].wait(), 5)
        await asyncio.sleep(0.01)
        is_away = True
        lane_of(committer).cancel()
        told = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 10)
        assert [type(answer) for answer in told] == [OutcomeUnknown, OutcomeUnknown]
        is_away = False
        again = await answers(*(single(committer, command) for command in commands))
        assert all(isinstance(answer, Replayed) for answer in again)
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_what_is_held_up_in_its_order_does_not_keep_the_process_from_everything_else(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    source, target = await ground.open(2, floor=None)
    longest = 0.0

    async def look() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - begun)

    async with running_committer(connecting(test_database.service_dsn)) as committer:
        await remembering(committer, ground, source, target)
        async with superuser.transaction():
            await superuser.execute("select from accounts where id = $1 for update", source)
            looking = asyncio.create_task(look())
            first = single(committer, ground.transfer(source, target, "5.00"), 7)
            await asyncio.sleep(1.8)
            second = single(committer, ground.transfer(source, target, "5.00"), 7)
            await asyncio.sleep(0.8)
            looking.cancel()
        told = await answers(first, second)
    assert all(isinstance(answer, Posted) for answer in told)
    assert longest < 0.1


async def test_a_second_connection_that_is_not_to_be_had_keeps_nobody_waiting_for_long(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """As a pooler does it that has as many as are used already: whoever asks waits."""
    source, target = await ground.open(2, floor=None)
    opened: list[BatchConnection] = []

    async def connect() -> BatchConnection:
        if any(not connection.is_closed for connection in opened):
            await asyncio.sleep(60)
        opened.append(await BatchConnection.open(test_database.service_dsn, CONNECT_SECONDS_MAX))
        return opened[-1]

    async with running_committer(connect, deadline_seconds=4.0) as committer:
        await remembering(committer, ground, source, target)
        opened[-1].terminate()
        await remembering(committer, ground, source, target)
    assert len(opened) == 2
    await assert_books_are_right(superuser, ground.ledger_id)
