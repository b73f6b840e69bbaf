"""Many callers at once, in one process and in two."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise
from typing import TypeAlias

import asyncpg
import pytest

from tests.committer.ground import Ground, assert_books_are_right, connecting, kind_of, running_committer
from tests.conftest import TestDatabase
from zerosum.domain.errors import InsufficientFunds
from zerosum.domain.ledger.outcome import Posted, Refused, Replayed

CALLERS = 64
Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.mark.parametrize("units", [1, 7, 1000])
async def test_64_callers_in_two_processes_drain_an_account_to_exactly_zero(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, units: int
) -> None:
    [source] = await ground.open(1, floor=None)
    [drained, target] = await ground.open(2)
    connect = connecting(test_database.service_dsn)
    async with running_committer(connect, lanes=2) as one, running_committer(connect) as other:
        if units:
            await one.carry_out(ground.transfer(source, drained, f"{units}.00"))
        attempts = max(CALLERS * 2, units + CALLERS)
        commands = [ground.transfer(drained, target, "1.00") for _ in range(attempts)]
        answers = await asyncio.gather(
            *((one, other)[index % 2].carry_out(command) for index, command in enumerate(commands))
        )
    kinds = Counter(kind_of(answer) for answer in answers)
    assert kinds == {Posted: units, Refused: attempts - units}
    assert all(isinstance(answer.refusal, InsufficientFunds) for answer in answers if isinstance(answer, Refused))
    assert await ground.posted(drained) == 0
    assert await ground.posted(target) == units
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_50_callers_with_one_key_make_one_payment(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """The payer has just enough for one: whoever is judged without knowing of the first would be refused."""
    [mint] = await ground.open(1, floor=None)
    source, target = await ground.open(2)
    connect = connecting(test_database.service_dsn)
    async with running_committer(connect, lanes=2) as one, running_committer(connect) as other:
        await one.carry_out(ground.transfer(mint, source, "5.00"))
        answers = await asyncio.gather(
            *(
                (one, other)[index % 2].carry_out(ground.transfer(source, target, "5.00", "the-one-key"))
                for index in range(50)
            )
        )
    posted = [answer for answer in answers if isinstance(answer, Posted)]
    assert len(posted) == 1
    assert all(
        isinstance(answer, Replayed) and answer.entry_id == posted[0].entry.id
        for answer in answers
        if answer is not posted[0]
    )
    assert await ground.posted(target) == 5
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_who_waited_for_the_accounts_knows_what_became_of_the_key_meanwhile(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Two processes have the same request, and both wait for its payer, who has enough for one."""
    [mint] = await ground.open(1, floor=None)
    source, target = await ground.open(2)
    command = ground.transfer(source, target, "5.00")
    waiting = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and application_name = 'zerosum lane' and wait_event_type = 'Lock'"
    )
    connect = connecting(test_database.service_dsn)
    async with running_committer(connect) as one, running_committer(connect) as other:
        for committer in (one, other):
            await committer.carry_out(ground.transfer(mint, target, "1.00"))
        await one.carry_out(ground.transfer(mint, source, "5.00"))
        async with superuser.transaction():
            await superuser.execute("select from accounts where id = $1 for update", source)
            asked = [asyncio.ensure_future(committer.carry_out(command)) for committer in (one, other)]
            async with asyncio.timeout(5):
                while await superuser.fetchval(waiting) < 2:
                    await asyncio.sleep(0.005)
                    await superuser.execute("select pg_stat_clear_snapshot()")  # it stays the same in a transaction
        answers = await asyncio.gather(*asked)
    assert Counter(kind_of(answer) for answer in answers) == {Posted: 1, Replayed: 1}
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_one_key_for_different_requests_moves_money_once(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """The requests touch different accounts, so nothing but the unique key can tell them apart in time."""
    accounts = await ground.open(40, floor=None)
    connect = connecting(test_database.service_dsn)
    async with running_committer(connect) as one, running_committer(connect) as other:
        answers = await asyncio.gather(
            *(
                (one, other)[index % 2].carry_out(
                    ground.transfer(accounts[2 * index], accounts[2 * index + 1], "1.00", "shared")
                )
                for index in range(20)
            )
        )
    kinds = Counter(kind_of(answer) for answer in answers)
    assert kinds[Posted] == 1
    codes = {answer.refusal.code for answer in answers if isinstance(answer, Refused)}
    assert codes == {"idempotency_key_reused"}
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_random_transfers_in_adversarial_order_neither_deadlock_nor_drift(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    accounts = await ground.open(20, floor=None)
    generator = random.Random(20261121)
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = await superuser.fetchval(deadlocks)
    connect = connecting(test_database.service_dsn)
    async with running_committer(connect, lanes=2) as one, running_committer(connect, lanes=2) as other:

        async def caller(index: int) -> None:
            for _ in range(60):
                payer, payee = generator.sample(accounts, 2)
                answer = await (one, other)[index % 2].carry_out(ground.transfer(payer, payee, "0.01"))
                assert isinstance(answer, Posted)

        await asyncio.gather(*(caller(index) for index in range(CALLERS)))
    assert await superuser.fetchval(deadlocks) == before
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_commands_with_one_order_key_keep_their_order(ground: Ground, test_database: TestDatabase) -> None:
    """Each transfer needs the money the one before brought."""
    [source] = await ground.open(1, floor=None)
    chain = [source, *await ground.open(50)]
    async with running_committer(connecting(test_database.service_dsn), lanes=4) as committer:
        answers = await asyncio.gather(
            *(
                committer.carry_out(ground.transfer(payer, payee, "1.00"), order_key=7)
                for payer, payee in pairwise(chain)
            )
        )
    assert all(isinstance(answer, Posted) for answer in answers)
