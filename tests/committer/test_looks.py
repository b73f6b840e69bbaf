"""A look at records before a batch is decided: it keeps nobody waiting, and what it cannot tell is read under locks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from tests.committer.ground import Ground, Superuser, connecting, running_committer
from tests.committer.test_dying_lanes import lane_of
from tests.committer.test_flights import Staged, answers, single, waited
from tests.committer.test_flights_with_records import (
    assert_all_is_proved,
    capture,
    holding,
    members_of,
    prepared,
    refund,
)
from tests.committer.test_remembered import Counting
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.domain.ledger.account_commands import ChangeAccount
from zerosum.domain.ledger.outcome import Posted, Refused
from zerosum.domain.payments.hold_commands import ExtendHold
from zerosum.services.committing.lane_loop import CommitterStats


@pytest.mark.parametrize("is_lost", [True, False])
async def test_a_look_that_fails_keeps_nobody_from_the_usual_way(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, is_lost: bool
) -> None:
    failures = 0

    async def connect() -> BatchConnection:
        connection = await BatchConnection.open(test_database.service_dsn, 5)
        fetch = connection.fetch

        async def failing(statement: str, *arguments: Any) -> Any:
            nonlocal failures
            if "with opened as" in statement:
                failures += 1
                if is_lost:
                    connection.terminate()
                    raise asyncpg.InterfaceError("planted")
                return await fetch("select 1 / 0")
            return await fetch(statement, *arguments)

        connection.fetch = failing  # type: ignore[method-assign]
        return connection

    async with running_committer(connect) as committer:
        payment, hold = await prepared(committer, ground)
        for command in (capture(hold), refund(payment)):
            assert isinstance(await committer.carry_out(command), Posted)
    assert failures >= 1
    await assert_all_is_proved(ground, superuser)


async def test_what_is_not_there_and_what_posts_nothing_goes_the_usual_way(
    ground: Ground, test_database: TestDatabase
) -> None:
    counting = Counting(test_database.service_dsn)
    async with running_committer(counting) as committer:
        _, hold = await prepared(committer, ground)
        sent = len(counting.told)
        missing = holding(ground, hold.payer_id, hold.payee_id, "1.00")
        answer = await committer.carry_out(capture(missing))
        extended = await committer.carry_out(
            ExtendHold(hold_id=hold.hold_id, expires_at=await later(ground), **members_of(hold))
        )
    assert isinstance(answer, Refused)
    assert answer.refusal.code == "hold_not_found"
    assert isinstance(extended, Posted)
    assert len(counting.told) == sent


async def later(ground: Ground) -> Any:
    async with ground.database.work(ground.ledger_id) as connection:
        return (await connection.exec_driver_sql("select now() + interval '30 days'")).scalar_one()


async def test_a_look_opens_each_ledger_of_its_batch_and_no_other(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    other = await ground.in_another_ledger()
    counting = Counting(test_database.service_dsn)
    async with running_committer(counting) as committer:
        done = [await prepared(committer, each) for each in (ground, other)]
        # Under the id of the other ledger's hold there is nothing in this one.
        own, theirs = done[0][1], capture(done[1][1])
        asked = replace(theirs, ledger_id=own.ledger_id, payer_id=own.payer_id, payee_id=own.payee_id)
        answer = await committer.carry_out(asked)
        assert isinstance(answer, Refused)
        assert answer.refusal.code == "hold_not_found"
        sent = len(counting.told)
        told = await answers(*(single(committer, capture(hold)) for _, hold in done))
    assert all(isinstance(answer, Posted) for answer in told)
    assert counting.told[sent:] == ["held"]
    for each in (ground, other):
        await assert_all_is_proved(each, superuser)


async def test_a_lane_that_is_lost_while_it_looks_has_done_nothing_and_is_replaced(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    looking = asyncio.Event()

    async def connect() -> BatchConnection:
        connection = await BatchConnection.open(test_database.service_dsn, 5)
        fetch = connection.fetch

        async def stuck(statement: str, *arguments: Any) -> Any:
            if "from holds" in statement and "with opened as" in statement and not looking.is_set():
                looking.set()
                await asyncio.Event().wait()
            return await fetch(statement, *arguments)

        connection.fetch = stuck  # type: ignore[method-assign]
        return connection

    async with running_committer(connect) as committer:
        _, hold = await prepared(committer, ground)
        told = single(committer, capture(hold))
        await asyncio.wait_for(looking.wait(), 5)
        lane_of(committer).cancel()
        assert all(isinstance(answer, Posted) for answer in await answers(told))
    assert await ground.posted(hold.payee_id) == 10
    await assert_all_is_proved(ground, superuser)


async def test_what_falls_while_the_next_one_looks_does_not_use_its_connection(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """The first falls, and goes the usual way on the connection on which the second looks just then."""
    may_see, looking = asyncio.Event(), asyncio.Event()
    staged = Staged(test_database.service_dsn)

    async def connect() -> BatchConnection:
        connection = await staged()
        fetch = connection.fetch

        async def slow(statement: str, *arguments: Any) -> Any:
            if "from holds" in statement and "with opened as" in statement:
                looking.set()
                await fetch("select pg_sleep(0.2)")
            return await fetch(statement, *arguments)

        connection.fetch = slow  # type: ignore[method-assign]
        return connection

    stats = CommitterStats()
    async with (
        running_committer(connect, stats=stats) as committer,
        running_committer(connecting(staged.dsn)) as stranger,
    ):
        payment, hold = await prepared(committer, ground)
        staged.before = [lambda: waited(may_see)]
        # The first flies on the first connection, and the look on the second: so this one is made the first.
        connections = committer._lanes[0].carrier._connections  # type: ignore[attr-defined]
        first = single(committer, ground.transfer(payment.payer_id, payment.payee_id, "1.00"))
        await asyncio.sleep(0.02)
        connections.first, connections._second = connections._second, connections.first
        change = ground.change(ChangeAccount, payment.payer_id, name="changed")
        assert isinstance(await stranger.carry_out(change), Posted)
        second = single(committer, capture(hold))
        await asyncio.wait_for(looking.wait(), 5)
        may_see.set()
        told = await answers(first, second)
    assert all(isinstance(answer, Posted) for answer in told)
    assert stats.retries == 0
    assert await ground.posted(hold.payee_id) == 11
    await assert_all_is_proved(ground, superuser)
