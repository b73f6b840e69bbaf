"""Whoever holds a row or a key for long holds up those who need it, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from tests.committer.ground import Ground, connecting, kind_of, running_committer
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now
from zerosum.db.batch import LANE_SETTINGS
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.domain.ledger.outcome import Posted, Refused
from zerosum.services.committing import held_up
from zerosum.services.committing.committer import Committer

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def holding(connection: Superuser, statement: str, *arguments: object) -> AsyncIterator[None]:
    """Another session's transaction that has done this and hangs."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement, *arguments)
    try:
        yield
    finally:
        await transaction.rollback()


LOCK = "select from accounts where id = $1 for update"


async def paid(committer: Committer, ground: Ground, payer: UUID, payee: UUID, times: int) -> float:
    """Seconds that so many payments take, one after the other."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(times):
        assert isinstance(await committer.carry_out(ground.transfer(payer, payee, "0.01")), Posted)
    return loop.time() - began


async def test_a_stuck_account_holds_up_its_own_payments_alone(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """However many of them come: the lane waits for the row once."""
    stuck, target, other = await ground.open(3, floor=None)
    async with (
        holding(superuser, LOCK, stuck),
        running_committer(connecting(test_database.service_dsn)) as committer,
    ):
        asked = [asyncio.create_task(committer.carry_out(ground.transfer(stuck, target, "1.00"))) for _ in range(4)]
        await asyncio.sleep(1.3)  # longer than the lane waits for a row
        seconds = await paid(committer, ground, other, target, 20)
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert seconds < 20 * 0.2, "not one of them waited for the row"
    assert await ground.posted(stuck) == 0


async def test_what_was_held_up_is_carried_out_as_soon_as_it_can_be(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    stuck, target = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        async with holding(superuser, LOCK, stuck):
            asked = asyncio.create_task(committer.carry_out(ground.transfer(stuck, target, "1.00")))
            await asyncio.sleep(1.3)
            assert not asked.done()
        assert isinstance(await asyncio.wait_for(asked, 2.0), Posted)
        assert isinstance(await committer.carry_out(ground.transfer(stuck, target, "1.00")), Posted)
    assert await ground.posted(target) == 2


async def test_a_row_that_many_want_is_waited_for_in_line(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Another process posts to it without a pause: whoever only asked now and then would get it by luck."""
    hot, other = await ground.open(2, floor=None)
    is_over = False

    async def hog() -> None:
        while not is_over:
            async with holding(superuser, LOCK, hot):
                await asyncio.sleep(0.3)

    async with running_committer(connecting(test_database.service_dsn)) as committer:
        async with holding(superuser, LOCK, hot):
            first = asyncio.create_task(committer.carry_out(ground.transfer(hot, other, "1.00")))
            await asyncio.sleep(1.3)  # it counts as stuck now
        assert isinstance(await first, Posted)
        hogging = asyncio.create_task(hog())
        for _ in range(3):
            assert isinstance(await committer.carry_out(ground.transfer(hot, other, "1.00")), Posted)
        is_over = True
        await hogging
    assert await ground.posted(other) == 4


async def test_beside_a_stuck_account_an_unknown_one_is_unknown(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    stuck, target = await ground.open(2, floor=None)
    async with (
        holding(superuser, LOCK, stuck),
        running_committer(connecting(test_database.service_dsn)) as committer,
    ):
        held = asyncio.create_task(committer.carry_out(ground.transfer(stuck, target, "1.00")))
        answer = await committer.carry_out(ground.transfer(UUID(int=7), target, "1.00"))
        assert isinstance(answer, Refused)
        assert answer.refusal.code == "account_not_found"
        with pytest.raises(Unavailable):
            await held


async def test_an_uncommitted_key_holds_up_its_own_callers_alone(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    source, target, other = await ground.open(3, floor=None)
    insert = (
        "insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint, "
        "resource_type, reason, actor) values ($1, $2, $3, $3, $4, '', 'journal_entry', 'x', 'x')"
    )
    async with (
        holding(superuser, insert, ground.ledger_id, UUID(int=1), now(), "the-key"),
        running_committer(connecting(test_database.service_dsn)) as committer,
    ):
        held = asyncio.create_task(committer.carry_out(ground.transfer(source, target, "1.00", "the-key")))
        neighbours = [
            asyncio.create_task(committer.carry_out(ground.transfer(other, target, "1.00"))) for _ in range(30)
        ]
        assert all(isinstance(answer, Posted) for answer in await asyncio.gather(*neighbours))
        seconds = await paid(committer, ground, other, target, 20)
        with pytest.raises(OutcomeUnknown):  # whoever holds it may commit it yet
            await held
    assert seconds < 20 * 0.2
    assert await ground.posted(source) == 0


INSERT_KEYS = (
    "insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint, "
    "resource_type, reason, actor) select $1, gen_random_uuid(), now(), now(), key, '', 'journal_entry', 'x', 'x' "
    "from unnest($2::text[]) key"
)


async def test_a_key_that_was_found_held_is_waited_for_no_more(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Its caller is told after two seconds that nothing is known, and asks again: that costs nobody else a wait."""
    source, target, other = await ground.open(3, floor=None)
    async with (
        holding(superuser, INSERT_KEYS, ground.ledger_id, ["the-key"]),
        running_committer(connecting(test_database.service_dsn)) as committer,
    ):
        with pytest.raises(OutcomeUnknown):
            await committer.carry_out(ground.transfer(source, target, "1.00", "the-key"))
        again = asyncio.create_task(committer.carry_out(ground.transfer(source, target, "1.00", "the-key")))
        neighbour = ground.transfer(other, target, "1.00")
        seconds = await paid(committer, ground, other, target, 1)
        assert isinstance(await committer.carry_out(neighbour), Posted)
        assert seconds < 0.1, "less than a batch waits for a key"
        with pytest.raises(OutcomeUnknown):
            await again


async def test_many_held_keys_cost_others_no_more_than_one(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """They are tried in turn; and when they are free none waits for the turn of another."""
    source, target, other = await ground.open(3, floor=None)
    keys = [f"held-{number}" for number in range(100)]
    async with running_committer(connecting(test_database.service_dsn), deadline_seconds=20.0) as committer:
        async with holding(superuser, INSERT_KEYS, ground.ledger_id, keys):
            held = [
                asyncio.create_task(committer.carry_out(ground.transfer(source, target, "1.00", key))) for key in keys
            ]
            await asyncio.sleep(0.2)
            await paid(committer, ground, other, target, 1)  # until they are known to be held
            before = committer._stats.retries
            began = asyncio.get_running_loop().time()
            await paid(committer, ground, other, target, 20)
            seconds = asyncio.get_running_loop().time() - began
            tries = committer._stats.retries - before
            assert tries <= 2 + seconds / held_up.REST_SECONDS
        answers = await asyncio.gather(*held, return_exceptions=True)
    carried_out = sum(isinstance(answer, Posted) for answer in answers)
    assert carried_out + sum(isinstance(answer, OutcomeUnknown) for answer in answers) == len(keys)
    assert carried_out, "some were still being tried when they were free"
    assert await ground.posted(source) == -carried_out


async def test_an_order_is_kept_behind_a_held_key(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    source, target = await ground.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        async with holding(superuser, INSERT_KEYS, ground.ledger_id, ["second", "fourth"]):
            calls = [
                asyncio.create_task(committer.carry_out(ground.transfer(source, target, "1.00", key), order_key=7))
                for key in ("first", "second", "third", "fourth", "fifth")
            ]
            assert isinstance(await calls[0], Posted)
            await asyncio.sleep(0.6)
            assert not any(call.done() for call in calls[1:])
        answers = await asyncio.gather(*calls)
    posted = [answer.entries[0].postings[0].account_version for answer in answers if isinstance(answer, Posted)]
    assert posted == [1, 2, 3, 4, 5]


async def test_the_order_of_a_sequence_holds_through_a_stuck_account(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    stuck, target, other = await ground.open(3, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        async with holding(superuser, LOCK, stuck):
            first = asyncio.create_task(committer.carry_out(ground.transfer(stuck, target, "1.00"), order_key=7))
            await asyncio.sleep(1.2)
            second = asyncio.create_task(committer.carry_out(ground.transfer(other, target, "1.00"), order_key=7))
            others = committer.carry_out(ground.transfer(other, target, "1.00"), order_key=8)
            assert isinstance(await asyncio.wait_for(others, 2.0), Posted)
            assert not second.done(), "it waits for the one before it"
        answers = [await first, await second]
    assert all(isinstance(answer, Posted) for answer in answers)
    ids = [answer.entry.postings[1].account_version for answer in answers if isinstance(answer, Posted)]
    assert ids == sorted(ids)


async def test_behind_a_refusal_that_a_retry_may_undo_nobody_overtakes(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_up, "PATIENCE_SECONDS", 0.3)
    stuck, target, other = await ground.open(3, floor=None)
    async with (
        holding(superuser, LOCK, stuck),
        running_committer(connecting(test_database.service_dsn)) as committer,
    ):
        works = [
            committer.carry_out(ground.transfer(payer, target, "1.00"), order_key=7)
            for payer in (other, stuck, other, other)
        ]
        answers = await asyncio.gather(*works, return_exceptions=True)
    assert [kind_of(answer) for answer in answers] == [Posted, Unavailable, Unavailable, Unavailable]


def test_a_session_that_hangs_in_its_transaction_is_ended_soon() -> None:
    assert LANE_SETTINGS["idle_in_transaction_session_timeout"] == "2s"
