"""What a lane remembers of accounts saves it reading them, and decides nothing that has changed meanwhile."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
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
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.domain.ledger.account_commands import ChangeAccount, ExistingAccountCommand, FreezeAccount
from zerosum.domain.ledger.outcome import Posted, Refused, Replayed


class Counting:
    """Opens connections that count how batches went: read under locks, or written from memory."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.read = 0
        self.told: list[str] = []

    async def __call__(self) -> BatchConnection:
        connection = await BatchConnection.open(self.dsn, CONNECT_SECONDS_MAX)
        begin, post = connection.begin, connection.post

        async def counted_begin(*args: Any, **kwargs: Any) -> None:
            self.read += 1
            await begin(*args, **kwargs)

        async def counted_post(*args: Any) -> tuple[str, int | None]:
            found = await post(*args)
            self.told.append(found[0])
            return found

        connection.begin = counted_begin  # type: ignore[method-assign]
        connection.post = counted_post  # type: ignore[assignment,method-assign]
        return connection


async def test_accounts_are_read_once_and_written_from_memory_from_then_on(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    payer, payee = await ground.open(2, floor=None)
    counting = Counting(test_database.service_dsn)
    async with running_committer(counting) as committer:
        for _ in range(5):
            assert isinstance(await committer.carry_out(ground.transfer(payer, payee, "1.00")), Posted)
    assert (counting.read, counting.told) == (1, ["held"] * 4)
    assert await ground.posted(payee) == 5
    await assert_books_are_right(superuser, ground.ledger_id)


@pytest.mark.parametrize(
    ("kind", "members", "code"),
    [(FreezeAccount, {}, "account_frozen"), (ChangeAccount, {"min_available": Decimal("-1")}, "insufficient_funds")],
    ids=["frozen", "limited"],
)
async def test_what_was_changed_by_others_is_not_decided_by_memory(
    ground: Ground, test_database: TestDatabase, kind: type[ExistingAccountCommand], members: dict[str, Any], code: str
) -> None:
    payer, payee = await ground.open(2, floor=None)
    counting = Counting(test_database.service_dsn)
    async with running_committer(counting) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(payer, payee, "1.00")), Posted)
        async with running_committer(connecting(test_database.service_dsn)) as other:
            assert isinstance(await other.carry_out(ground.change(kind, payer, **members)), Posted)
        answer = await committer.carry_out(ground.transfer(payer, payee, "1.00"))
    assert isinstance(answer, Refused)
    assert answer.refusal.code == code
    assert counting.told == ["changed"]
    assert await ground.posted(payee) == 1


async def test_a_key_that_was_used_is_found_though_its_accounts_are_remembered(
    ground: Ground, test_database: TestDatabase
) -> None:
    payer, payee = await ground.open(2, floor="0")
    (source,) = await ground.open(1, floor=None)
    counting = Counting(test_database.service_dsn)
    async with running_committer(counting) as committer:
        first = ground.transfer(source, payer, "5.00", key="once")
        assert isinstance(await committer.carry_out(first), Posted)
        refused = ground.transfer(payer, payee, "6.00", key="too much")
        assert isinstance(await committer.carry_out(refused), Refused)
        assert isinstance(await committer.carry_out(ground.transfer(source, payer, "1.00")), Posted)
        replay = await committer.carry_out(ground.transfer(source, payer, "5.00", key="once"))
        again = await committer.carry_out(ground.transfer(payer, payee, "6.00", key="too much"))
    assert isinstance(replay, Replayed)
    assert isinstance(again, Refused)
    assert again.is_replay
    assert "used" in counting.told
    assert await ground.posted(payer) == 6
    assert await ground.posted(payee) == 0


async def test_a_commit_without_a_reply_is_found_by_its_key(ground: Ground, test_database: TestDatabase) -> None:
    payer, payee = await ground.open(2, floor=None)
    left = 1

    async def connect() -> BatchConnection:
        connection = await BatchConnection.open(test_database.service_dsn, CONNECT_SECONDS_MAX)
        post = connection.post

        async def losing(*args: Any) -> tuple[str, int | None]:
            nonlocal left
            found = await post(*args)
            if left:
                left -= 1
                raise CommitOutcomeUnknown("planted")
            return found

        connection.post = losing  # type: ignore[assignment,method-assign]
        return connection

    async with running_committer(connect) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(payer, payee, "1.00")), Posted)
        answer = await committer.carry_out(ground.transfer(payer, payee, "1.00"))
    assert left == 0
    assert isinstance(answer, Replayed)
    assert await ground.posted(payee) == 2


async def test_two_lanes_that_make_each_other_s_memory_stale_lose_and_double_nothing(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    accounts = await ground.open(6, floor=None)
    generator = random.Random(11)
    connect = connecting(test_database.service_dsn)
    async with running_committer(connect) as one, running_committer(connect, lanes=2) as other:

        async def call(number: int) -> None:
            payer, payee = generator.sample(accounts, 2)
            committer = one if number % 2 else other
            answer = await committer.carry_out(ground.transfer(payer, payee, "1.00", key=f"each-{number}"))
            assert isinstance(answer, Posted)

        for first in range(0, 400, 20):
            await asyncio.gather(*(call(number) for number in range(first, first + 20)))
    count = "select count(*) from journal_entries where ledger_id = $1"
    assert await superuser.fetchval(count, ground.ledger_id) == 400
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_time_never_goes_back_on_an_account(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    payer, payee = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(payer, payee, "1.00")), Posted)
        await superuser.execute("set session_replication_role = replica")
        await superuser.execute(
            "update accounts set last_posted_at = last_posted_at + interval '1 minute' where id = $1", payee
        )
        await superuser.execute("reset session_replication_role")
        answer = await committer.carry_out(ground.transfer(payer, payee, "1.00"))
    assert isinstance(answer, Posted)
    moments = await superuser.fetch(
        "select posted_at from postings where account_id = $1 order by account_version", payee
    )
    assert (moments[1][0] - moments[0][0]).total_seconds() == 60
