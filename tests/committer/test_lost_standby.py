"""PostgreSQL reports a COMMIT whose wait for its standby was cancelled as a success, with a warning that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.committer.ground import Ground, connecting, running_committer
from tests.db.servers import Connection, connected
from tests.edge.database_ground import OwnPostgres
from tests.services.fresh_database import make_ledger
from zerosum.adapters.clock import now
from zerosum.db import engine
from zerosum.db.database_url import DatabaseUrl
from zerosum.db.engine import Database, make_engine
from zerosum.db.errors import Failed
from zerosum.db.schema.startup_checks import told_in_one_line
from zerosum.db.sessions import close_session, open_session
from zerosum.domain.errors import OutcomeUnknown
from zerosum.domain.ledger.outcome import Replayed
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies

WAITS = "select pid from pg_stat_activity where wait_event = 'SyncRep'"
CANCEL = "select pg_cancel_backend($1)"
DEADLINE_SECONDS = 3.0
EFFECTIVE_SECONDS_MAX = 30.0


@pytest.fixture
async def server() -> AsyncIterator[OwnPostgres]:
    own = await asyncio.to_thread(OwnPostgres)
    yield own
    await asyncio.to_thread(own.close)


@asynccontextmanager
async def standby_missing(server: OwnPostgres, admin: Connection) -> AsyncIterator[None]:
    """Each COMMIT waits for a standby that never comes."""
    await admin.execute("alter system set synchronous_standby_names = 'nobody'")
    await admin.execute("select pg_reload_conf()")
    async with connected(server.servers.superuser_dsn) as probe, asyncio.timeout(EFFECTIVE_SECONDS_MAX):
        while not await waits(admin, probe):
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        await admin.execute("alter system reset synchronous_standby_names")
        await admin.execute("select pg_reload_conf()")


async def waits(admin: Connection, probe: Connection) -> bool:
    """Whether a COMMIT does already: it is the checkpointer that lets them, once it has read the setting too."""
    asked = asyncio.ensure_future(probe.execute("select pg_logical_emit_message(true, 'probe', '')"))
    while not asked.done():
        if pid := await admin.fetchval(WAITS):
            await admin.fetchval(CANCEL, pid)
            await asked
            return True
        await asyncio.sleep(0.01)
    return False


async def one_that_waits(admin: Connection) -> int:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (pid := await admin.fetchval(WAITS)) is None:
            await asyncio.sleep(0.01)
    return int(pid)


async def test_no_unit_of_work_is_acknowledged_that_only_the_primary_has(server: OwnPostgres) -> None:
    """Ledgers, API keys, currencies, seals, purges: whatever is written beside the lanes."""
    dsn = await server.migrated("zerosum")
    database = Database(make_engine(dsn, pool_size=1))
    caller = Caller(await make_ledger(database), "key_test")
    currencies = Currencies(database, now)
    async with connected(server.servers.dsn("zerosum", superuser=True)) as admin, standby_missing(server, admin):
        asked = asyncio.ensure_future(currencies.define(caller, "GOLD", 3, "Gold"))
        assert await admin.fetchval(CANCEL, await one_that_waits(admin))
        with pytest.raises(OutcomeUnknown):
            await asked
        assert (await currencies.table(caller)).find("GOLD") is not None, "what only reads waits for no standby"
    await currencies.define(caller, "SILVER", 3, "Silver")
    await database.close()


async def test_nobody_waits_for_a_standby_for_ever(server: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "COMMIT_SECONDS_MAX", 0.3)
    database = Database(make_engine(await server.migrated("zerosum"), pool_size=1))
    caller = Caller(await make_ledger(database), "key_test")
    currencies = Currencies(database, now)
    async with connected(server.servers.dsn("zerosum", superuser=True)) as admin, standby_missing(server, admin):
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(currencies.define(caller, "GOLD", 3, "Gold"), DEADLINE_SECONDS)
        assert await one_that_waits(admin), "its wait was not cancelled, which would have been reported as a success"
    await database.close()


@pytest.mark.parametrize("statement", ["create role one", "begin; create role two; commit"])
async def test_what_a_command_does_is_not_told_as_done_that_only_the_primary_has(
    server: OwnPostgres, statement: str
) -> None:
    """Migrations and provisioning: sessions of their own, also where each statement commits by itself."""
    session = await open_session(DatabaseUrl.parse(server.servers.superuser_dsn), {}, seconds_max=DEADLINE_SECONDS)
    async with connected(server.servers.superuser_dsn) as admin, standby_missing(server, admin):
        asked = asyncio.ensure_future(session.execute(statement))
        assert await admin.fetchval(CANCEL, await one_that_waits(admin))
        with pytest.raises(Failed, match="the wait for the"), told_in_one_line("make a role"):
            await asked
    await session.execute("create role three")
    await close_session(session)


async def test_a_payment_that_only_the_primary_has_is_not_acknowledged(server: OwnPostgres) -> None:
    """It may vanish at a fail-over. Its caller is told that nobody knows, and the key settles it later."""
    dsn = await server.migrated("zerosum")
    database = Database(make_engine(dsn, pool_size=2))
    ground, stats = Ground(database, await make_ledger(database)), CommitterStats()
    source, target = await ground.open(2, floor=None)
    command = ground.transfer(source, target, "3.00")
    async with (
        connected(server.servers.dsn("zerosum", superuser=True)) as admin,
        running_committer(connecting(dsn), deadline_seconds=DEADLINE_SECONDS, stats=stats) as committer,
    ):
        async with standby_missing(server, admin):
            asked = asyncio.ensure_future(committer.carry_out(command))
            assert await admin.fetchval(CANCEL, await one_that_waits(admin))
            with pytest.raises(OutcomeUnknown):
                await asked
        assert isinstance(await committer.carry_out(command), Replayed)
    assert stats.unknown > 0
    assert await ground.posted(target) == 3
    await database.close()
