"""A batch whose connection was lost is still in PostgreSQL: it waits there, and may be written when nobody asks."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg

from tests.committer.ground import Ground, Superuser, assert_books_are_right, running_committer
from tests.committer.test_flights import Staged, answers, remembering, single
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.services.proofs.whole_ledger import verify_ledger

LOCK = "select from accounts where id = $1 for update"


async def test_it_is_not_written_upon_another_attempt_of_the_one_before_it_though_the_clock_goes_back(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """The first falls by what somebody else has written. Then it is written as the same entry, of another moment."""
    held_by_second, shared, held_by_first = await ground.open(3, floor=None)
    staged = Staged(test_database.service_dsn)
    ahead = timedelta(seconds=5)

    async with running_committer(staged, clock=lambda: now() + ahead) as committer:
        await remembering(committer, ground, held_by_second, shared, held_by_first)
        begun = staged._count
        other = await asyncpg.connect(test_database.superuser_dsn)
        holding_first, holding_second = superuser.transaction(), other.transaction()
        await holding_first.start()
        await holding_second.start()
        await superuser.execute("set local session_replication_role = replica")
        await superuser.execute("update accounts set name = name where id = $1", held_by_first)
        await other.execute(LOCK, held_by_second)
        first = single(committer, ground.transfer(shared, held_by_first, "5.00"))
        await asyncio.sleep(0.05)
        second = single(committer, ground.transfer(shared, held_by_second, "5.00"))
        await asyncio.wait_for(staged.sent[begun + 1].wait(), 5)
        await asyncio.sleep(0.1)
        committer._lanes[0].carrier._flights.in_air[1].connection.terminate()  # type: ignore[attr-defined]
        ahead -= timedelta(seconds=2)
        await holding_first.commit()
        told = await answers(first)
        await holding_second.rollback()
        await asyncio.sleep(0.1)  # What waited in PostgreSQL is first, in whichever order the next attempt comes.
        told += await answers(second)
        await other.close()
    assert isinstance(told[0], Posted)
    assert isinstance(told[1], Posted | Replayed)
    await assert_books_are_right(superuser, ground.ledger_id)
    report = await verify_ledger(ground.database, ground.ledger_id, lambda *_: None)
    assert report.breaks == []
