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
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import OutcomeUnknown
from zerosum.domain.ledger.outcome import Replayed
from zerosum.services.committer import CommitterStats

WAITS = "select pid from pg_stat_activity where application_name = 'zerosum lane' and wait_event = 'SyncRep'"
DEADLINE_SECONDS = 3.0


@pytest.fixture
async def server() -> AsyncIterator[OwnPostgres]:
    own = await asyncio.to_thread(OwnPostgres)
    yield own
    await asyncio.to_thread(own.close)


@asynccontextmanager
async def standby_missing(admin: Connection) -> AsyncIterator[None]:
    """Each COMMIT waits for a standby that never comes."""
    await admin.execute("alter system set synchronous_standby_names = 'nobody'")
    await admin.execute("select pg_reload_conf()")
    while not await admin.fetchval("show synchronous_standby_names"):
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        await admin.execute("alter system reset synchronous_standby_names")
        await admin.execute("select pg_reload_conf()")


async def one_that_waits(admin: Connection) -> int:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (pid := await admin.fetchval(WAITS)) is None:
            await asyncio.sleep(0.01)
    return int(pid)


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
        async with standby_missing(admin):
            asked = asyncio.ensure_future(committer.carry_out(command))
            assert await admin.fetchval("select pg_cancel_backend($1)", await one_that_waits(admin))
            with pytest.raises(OutcomeUnknown):
                await asked
        assert isinstance(await committer.carry_out(command), Replayed)
    assert stats.unknown > 0
    assert await ground.posted(target) == 3
    await database.close()
