"""Whoever is refused, shed or left is not overtaken by the later works of his own order."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.committer.ground import Ground, connecting, kind_of, running_committer
from tests.committer.test_isolation import LOCK, Superuser, holding
from tests.conftest import TestDatabase
from zerosum.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.ledger.outcome import Posted, Replayed

ORDER = 7


async def test_what_is_shed_is_not_overtaken_by_less_that_was_handed_over_with_it(
    ground: Ground, test_database: TestDatabase
) -> None:
    """The queue has room for the first and the third, and not for the two of the second."""
    source, target = await ground.open(2, floor=None)
    works = [[ground.transfer(source, target, "1.00") for _ in range(number)] for number in (1, 2, 1)]
    other = ground.transfer(source, target, "1.00")
    async with running_committer(connecting(test_database.service_dsn), queue_commands_max=2) as committer:
        calls = [
            *(committer.carry_out_each(commands, order_key=ORDER) for commands in works),
            committer.carry_out(other, order_key=ORDER + 1),
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [kind_of(answer) for answer in answers] == [list, Overloaded, Overloaded, Posted]
        for commands in works[1:]:  # their callers know, and ask again in order
            assert all(
                isinstance(answer, Posted) for answer in await committer.carry_out_each(commands, order_key=ORDER)
            )


async def test_what_has_expired_while_it_was_held_up_is_not_overtaken(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Its deadline passes between two tries, and nothing of its order is queued but what is held up behind it."""
    stuck, target, other = await ground.open(3, floor=None)
    first = ground.transfer(stuck, target, "1.00")
    async with running_committer(connecting(test_database.service_dsn), deadline_seconds=1.5) as committer:
        async with holding(superuser, LOCK, stuck):
            expiring = asyncio.create_task(committer.carry_out(first, order_key=ORDER))
            await asyncio.sleep(1.2)  # longer than the lane waits for a row
            behind = asyncio.create_task(committer.carry_out(ground.transfer(other, target, "1.00"), order_key=ORDER))
            await asyncio.wait({expiring, behind})
        assert isinstance(expiring.exception(), Unavailable | OutcomeUnknown)
        assert isinstance(behind.exception(), Unavailable)
        assert isinstance(await committer.carry_out(first, order_key=ORDER), Posted)
        assert await ground.posted(other) == 0


async def test_a_caller_who_leaves_is_carried_out_in_his_turn(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Also while it is still queued, or held up: what he sends behind it does not overtake what he asks for again."""
    stuck, target, other = await ground.open(3, floor=None)
    left = [ground.transfer(payer, target, "1.00") for payer in (other, stuck)]
    last = ground.transfer(other, target, "1.00")
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        async with holding(superuser, LOCK, stuck):
            calls = [asyncio.create_task(committer.carry_out(command, order_key=ORDER)) for command in left]
            behind = asyncio.create_task(committer.carry_out(last, order_key=ORDER))
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)
            await asyncio.sleep(1.3)  # longer than the lane waits for a row
            assert not behind.done()
        assert isinstance(await behind, Posted)
        for command in left:
            assert isinstance(await committer.carry_out(command, order_key=ORDER), Replayed)


async def test_a_caller_who_leaves_is_refused_like_others_and_not_overtaken(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, target, other = await ground.open(3, floor=None)
    async with (
        holding(superuser, LOCK, stuck),
        running_committer(connecting(test_database.service_dsn)) as committer,
    ):
        leaving = asyncio.create_task(committer.carry_out(ground.transfer(stuck, target, "1.00"), order_key=ORDER))
        behind = asyncio.create_task(committer.carry_out(ground.transfer(other, target, "1.00"), order_key=ORDER))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(Unavailable):
            await behind
    assert await ground.posted(other) == 0
    del leaving, behind, committer
    gc.collect()  # asyncio complains of what nobody has looked at once it is gone
    # Tests of others have tasks too, and leave them to the same collector.
    assert not [one for one in caplog.records if "committer" in one.getMessage() or "Unavailable" in one.getMessage()]
