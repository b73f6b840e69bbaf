"""Clocks of machines differ and are set back; the time of an account's postings never goes back."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from tests.committer.ground import Ground, assert_books_are_right, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now


async def test_a_clock_that_is_set_back_takes_no_account_back_with_it(
    ground: Ground, test_database: TestDatabase, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    [mint] = await ground.open(1, floor=None)
    alice, bob = await ground.open(2)
    hour, right = timedelta(hours=1), now()
    clock = [right + hour]
    async with running_committer(connecting(test_database.service_dsn), clock=lambda: clock[0]) as committer:
        await committer.carry_out(ground.transfer(mint, alice, "5.00"))
        clock[0] = right
        await committer.carry_out(ground.transfer(alice, bob, "2.00"))
        await committer.carry_out(ground.transfer(mint, bob, "1.00"))
    times = await superuser.fetch("select posted_at from postings where ledger_id = $1", ground.ledger_id)
    assert {row[0] for row in times} == {right + hour}
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_accounts_that_were_not_posted_to_by_a_wrong_clock_are_at_the_right_time(
    ground: Ground, test_database: TestDatabase, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    one, other, third, fourth = await ground.open(4, floor=None)
    hour, right = timedelta(hours=1), now()
    clock = [right + hour]
    async with running_committer(connecting(test_database.service_dsn), clock=lambda: clock[0]) as committer:
        await committer.carry_out(ground.transfer(one, other, "5.00"))
        clock[0] = right
        await committer.carry_out(ground.transfer(third, fourth, "2.00"))
    posted_at = "select distinct posted_at from postings where account_id = any($1::uuid[])"
    assert await superuser.fetchval(posted_at, [third, fourth]) == right
