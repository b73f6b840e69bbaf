"""What metrics tell of the database: true, of all ledgers, by one worker at a time, and gone where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.committer.ground import Ground
from tests.conftest import Servers, TestDatabase, clone_database
from tests.services.fresh_database import make_ledger
from zerosum.adapters.clock import now
from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Database, make_engine
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import DomainError
from zerosum.domain.moments import render_time
from zerosum.services.background.readings import LEAD, MetricReadings


@dataclass
class Fresh:
    """A database of the test's own; `superuser` writes past every guard."""

    of: TestDatabase
    database: Database
    superuser: asyncpg.Connection[asyncpg.Record]
    clock: float = 0.0

    def readings(self) -> MetricReadings:
        return MetricReadings(self.database, now, lambda: self.clock)

    async def insert(self, table: str, **values: Any) -> None:
        places = ", ".join(f"${number}" for number, _ in enumerate(values, 1))
        await self.superuser.execute(f"insert into {table} ({', '.join(values)}) values ({places})", *values.values())


@pytest.fixture
async def fresh(servers: Servers) -> AsyncIterator[Fresh]:
    cloned = await clone_database(servers, f"zerosum_{new_uuid().hex}")
    database = Database(make_engine(cloned.service_dsn, pool_size=4))
    superuser = await asyncpg.connect(cloned.superuser_dsn)
    await superuser.execute("set session_replication_role = replica")
    yield Fresh(cloned, database, superuser)
    await superuser.close()
    await database.close()
    admin = await asyncpg.connect(servers.superuser_dsn)
    await admin.execute(f'drop database "{cloned.name}" with (force)')
    await admin.close()


async def _put_hold(fresh: Fresh, ledger_id: UUID, expires_in: timedelta) -> None:
    await fresh.insert(
        "holds",
        ledger_id=ledger_id,
        id=new_uuid(),
        status="open",
        currency="USD",
        amount=1,
        captured=0,
        payer_id=new_uuid(),
        payee_id=new_uuid(),
        expires_at=now() + expires_in,
        created_at=now(),
        entry_ids=[],
        payment_ids=[],
        changes=0,
    )


async def _put_dispute(fresh: Fresh, ledger_id: UUID, respond_in: timedelta | None) -> None:
    await fresh.insert(
        "disputes",
        ledger_id=ledger_id,
        id=new_uuid(),
        payment_id=new_uuid(),
        status="open",
        currency="USD",
        amount=1,
        payer_id=new_uuid(),
        payee_id=new_uuid(),
        reason="fraudulent",
        respond_by=None if respond_in is None else render_time(now() + respond_in),
        evidence="[]",
        entry_ids=[],
        created_at=now(),
        last_change_id=new_uuid(),
        changes=1,
    )


async def _put_break(fresh: Fresh, ledger_id: UUID, days: int) -> None:
    await fresh.insert(
        "reconciliation_breaks",
        ledger_id=ledger_id,
        id=new_uuid(),
        source="bank",
        run_id=new_uuid(),
        kind="line",
        holder_id=new_uuid(),
        number=1,
        is_different=False,
        amount=1,
        currency="USD",
        day=now().date() - timedelta(days=days),
        opened_at=now(),
        state="open",
        changes=1,
    )


async def test_what_waits_is_counted_over_all_ledgers(fresh: Fresh) -> None:
    ledgers = [await make_ledger(fresh.database) for _ in range(25)]
    for minutes in (-5, 30, 59, 61):
        await _put_hold(fresh, ledgers[0], timedelta(minutes=minutes))
    await _put_hold(fresh, ledgers[24], timedelta(minutes=-5))
    for respond_in in (None, timedelta(hours=-1), timedelta(hours=23), timedelta(hours=25), timedelta(days=8)):
        await _put_dispute(fresh, ledgers[3], respond_in)
    for days in (0, 1, 2, 7, 8, 30, 31, 400):
        await _put_break(fresh, ledgers[22], days)
    readings = fresh.readings()
    assert await readings.run_once() == 5
    assert readings.failures.read() == {}
    told = readings.told()
    assert told["holds_open"] == {(): 5}
    assert told["holds_expiring"] == {(): 2}
    assert told["holds_overdue"] == {(): 2}
    assert told["disputes_undecided"] == {(due,): 1 for due in ("overdue", "day", "week", "later", "none")}
    assert told["reconciliation_breaks"] == {(age,): 2 for age in ("1d", "7d", "30d", "older")}
    assert told["dead_letters"] == {("dead",): 0, ("retrying",): 0, ("waiting",): 0}
    assert told["postgres_table_size_bytes"]["holds",] > 0
    assert await readings.run_once() == 0, "nothing is due yet"
    fresh.clock = 16.0
    assert await readings.run_once() == 4, "all but the sizes: of no account there is no balance yet"


async def test_endpoints_that_fail_are_counted_apart_from_those_that_people_have_disabled(fresh: Fresh) -> None:
    ledger_id = await make_ledger(fresh.database)
    for minutes, status, reason in (
        (None, "enabled", None),
        (9, "enabled", None),
        (11, "enabled", None),
        (11, "disabled", "only_failures"),
        (None, "disabled", "gone"),
        (11, "disabled", "by_request"),
        (11, "deleted", "by_request"),
    ):
        await fresh.insert(
            "webhook_endpoints",
            ledger_id=ledger_id,
            id=new_uuid(),
            url="https://hooks.example.com",
            header_names=[],
            status=status,
            disabled_reason=reason,
            created_at=now(),
            created_by="key_1",
            feed_xid=0,
            feed_id=new_uuid(),
            failing_since=None if minutes is None else now() - timedelta(minutes=minutes),
        )
    readings = fresh.readings()
    await readings.run_once()
    assert readings.told()["webhook_endpoints"] == {
        ("enabled",): 2,
        ("failing",): 1,
        ("given_up",): 2,
        ("disabled",): 1,
    }


async def test_differences_of_two_ledgers_do_not_cancel_each_other_out(fresh: Fresh) -> None:
    for sign in ("debits", "credits"):
        ledger_id = await make_ledger(fresh.database)
        await Ground(fresh.database, ledger_id).open(2, floor=None)
        fresh.clock += 400.0
        readings = fresh.readings()
        await readings.run_once()
        before = readings.told()["trial_balance_difference"]
        await fresh.superuser.execute(
            f"update accounts set posted_{sign} = posted_{sign} + 3 where id = (select min(id::text)::uuid"
            " from accounts where ledger_id = $1)",
            ledger_id,
        )
        fresh.clock += 400.0
        await readings.run_once()
        assert readings.told()["trial_balance_difference"]["USD",] == before["USD",] + 3
    assert before == {("USD",): 3}


async def test_one_worker_reads_at_a_time_and_who_lost_the_lead_tells_nothing(fresh: Fresh) -> None:
    readings = fresh.readings()
    assert await readings.run_once() > 0
    assert readings.told()
    fresh.clock = 1000.0
    async with fresh.database.work() as connection:
        await lock_until_commit(connection, LEAD)
        assert await readings.run_once() == 0
    assert readings.told() == {}
    assert await readings.run_once() == 5


async def test_what_cannot_be_read_is_gone_and_counted_and_hinders_nothing_else(fresh: Fresh) -> None:
    readings = fresh.readings()
    await readings.run_once()
    assert "reviews_waiting" in readings.told()
    before = readings.told()["reading_timestamp_seconds"]
    await fresh.superuser.execute("alter table reviews rename to reviews_away")
    fresh.clock = 1000.0
    assert await readings.run_once() == 5
    told = readings.told()
    assert "reviews_waiting" not in told
    assert told["postgres_connections_max"][()] > 0
    assert readings.failures.read() == {("waiting",): 1}
    succeeded = told["reading_timestamp_seconds"]
    assert succeeded["waiting",] == before["waiting",] < succeeded["postgres",], "how old it is stays told"
    await fresh.superuser.execute("alter table reviews_away rename to reviews")
    fresh.clock = 2000.0
    await readings.run_once()
    assert "reviews_waiting" in readings.told()


async def test_what_has_never_been_read_is_told_to_be_old(fresh: Fresh) -> None:
    await fresh.superuser.execute("alter table reviews rename to reviews_away")
    readings = fresh.readings()
    await readings.run_once()
    assert readings.told()["reading_timestamp_seconds"]["waiting",] == 0


async def test_while_the_database_is_away_no_old_number_looks_new(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = fresh.readings()
    await readings.run_once()
    before = readings.told()["reading_timestamp_seconds"]
    monkeypatch.setattr(readings, "_database", Database(make_engine("postgresql://nobody@127.0.0.1:1/none", 1)))
    with pytest.raises(DomainError):
        await readings.run_once()
    assert readings.told() == {"reading_timestamp_seconds": before}


async def test_a_transaction_that_holds_up_the_feed_is_told(fresh: Fresh) -> None:
    readings = fresh.readings()
    other = await asyncpg.connect(fresh.of.superuser_dsn)
    async with other.transaction():
        oldest = int(await other.fetchval("select pg_current_xact_id()::text"))
        await make_ledger(fresh.database)  # Something has happened behind it.
        async with asyncio.timeout(20):
            while readings._horizon != oldest:  # Others of this server may have older ones open for a moment.
                fresh.clock += 16.0
                await readings.run_once()
        fresh.clock += 60.0
        await readings.run_once()
        assert readings.told()["events_lag_seconds"][()] == 60.0
    await other.close()
