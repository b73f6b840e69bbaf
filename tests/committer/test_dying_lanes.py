"""A lane that dies is replaced: its works are answered, the others go on, and until then the process is not ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX, Ground, assert_books_are_right, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.services.committing import lane_loop
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.lane_loop import CommitterStats

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Deadly(BaseException):
    """What nobody catches."""


def lane_of(committer: Committer) -> asyncio.Task[None]:
    task = committer._lanes[0]._task
    assert task is not None
    return task


def is_whole(committer: Committer) -> bool:
    """Asked by a function, as it changes by itself: a type checker would think that it stays."""
    return committer.is_whole


class Fatal:
    """Opens connections; the first time it is called, their `step` kills the lane: before it is done, or after."""

    def __init__(self, dsn: str, step: str, kill: Callable[[], Any], *, after: bool = False) -> None:
        self.dsn, self.step, self.kill, self.after = dsn, step, kill, after
        self.has_killed = False

    async def __call__(self) -> BatchConnection:
        connection = await BatchConnection.open(self.dsn, CONNECT_SECONDS_MAX)
        sound = getattr(connection, self.step)

        async def fatal(*args: Any, **kwargs: Any) -> Any:
            if self.has_killed:
                return await sound(*args, **kwargs)
            self.has_killed = True
            if self.after:
                await sound(*args, **kwargs)
            self.kill()
            return await asyncio.sleep(5)

        setattr(connection, self.step, fatal)
        return connection


def die() -> None:
    raise Deadly


def be_cancelled() -> None:
    """As whoever cancels all tasks does it."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize("kill", [die, be_cancelled])
async def test_what_had_not_come_to_its_commit_is_tried_again(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, kill: Callable[[], Any]
) -> None:
    source, target = await ground.open(2, floor=None)
    stats = CommitterStats()
    async with running_committer(Fatal(test_database.service_dsn, "begin", kill), stats=stats) as committer:
        first = asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00"), order_key=7))
        second = asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00"), order_key=7))
        answers = await asyncio.wait_for(asyncio.gather(first, second), 10)
        assert all(isinstance(answer, Posted) for answer in answers)
    versions = [answer.entry.postings[0].account_version for answer in answers if isinstance(answer, Posted)]
    assert versions == sorted(versions)
    assert stats.lanes_lost == 1
    assert await ground.posted(target) == 2
    await assert_books_are_right(superuser, ground.ledger_id)


@pytest.mark.parametrize("kill", [die, be_cancelled])
@pytest.mark.parametrize("after", [False, True])
async def test_what_may_have_been_committed_is_unknown_and_nothing_overtakes_its_retry(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, kill: Callable[[], Any], *, after: bool
) -> None:
    source, target = await ground.open(2, floor=None)
    command = ground.transfer(source, target, "1.00")
    fatal = Fatal(test_database.service_dsn, "commit", lambda: None, after=after)
    behind: list[asyncio.Future[Any]] = []
    async with running_committer(fatal) as committer:

        def kill_it_with_one_behind() -> None:
            later = ground.transfer(source, target, "5.00")
            behind.append(committer.hand_over([later], is_atomic=False, order_key=7))
            asyncio.get_running_loop().call_soon(lane_of(committer).cancel)
            if kill is die:
                die()

        fatal.kill = kill_it_with_one_behind
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(committer.carry_out(command, order_key=7), 10)
        assert [type(error) for error in await asyncio.gather(*behind, return_exceptions=True)] == [Unavailable]
        settled = await committer.carry_out(command, order_key=7)
        assert isinstance(settled, Replayed if after else Posted)
    await assert_books_are_right(superuser, ground.ledger_id)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("whole_lane", [False, True])
async def test_a_batch_in_the_air_that_dies_or_dies_with_its_lane_is_told_by_its_keys(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, after: bool, whole_lane: bool
) -> None:
    """The next lane asks by itself where the last one was cancelled; a caller does where nobody knows what happened."""
    source, target = await ground.open(2, floor=None)
    stats = CommitterStats()
    fatal = Fatal(test_database.service_dsn, "post", die, after=after)
    behind: list[asyncio.Future[Any]] = []
    async with running_committer(fatal, stats=stats) as committer:

        def kill_it_with_one_behind() -> None:
            later = ground.transfer(source, target, "5.00")
            behind.append(committer.hand_over([later], is_atomic=False, order_key=7))
            if not whole_lane:
                die()
            asyncio.get_running_loop().call_soon(lane_of(committer).cancel)

        fatal.kill = kill_it_with_one_behind
        await committer.carry_out(ground.transfer(source, target, "1.00"))
        command = ground.transfer(source, target, "1.00")
        if not whole_lane:
            with pytest.raises(OutcomeUnknown):
                await asyncio.wait_for(committer.carry_out(command, order_key=7), 10)
            assert [type(error) for error in await asyncio.gather(*behind, return_exceptions=True)] == [Unavailable]
        told = await asyncio.wait_for(committer.carry_out(command, order_key=7), 10)
        assert isinstance(told, Replayed if after else Posted)
        if whole_lane:
            [later] = await asyncio.wait_for(asyncio.gather(*behind), 10)
            assert isinstance(later[0], Posted)
        assert is_whole(committer)
    assert stats.lanes_lost == 1
    assert await ground.posted(target) == (7 if whole_lane else 2)
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_a_process_without_a_lane_is_not_ready(
    ground: Ground, test_database: TestDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lane_loop, "REPLACED_AFTER_SECONDS", 0.5)
    source, target = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00"))
        assert is_whole(committer)
        dead = lane_of(committer)
        dead.cancel()
        await asyncio.wait({dead})
        await asyncio.sleep(0)
        assert not is_whole(committer)
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
        assert is_whole(committer)
    assert "a lane has died and is replaced" in caplog.text


async def test_a_lane_that_dies_while_the_committer_stops_leaves_nothing_undone(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    async with running_committer(Fatal(test_database.service_dsn, "begin", die)) as committer:
        asked = asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00")))
        await asyncio.sleep(0)
    assert isinstance(await asked, Posted)
