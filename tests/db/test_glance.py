"""What is looked up in one round trip: its statement opens the ledger by itself, and leaves nothing open."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import asyncpg
import pytest
from sqlalchemy import text

from tests.conftest import TestDatabase
from tests.db.rows import insert_plain_row
from zerosum.db.engine import Database, make_engine
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.parties import glance_at_holds
from zerosum.db.schema.tables import accounts, holds
from zerosum.db.sessions import Session
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_it_sees_its_ledger_and_leaves_none_open(
    test_database: TestDatabase, superuser: Superuser, ledger_id: LedgerId
) -> None:
    payer, payee = [await insert_plain_row(superuser, accounts, ledger_id=ledger_id) for _ in range(2)]
    parties = {"payer_id": payer["id"], "payee_id": payee["id"]}
    hold = await insert_plain_row(superuser, holds, ledger_id=ledger_id, **parties)
    elsewhere = await insert_plain_row(superuser, holds, **parties)
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    for _ in range(7):  # as a statement of its own, and by a plan that is kept
        found = await glance_at_holds(database, ledger_id, [hold["id"], elsewhere["id"], new_uuid()])
        assert set(found) == {hold["id"]}
        assert (found[hold["id"]].payer_code, found[hold["id"]].payee_id) == (payer["code"], payee["id"])
    assert await glance_at_holds(database, new_uuid(), [hold["id"]]) == {}
    assert (await database.glance("select current_setting('zerosum.ledgers', true)") or [["?"]])[0][0] in ("", None)
    await database.close()


async def test_a_connection_that_died_is_not_seen(
    test_database: TestDatabase, superuser: Superuser, ledger_id: LedgerId
) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    async with database.work(ledger_id) as connection:
        pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    await superuser.execute("select pg_terminate_backend($1, 5000)", pid)
    assert await glance_at_holds(database, ledger_id, [new_uuid()]) == {}
    assert await database.glance("select 1") == [(1,)]
    await database.close()


async def test_one_that_is_being_ended_just_now_is_not_seen(
    test_database: TestDatabase, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server has said so, and has not hung up yet: asyncpg has no word of its own for that."""
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    sound, seen = Session.fetch, 0

    async def once_ended(self: Session, *args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 1:
            raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")
        return await sound(self, *args, **kwargs)

    monkeypatch.setattr(Session, "fetch", once_ended)
    assert await glance_at_holds(database, ledger_id, [new_uuid()]) == {}
    assert await database.glance("select 1") == [(1,)]
    await database.close()


async def test_waiting_in_vain_means_unavailable(test_database: TestDatabase, ledger_id: LedgerId) -> None:
    database = Database(make_engine(test_database.service_dsn, pool_size=1, statement_timeout="50ms"))
    with pytest.raises(Unavailable):
        await database.glance("select pg_sleep(5)")
    async with database.work(ledger_id):
        glancing = asyncio.create_task(database.glance("select 1"))
        await asyncio.sleep(0)
        assert database.waiting == 1
        with pytest.raises(Unavailable):
            await glancing
    assert database.waiting == 0
    await database.close()
