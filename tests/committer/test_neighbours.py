"""Some leave, some wait too long, some are too many: the others get their own answers, and all of it is counted."""

from __future__ import annotations

import asyncio
import random
from dataclasses import asdict, fields
from typing import TypeAlias

import asyncpg
import pytest

from tests.committer.ground import Ground, assert_books_are_right, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.ledger.outcome import Posted
from zerosum.services.committing.lane_loop import CommitterStats

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CALLERS = 600
AT_ONCE = 50


async def test_those_who_stay_get_their_own_answers_when_every_second_one_leaves(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Each pays an amount of its own, so that the answer of a neighbour is seen to be one."""
    accounts = await ground.open(10, floor=None)
    generator = random.Random(7)
    answered: dict[str, tuple[str, str]] = {}
    async with running_committer(connecting(test_database.service_dsn), lanes=2) as committer:

        async def call(number: int) -> None:
            payer, payee = generator.sample(accounts, 2)
            key, amount = f"own-{number}", f"{number // 100}.{number % 100:02}"
            answer = await committer.carry_out(ground.transfer(payer, payee, amount, key))
            assert isinstance(answer, Posted)
            money = answer.entry.entry.postings[0].money
            answered[key] = (str(answer.entry.idempotency_key), str(money.amount))

        async def leave(task: asyncio.Task[None]) -> None:
            await asyncio.sleep(generator.uniform(0, 0.01))
            task.cancel()
            await asyncio.wait({task})

        for start in range(1, CALLERS, AT_ONCE):
            calls = [asyncio.ensure_future(call(start + index)) for index in range(AT_ONCE)]
            async with asyncio.timeout(30):
                await asyncio.gather(*calls[::2], *(leave(task) for task in calls[1::2]))
    for number in range(1, CALLERS, 2):
        assert answered[f"own-{number}"] == (f"own-{number}", f"{number // 100}.{number % 100:02}")
    assert all(key == own for key, (own, _) in answered.items())
    await assert_books_are_right(superuser, ground.ledger_id)


class Stuck:
    """Connections whose COMMIT waits until it is let go."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.goes_on = asyncio.Event()
        self.has_come = asyncio.Event()

    async def __call__(self) -> BatchConnection:
        connection = await connecting(self._dsn)()
        sound = connection.commit

        async def waiting(seconds_max: float) -> None:
            self.has_come.set()
            await self.goes_on.wait()
            await sound(seconds_max)

        connection.commit = waiting  # type: ignore[method-assign]
        return connection


async def test_everything_that_befalls_a_command_is_counted(ground: Ground, test_database: TestDatabase) -> None:
    """One whose fate is unknown at its deadline, one that never left the queue, one that found no room in it."""
    source, target = await ground.open(2, floor=None)
    stuck, stats = Stuck(test_database.service_dsn), CommitterStats()
    async with running_committer(stuck, deadline_seconds=0.5, queue_commands_max=1, stats=stats) as committer:
        unknown = asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00")))
        await stuck.has_come.wait()
        late = asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00")))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as shed:
            await committer.carry_out(ground.transfer(source, target, "1.00"))
        with pytest.raises(OutcomeUnknown):
            await unknown
        with pytest.raises(Unavailable) as expired:
            await late
        stuck.goes_on.set()
        while committer.queued_commands:
            await asyncio.sleep(0.01)
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
        # A defect of one command: tried together, then alone.
        broken = ground.transfer(source, target, "1.00", description="a\0b")
        await asyncio.gather(committer.carry_out(broken), return_exceptions=True)
        # A lane that somebody has cancelled.
        lane = committer._lanes[0]._task
        assert lane is not None
        lane.cancel()
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
    assert (shed.value.facts["retry_after"], expired.value.facts["retry_after"]) == (1, 1)
    counted = asdict(stats)
    assert (counted["unknown"], counted["expired"], counted["shed"]) == (1, 1, 1)
    assert counted["retries"] >= 1
    assert (counted["batches"] >= 3, counted["commands"] >= 4) == (True, True)
    assert all(counted[field.name] > 0 for field in fields(CommitterStats) if field.type == "int"), (
        "a counter that no test moves"
    )
