"""Whoever was told that nobody knows is not told afterwards that nothing was done; nor is whoever is still carried out.

Found with the model of the committer (docs/MODELS.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX, Ground, running_committer
from tests.committer.test_isolation import INSERT_KEYS, Superuser, holding
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.services.committing.committer import Committer

ORDER = 7
DEADLINE_SECONDS = 0.8


class Slow:
    """Connections whose transactions stand still before they are committed, each until it is let go."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._may_go = asyncio.Semaphore(0)
        self.standing = asyncio.Semaphore(0)

    def let_go(self) -> None:
        self._may_go.release()

    async def __call__(self) -> BatchConnection:
        connection = await BatchConnection.open(self._dsn, CONNECT_SECONDS_MAX)
        for step in ("commit", "post"):
            setattr(connection, step, self._slow(getattr(connection, step)))
        return connection

    def _slow(self, sound: Any) -> Any:
        async def slow(*arguments: Any) -> Any:
            self.standing.release()
            await self._may_go.acquire()
            return await sound(*arguments)

        return slow


@asynccontextmanager
async def slow_committer(test_database: TestDatabase, **bounds: Any) -> AsyncIterator[tuple[Slow, Committer]]:
    slow = Slow(test_database.service_dsn)
    async with running_committer(slow, **{"deadline_seconds": DEADLINE_SECONDS, **bounds}) as committer:
        try:
            yield slow, committer
        finally:
            for _ in range(10):
                slow.let_go()


def handed_over(committer: Committer, command: Any, order: int | None = None) -> asyncio.Future[Any]:
    return committer.hand_over([command], is_atomic=False, order_key=order)


async def test_who_was_told_unknown_at_the_deadline_is_not_told_that_nothing_was_done(
    ground: Ground, test_database: TestDatabase
) -> None:
    """Whether the queue is full while it is still carried out, or behind that: nobody has told him what came of it."""
    source, target = await ground.open(2, floor=None)
    command = ground.transfer(source, target, "1.00")
    async with slow_committer(test_database, queue_commands_max=1) as (slow, committer):
        asked = handed_over(committer, command)
        await slow.standing.acquire()
        with pytest.raises(OutcomeUnknown):
            await asked
        waiting = handed_over(committer, ground.transfer(source, target, "1.00"))
        for refusal, other in ((OutcomeUnknown, command), (Overloaded, ground.transfer(source, target, "1.00"))):
            with pytest.raises(refusal):
                await handed_over(committer, other)
        slow.let_go()
        await slow.standing.acquire()  # The first is committed, and the one that waited stands still.
        in_the_queue = handed_over(committer, ground.transfer(source, target, "1.00"))
        with pytest.raises(OutcomeUnknown):
            await handed_over(committer, command)
        slow.let_go()
        slow.let_go()
        assert isinstance((await waiting)[0], Posted)
        assert isinstance((await in_the_queue)[0], Posted)
        slow.let_go()
        slow.let_go()
        assert isinstance(await committer.carry_out(command), Replayed)
        assert len(committer.unknown_keys) == 0


async def test_what_is_carried_out_behind_one_that_was_refused_is_unknown(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    before, first, second, third, fourth = (ground.transfer(source, target, "1.00") for _ in range(5))
    async with slow_committer(test_database) as (slow, committer):
        one_before = handed_over(committer, before)
        await slow.standing.acquire()
        asked = [handed_over(committer, first, ORDER)]
        await asyncio.sleep(DEADLINE_SECONDS / 2)
        asked.append(handed_over(committer, second, ORDER))
        slow.let_go()
        await one_before
        await slow.standing.acquire()  # Both are carried out together, and others wait behind them.
        for command in (third, fourth):
            asked.append(handed_over(committer, command, ORDER))
            await asyncio.sleep(0.05)
        told = await asyncio.gather(*asked, return_exceptions=True)
        slow.let_go()
        # The third is taken already, to be the next batch.
        assert [type(one) for one in told] == [OutcomeUnknown, OutcomeUnknown, OutcomeUnknown, Unavailable]
        for _ in range(5):
            slow.let_go()
        assert isinstance(await committer.carry_out(second), Replayed)


async def test_whose_key_somebody_else_holds_when_time_is_over_is_told_unknown(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Who holds it may commit it yet."""
    source, target = await ground.open(2, floor=None)
    command = ground.transfer(source, target, "1.00", "the-key")
    async with (
        # Less than its patience, so that it is held up when its deadline passes.
        slow_committer(test_database, queue_commands_max=1, deadline_seconds=1.8) as (_, committer),
        holding(superuser, INSERT_KEYS, ground.ledger_id, ["the-key"]),
    ):
        with pytest.raises(OutcomeUnknown):
            await committer.carry_out(command)
        with pytest.raises(OutcomeUnknown):  # Where there is no room, it is still not known.
            await committer.carry_out_each([command, ground.transfer(source, target, "1.00")])
