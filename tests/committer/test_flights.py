"""A batch that is decided while the one before it is on its way: it is written only if what it stands on came true."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias

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
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.account_commands import ChangeAccount, FreezeAccount
from zerosum.domain.ledger.outcome import Posted, Refused, Replayed
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.work import Answers

Step = Callable[[], Awaitable[None]]


async def nothing() -> None:
    return


class Staged:
    """Opens connections whose first batches from memory do something before they are sent, and after the reply.

    `told` is what PostgreSQL has told of each, in the order of their sending; `sent` is set by the number of each.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.before: list[Step] = []
        self.after: list[Step] = []
        self.told: dict[int, str] = {}
        self.sent = [asyncio.Event() for _ in range(64)]
        self.replied = [asyncio.Event() for _ in range(64)]
        self._count = 0

    async def __call__(self) -> BatchConnection:
        connection = await BatchConnection.open(self.dsn, CONNECT_SECONDS_MAX)
        post = connection.post

        async def staged(*args: Any) -> tuple[str, int | None]:
            number, self._count = self._count, self._count + 1
            before = self.before.pop(0) if self.before else nothing
            after = self.after.pop(0) if self.after else nothing
            await before()
            self.sent[number].set()
            found = await post(*args)
            self.told[number] = found[0]
            self.replied[number].set()
            await after()
            return found

        connection.post = staged  # type: ignore[assignment,method-assign]
        return connection


def single(committer: Committer, command: Any, order: int | None = None) -> asyncio.Future[Answers]:
    return committer.hand_over([command], is_atomic=False, order_key=order)


async def answers(*futures: asyncio.Future[Answers]) -> list[Any]:
    return [told[0] for told in await asyncio.wait_for(asyncio.gather(*futures), 15)]


async def remembering(committer: Committer, ground: Ground, *accounts: Any) -> None:
    for one, other in pairwise(accounts):
        assert isinstance(await committer.carry_out(ground.transfer(one, other, "1.00")), Posted)


InARow: TypeAlias = tuple[Committer, Staged, int, tuple[AccountId, AccountId, AccountId]]


@asynccontextmanager
async def in_a_row(ground: Ground, test_database: TestDatabase) -> AsyncIterator[InARow]:
    """Three remembered accounts, of which the first alone may be overdrawn; and the number of the next batch."""
    source, middle, target = await ground.open(1, floor=None) + await ground.open(2, floor="0")
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer:
        await remembering(committer, ground, source, middle, target)
        yield committer, staged, staged._count, (source, middle, target)


async def test_the_second_waits_for_the_rows_of_the_first_and_stands_on_it(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """The payee pays on what the first batch only brings him."""
    async with in_a_row(ground, test_database) as (committer, staged, begun, (source, middle, target)):
        # A row of the first is held by somebody else, so that it is still at work when the second comes.
        async with superuser.transaction():
            await superuser.execute("select from accounts where id = $1 for update", source)
            first = single(committer, ground.transfer(source, middle, "5.00"))
            await asyncio.wait_for(staged.sent[begun].wait(), 5)
            await asyncio.sleep(0.05)
            second = single(committer, ground.transfer(middle, target, "5.00"))
            await asyncio.wait_for(staged.sent[begun + 1].wait(), 5)
            await asyncio.sleep(0.05)
        told = await answers(first, second)
    assert all(isinstance(answer, Posted) for answer in told)
    assert staged.told[begun] == "held"
    assert await ground.posted(target) == 6
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_who_comes_to_the_rows_before_the_first_is_not_written_and_goes_the_usual_way(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    async with in_a_row(ground, test_database) as (committer, staged, begun, (source, middle, target)):

        async def until_the_second_has_replied() -> None:
            await asyncio.wait_for(staged.replied[begun].wait(), 5)  # by the order of sending it is the first

        staged.before = [until_the_second_has_replied]
        first = single(committer, ground.transfer(source, middle, "5.00"))
        await asyncio.sleep(0.01)
        second = single(committer, ground.transfer(middle, target, "5.00"))
        # The first waits in `before` as number `begun`; so the second is sent as `begun + 1`, and replies first.
        await asyncio.wait_for(staged.replied[begun + 1].wait(), 5)
        staged.replied[begun].set()
        told = await answers(first, second)
    assert all(isinstance(answer, Posted) for answer in told)
    assert (staged.told[begun + 1], staged.told[begun]) == ("changed", "held")
    assert await ground.posted(target) == 6
    await assert_books_are_right(superuser, ground.ledger_id)


@pytest.mark.parametrize(
    ("kind", "members", "code"),
    [(FreezeAccount, {}, "account_frozen"), (ChangeAccount, {"min_available": Decimal("5")}, "insufficient_funds")],
    ids=["frozen", "limited"],
)
async def test_what_was_changed_before_the_first_makes_both_fall(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, kind: Any, members: Any, code: str
) -> None:
    """The second had foreseen money that never came: nothing of it is written."""
    async with in_a_row(ground, test_database) as (committer, staged, begun, (source, middle, target)):
        first_may_go = asyncio.Event()
        staged.before = [lambda: waited(first_may_go)]
        first = single(committer, ground.transfer(source, middle, "5.00"))
        await asyncio.sleep(0.01)
        second = single(committer, ground.transfer(middle, target, "5.00"))
        async with running_committer(connecting(test_database.service_dsn)) as other:
            assert isinstance(await other.carry_out(ground.change(kind, source, **members)), Posted)
        first_may_go.set()
        told = await answers(first, second)
    assert isinstance(told[0], Refused)
    assert told[0].refusal.code == code
    assert isinstance(told[1], Refused)
    assert told[1].refusal.code == "insufficient_funds"
    assert {staged.told[begun], staged.told[begun + 1]} == {"changed"}
    assert await ground.posted(target) == 1
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_what_somebody_changes_between_the_two_is_seen(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """The first was written as foreseen; then the payee is frozen, before the second locks him."""
    async with in_a_row(ground, test_database) as (committer, staged, begun, (source, middle, target)):
        second_may_go = asyncio.Event()
        first_may_be_heard = asyncio.Event()
        staged.before = [nothing, lambda: waited(second_may_go)]
        staged.after = [lambda: waited(first_may_be_heard)]
        first = single(committer, ground.transfer(source, middle, "5.00"))
        await asyncio.wait_for(staged.replied[begun].wait(), 5)
        second = single(committer, ground.transfer(middle, target, "5.00"))
        await asyncio.sleep(0.02)
        async with running_committer(connecting(test_database.service_dsn)) as other:
            assert isinstance(await other.carry_out(ground.change(FreezeAccount, middle)), Posted)
        second_may_go.set()
        await asyncio.wait_for(staged.replied[begun + 1].wait(), 5)
        first_may_be_heard.set()
        told = await answers(first, second)
    assert isinstance(told[0], Posted)
    assert isinstance(told[1], Refused)
    assert told[1].refusal.code == "account_frozen"
    assert (staged.told[begun], staged.told[begun + 1]) == ("held", "changed")
    assert (await ground.posted(middle), await ground.posted(target)) == (Decimal(5), Decimal(1))
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_who_falls_writes_nothing_before_the_one_behind_has_heard(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Its second attempt writes the same entry at another moment: the second batch would take that for what it knew."""
    async with in_a_row(ground, test_database) as (committer, staged, begun, (source, middle, target)):
        first_may_go, second_may_go = asyncio.Event(), asyncio.Event()
        staged.before = [lambda: waited(first_may_go), lambda: waited(second_may_go)]
        first = single(committer, ground.transfer(source, middle, "5.00"))
        await asyncio.sleep(0.02)
        second = single(committer, ground.transfer(middle, target, "5.00"))
        await asyncio.sleep(0.02)
        async with running_committer(connecting(test_database.service_dsn)) as other:
            assert isinstance(await other.carry_out(ground.change(ChangeAccount, source, name="S")), Posted)
        first_may_go.set()
        await asyncio.wait({first}, timeout=0.3)
        assert not first.done()
        second_may_go.set()
        told = await answers(first, second)
    assert all(isinstance(answer, Posted) for answer in told)
    assert (staged.told[begun], staged.told[begun + 1]) == ("changed", "changed")
    assert await ground.posted(target) == 6
    await assert_books_are_right(superuser, ground.ledger_id)


async def waited(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 10)


@pytest.mark.parametrize("was_written", [True, False])
async def test_a_first_whose_reply_is_lost_is_found_by_its_key_and_the_second_is_right_either_way(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, was_written: bool
) -> None:
    source, middle, target = await ground.open(1, floor=None) + await ground.open(2, floor="0")
    staged = Staged(test_database.service_dsn)

    async def lose() -> None:
        await asyncio.sleep(0.1)
        raise CommitOutcomeUnknown("planted")

    async with running_committer(staged) as committer:
        await remembering(committer, ground, source, middle, target)
        begun = staged._count
        (staged.after if was_written else staged.before).append(lose)
        first = single(committer, ground.transfer(source, middle, "5.00"))
        await asyncio.sleep(0.03)
        second = single(committer, ground.transfer(middle, target, "5.00"))
        told = await answers(first, second)
    assert isinstance(told[0], Replayed if was_written else Posted)
    assert isinstance(told[1], Posted)
    assert staged.told[begun + 1] == ("held" if was_written else "changed")
    assert (await ground.posted(middle), await ground.posted(target)) == (Decimal(0), Decimal(6))
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_one_key_in_two_batches_on_their_way_is_carried_out_once(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    source, middle, target = await ground.open(3, floor=None)
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer:
        await remembering(committer, ground, source, middle, target)
        command = ground.transfer(source, middle, "5.00", key="twice")
        again = ground.transfer(source, middle, "5.00", key="twice")
        first_may_be_heard = asyncio.Event()
        staged.after = [lambda: waited(first_may_be_heard)]
        first = single(committer, command)
        await asyncio.sleep(0.02)
        second = single(committer, again)
        await asyncio.sleep(0.05)
        first_may_be_heard.set()
        told = await answers(first, second)
    assert isinstance(told[0], Posted)
    assert isinstance(told[1], Replayed)
    assert await ground.posted(middle) == 5
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_works_of_one_order_are_never_in_two_batches_at_once(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    source, middle, target = await ground.open(3, floor=None)
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer:
        await remembering(committer, ground, source, middle, target)
        begun = staged._count
        first_may_be_heard = asyncio.Event()
        staged.after = [lambda: waited(first_may_be_heard)]
        first = single(committer, ground.transfer(source, middle, "5.00"), order=7)
        await asyncio.wait_for(staged.replied[begun].wait(), 5)
        second = single(committer, ground.transfer(middle, target, "5.00"), order=7)
        await asyncio.sleep(0.05)
        assert not staged.sent[begun + 1].is_set()
        first_may_be_heard.set()
        told = await answers(first, second)
    assert all(isinstance(answer, Posted) for answer in told)
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_random_batches_on_two_connections_beside_a_stranger_lose_and_double_nothing(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """What a batch finds hangs on the one before it; now and then one is refused, repeated, or met by a stranger."""
    accounts = await ground.open(6, floor="0")
    generator = random.Random(5)
    staged = Staged(test_database.service_dsn)
    staged.sent = staged.replied = [asyncio.Event() for _ in range(5000)]
    posted = 0

    async def caller(committer: Committer, name: str, times: int) -> None:
        nonlocal posted
        for number in range(times):
            payer, payee = generator.sample(accounts, 2)
            amount = "900.00" if generator.random() < 0.01 else f"{generator.randint(1, 3)}.00"
            command = ground.transfer(payer, payee, amount, key=f"{name}-{number}")
            answer = await committer.carry_out(command)
            posted += isinstance(answer, Posted)
            if generator.random() < 0.01:
                assert isinstance(await committer.carry_out(command), Replayed | Refused)

    async with (
        running_committer(staged, is_alone=True) as committer,
        running_committer(connecting(test_database.service_dsn)) as other,
    ):
        (source,) = await ground.open(1, floor=None)
        for account in accounts:
            await committer.carry_out(ground.transfer(source, account, "500.00"))
        callers = [caller(committer, f"one-{number}", 60) for number in range(24)]
        await asyncio.wait_for(asyncio.gather(*callers, caller(other, "other", 5)), 60)
    count = "select count(*) from journal_entries where ledger_id = $1"
    assert await superuser.fetchval(count, ground.ledger_id) == posted + len(accounts)
    assert list(staged.told.values()).count("held") > 20
    await assert_books_are_right(superuser, ground.ledger_id)
