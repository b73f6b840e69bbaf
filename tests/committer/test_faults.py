"""What callers are answered, and what is in the books, when something breaks on the way."""

from __future__ import annotations

import asyncio
import random
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.committer.ground import (
    CONNECT_SECONDS_MAX,
    Ground,
    assert_books_are_right,
    connecting,
    running_committer,
    transactions_left_open,
)
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.domain.errors import InternalError, OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.services.committing import held_up
from zerosum.services.committing.batch_runner import UNREACHABLE_SECONDS_MAX

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Breaking:
    """Opens connections that break at a chosen step, as often as told, and are sound afterwards."""

    def __init__(self, dsn: str, step: str, times: int, *, after: bool, error: type[Exception]) -> None:
        self.dsn = dsn
        self.step = step
        self.left = times
        self.after = after
        self.error = error

    async def __call__(self) -> BatchConnection:
        connection = await BatchConnection.open(self.dsn, CONNECT_SECONDS_MAX)
        *path, name = self.step.split(".")
        owner = connection.loader if path else connection
        sound = getattr(owner, name)

        async def broken(*args: Any, **kwargs: Any) -> Any:
            if self.left <= 0:
                return await sound(*args, **kwargs)
            self.left -= 1
            if self.after:
                await sound(*args, **kwargs)
            raise self.error("planted")

        setattr(owner, name, broken)
        return connection


async def test_a_commit_that_happened_but_was_not_confirmed_is_found_by_its_key(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    source, target = await ground.open(2, floor=None)
    breaking = Breaking(test_database.service_dsn, "commit", 1, after=True, error=CommitOutcomeUnknown)
    async with running_committer(breaking) as committer:
        answer = await committer.carry_out(ground.transfer(source, target, "3.00"))
    assert isinstance(answer, Replayed)
    assert await ground.posted(target) == 3
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_a_commit_that_was_lost_is_done_again(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    breaking = Breaking(test_database.service_dsn, "commit", 2, after=False, error=CommitOutcomeUnknown)
    async with running_committer(breaking) as committer:
        answer = await committer.carry_out(ground.transfer(source, target, "3.00"))
    assert isinstance(answer, Posted)
    assert await ground.posted(target) == 3


@pytest.mark.parametrize("step", ["begin", "loader.accounts", "loader.used_keys", "loader.records", "fetch"])
async def test_a_connection_lost_before_commit_is_replaced_and_the_batch_done(
    ground: Ground, test_database: TestDatabase, step: str
) -> None:
    source, target = await ground.open(2, floor=None)
    breaking = Breaking(test_database.service_dsn, step, 1, after=True, error=ConnectionResetError)
    async with running_committer(breaking) as committer:
        answers = await asyncio.gather(
            *(committer.carry_out(ground.transfer(source, target, "1.00")) for _ in range(10))
        )
    assert all(isinstance(answer, Posted) for answer in answers)
    assert await ground.posted(target) == 10


async def test_an_outcome_that_stays_unknown_is_told_and_the_key_settles_it(
    ground: Ground, test_database: TestDatabase
) -> None:
    """Also when the patience for a database that is away is over, long before the deadline."""
    source, target = await ground.open(2, floor=None)
    breaking = Breaking(test_database.service_dsn, "commit", 1000, after=True, error=CommitOutcomeUnknown)
    # The first COMMIT happens and is not confirmed; every later connection is refused.
    opened = 0

    async def connect() -> BatchConnection:
        nonlocal opened
        opened += 1
        if opened > 1:
            raise ConnectionRefusedError
        return await breaking()

    command = ground.transfer(source, target, "3.00")
    async with running_committer(connect, deadline_seconds=UNREACHABLE_SECONDS_MAX + 1.0) as committer:
        with pytest.raises(OutcomeUnknown):
            await committer.carry_out(command)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        assert isinstance(await committer.carry_out(command), Replayed)
    assert await ground.posted(target) == 3


async def test_unreachable_before_commit_means_that_nothing_was_done(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)

    async def connect() -> BatchConnection:
        raise ConnectionRefusedError

    command = ground.transfer(source, target, "3.00")
    async with running_committer(connect) as committer:
        with pytest.raises(Unavailable):
            await committer.carry_out(command)
        # Once it is known to be away, nobody waits for it again.
        started = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await committer.carry_out(ground.transfer(source, target, "3.00"))
        assert asyncio.get_running_loop().time() - started < 1.0
    assert await ground.posted(target) == 0


async def test_one_bad_command_does_not_fail_its_neighbours(ground: Ground, test_database: TestDatabase) -> None:
    """PostgreSQL cannot store a NUL: planted behind every check, it stands for any defect of ours."""
    source, target = await ground.open(2, floor=None)
    commands = [ground.transfer(source, target, "1.00") for _ in range(20)]
    bad = ground.transfer(source, target, "1.00", description="a\0b")
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        answers = await asyncio.gather(
            *(committer.carry_out(command) for command in [*commands[:10], bad, *commands[10:]]),
            return_exceptions=True,
        )
    assert isinstance(answers.pop(10), InternalError)
    assert all(isinstance(answer, Posted) for answer in answers)
    assert await ground.posted(target) == 20


@pytest.mark.parametrize("breaks", ["the connection", "a neighbour"])
async def test_who_was_told_that_nothing_was_done_is_not_carried_out_by_a_later_try(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    """The account is busy when its payment is refused, and free at the next try, which something else causes."""
    monkeypatch.setattr(held_up, "PATIENCE_SECONDS", 0.0)
    stuck, target, other = await ground.open(3, floor=None)
    blocker = superuser.transaction()
    await blocker.start()
    await superuser.execute("select from accounts where id = $1 for update", stuck)

    is_freed = False

    async def connect() -> BatchConnection:
        connection = await BatchConnection.open(test_database.service_dsn, CONNECT_SECONDS_MAX)
        used_keys = connection.loader.used_keys

        async def freeing(*args: Any, **options: Any) -> Any:
            nonlocal is_freed
            if not is_freed:
                is_freed = True
                await blocker.rollback()
                if breaks == "the connection":
                    raise ConnectionResetError("planted")
            return await used_keys(*args, **options)

        connection.loader.used_keys = freeing  # type: ignore[method-assign]
        return connection

    busy = ground.transfer(stuck, target, "1.00")
    neighbour = ground.transfer(other, target, "1.00", description="a\0b" if breaks == "a neighbour" else None)
    async with running_committer(connect) as committer:
        answers = await asyncio.gather(
            committer.carry_out(busy), committer.carry_out(neighbour), return_exceptions=True
        )
    assert isinstance(answers[0], Unavailable)
    assert isinstance(answers[1], Posted if breaks == "the connection" else InternalError)
    assert await ground.posted(stuck) == 0
    count = "select count(*) from journal_entries where ledger_id = $1 and idempotency_key = $2"
    assert await superuser.fetchval(count, ground.ledger_id, busy.idempotency_key) == 0


async def test_the_queue_is_bounded(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn), queue_commands_max=10) as committer:
        waiting = [
            asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00"))) for _ in range(50)
        ]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(answer, Overloaded) for answer in answers)
    posted = sum(isinstance(answer, Posted) for answer in answers)
    assert posted >= 10
    assert await ground.posted(target) == posted


async def test_stopping_answers_everything_that_was_accepted(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        waiting = [
            asyncio.ensure_future(committer.carry_out(ground.transfer(source, target, "1.00"))) for _ in range(200)
        ]
        await asyncio.sleep(0)
        await committer.stop()
        answers = await asyncio.gather(*waiting)
        with pytest.raises(Unavailable):
            await committer.carry_out(ground.transfer(source, target, "1.00"))
    assert all(isinstance(answer, Posted) for answer in answers)
    assert await ground.posted(target) == 200


async def test_600_cancelled_callers_leave_nothing_half_done(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """What was acknowledged is there, and no session is left in a transaction."""
    accounts = await ground.open(10, floor=None)
    generator = random.Random(7)
    acknowledged: list[str] = []
    async with running_committer(connecting(test_database.service_dsn), lanes=2) as committer:

        async def call(key: str) -> None:
            payer, payee = generator.sample(accounts, 2)
            answer = await committer.carry_out(ground.transfer(payer, payee, "0.01", key))
            assert isinstance(answer, Posted)
            acknowledged.append(key)

        async def call_and_leave(key: str) -> None:
            task = asyncio.ensure_future(call(key))
            await asyncio.sleep(generator.uniform(0, 0.02))
            task.cancel()
            await asyncio.wait({task})

        for start in range(0, 600, 50):
            await asyncio.gather(*(call_and_leave(f"cancelled-{start + index}") for index in range(50)))
    kept = await superuser.fetch("select idempotency_key from journal_entries where ledger_id = $1", ground.ledger_id)
    assert set(acknowledged) <= {row[0] for row in kept}
    assert not await transactions_left_open(superuser)
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_sessions_killed_at_random_lose_and_double_nothing(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    accounts = await ground.open(10, floor=None)
    keys = [f"killed-{index}" for index in range(400)]
    generator = random.Random(11)
    answers: dict[str, object] = {}
    async with running_committer(connecting(test_database.service_dsn), lanes=2) as committer:

        async def call(index: int, key: str) -> None:
            command = ground.transfer(accounts[index % 9], accounts[index % 9 + 1], "0.01", key)
            for _ in range(20):
                try:
                    answers[key] = await committer.carry_out(command)
                except (Unavailable, OutcomeUnknown):
                    continue
                return

        async def kill() -> None:
            while len(answers) < len(keys):
                await asyncio.sleep(generator.uniform(0.03, 0.2))
                await superuser.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'zerosum lane' "
                    "and datname = current_database()"
                )

        killing = asyncio.ensure_future(kill())
        for start in range(0, len(keys), 40):
            await asyncio.gather(*(call(start + index, key) for index, key in enumerate(keys[start : start + 40])))
        await killing
    assert all(isinstance(answers[key], Posted | Replayed) for key in keys)
    count = await superuser.fetchval("select count(*) from journal_entries where ledger_id = $1", ground.ledger_id)
    assert count == len(keys)
    await assert_books_are_right(superuser, ground.ledger_id)
