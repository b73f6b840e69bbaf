"""What a unit of work does when PostgreSQL is away, slow, or comes back."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TypeAlias

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import TestDatabase
from zerosum.db.engine import Connection, Database, make_engine, renew_plans
from zerosum.db.errors import CommitRefused
from zerosum.db.queries.pages import plan_once
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_a_pooled_connection_that_died_is_replaced_unseen(
    test_database: TestDatabase, superuser: Superuser, ledger_id: LedgerId
) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    async with database.work(ledger_id) as connection:
        pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    await superuser.execute("select pg_terminate_backend($1, 5000)", pid)
    async with database.work(ledger_id) as connection:
        assert (await connection.execute(text("select count(*) from ledgers"))).scalar_one() == 1
    await database.close()


async def test_a_connection_lost_in_the_middle_means_unavailable(
    test_database: TestDatabase, superuser: Superuser, ledger_id: LedgerId
) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1))

    async def lose_it_halfway() -> None:
        async with database.work(ledger_id) as connection:
            pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
            await superuser.execute("select pg_terminate_backend($1, 5000)", pid)
            await connection.execute(text("select 1"))

    with pytest.raises(Unavailable):
        await lose_it_halfway()
    await database.close()


async def test_an_unreachable_database_means_unavailable(ledger_id: LedgerId) -> None:
    database = Database(make_engine("postgresql://nobody@127.0.0.1:1/none", pool_size=1))
    with pytest.raises(Unavailable):
        async with database.work(ledger_id):
            pass
    await database.close()


@pytest.mark.parametrize("reading", ["work", "snapshot"])
async def test_a_server_that_takes_the_connection_and_says_nothing_means_unavailable(
    ledger_id: LedgerId, reading: str
) -> None:
    """The time for connecting ends by a cancellation, which must not be taken for what has failed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(make_engine(f"postgresql://nobody@127.0.0.1:{port}/none?connect_timeout=1", pool_size=1))
        with pytest.raises(Unavailable):
            async with getattr(database, reading)(ledger_id):
                pass
        await database.close()


async def test_an_empty_pool_means_unavailable(test_database: TestDatabase, ledger_id: LedgerId) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    async with database.work(ledger_id):
        with pytest.raises(Unavailable):
            async with database.work(ledger_id):
                pass
    await database.close()


async def test_a_statement_that_takes_too_long_means_unavailable(
    test_database: TestDatabase, ledger_id: LedgerId
) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1, statement_timeout="50ms"))
    with pytest.raises(Unavailable):
        async with database.work(ledger_id) as connection:
            await connection.execute(text("select pg_sleep(5)"))
    await database.close()


async def test_plans_are_thrown_away_when_there_is_twice_as_much(test_database: TestDatabase) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    async with database.work() as connection:
        await plan_once(connection)
        await renew_plans(connection, 100)
        await connection.execute(text("prepare one as select from accounts where ledger_id = $1 and id = $2"))

        async def plan(size: int) -> str:
            await renew_plans(connection, size)
            asked = text(f"explain execute one('{NOBODY}', '{NOBODY}')")
            return "\n".join((await connection.execute(asked)).scalars())

        await set_scans(connection, "off")
        assert "Seq Scan" in await plan(100)
        await set_scans(connection, "on")
        assert "Seq Scan" in await plan(199)
        await connection.execute(text("set local enable_seqscan = off"))
        assert "Seq Scan" in await plan(199)
        assert "Seq Scan" not in await plan(200)
    await database.close()


NOBODY = "00000000-0000-0000-0000-000000000000"


async def set_scans(connection: Connection, state: str) -> None:
    """Those by an index."""
    for kind in ("indexscan", "indexonlyscan", "bitmapscan"):
        await connection.execute(text(f"set local enable_{kind} = {state}"))


async def test_a_commit_that_was_answered_with_a_rollback_is_no_acknowledgement(
    test_database: TestDatabase, ledger_id: LedgerId
) -> None:
    """Somebody took no notice of a statement that failed: PostgreSQL says so in the tag of the COMMIT alone."""
    database = Database(make_engine(test_database.service_dsn, pool_size=1))

    async def overlook_a_failure() -> None:
        async with database.work(ledger_id) as connection:
            with suppress(DBAPIError):
                await connection.execute(text("select 1 / 0"))

    with pytest.raises(CommitRefused):
        await overlook_a_failure()
    async with database.work(ledger_id) as connection:
        assert (await connection.execute(text("select count(*) from ledgers"))).scalar_one() == 1
    await database.close()
