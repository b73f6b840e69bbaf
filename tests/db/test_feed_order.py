"""The feed of a database that was restored into a server with younger transaction numbers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.cli.command import zerosum
from tests.conftest import Servers
from tests.db.rows import insert_plain_row
from tests.db.servers import connected, migrated_database
from zerosum.adapters.clock import now
from zerosum.db.engine import Database, make_engine
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.events import (
    BEGINNING,
    EventFilter,
    FeedPosition,
    NewEvent,
    RecordedEvent,
    events_behind,
    insert_events,
    last_position,
)
from zerosum.db.schema.feed_order import PLACES_LEFT_FREE, put_in_order
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.startup_checks import Unfit, check_fitness, check_migrated
from zerosum.db.schema.tables import metadata
from zerosum.domain.events import EventType, ResourceType

FAR = 5_000_000_000
"""A place that another server had come to: beyond what 32 bits hold."""


@dataclass(frozen=True)
class Restored:
    """A database whose events were written by an older server."""

    superuser: str
    service: str
    ledger_id: object
    last: FeedPosition


@pytest.fixture
async def restored(servers: Servers, worker_id: str) -> AsyncIterator[Restored]:
    name = f"zerosum_restored_{worker_id}"
    async with migrated_database(servers, name) as dsn:
        async with connected(dsn) as connection:
            ledger = await insert_plain_row(connection, metadata.tables["ledgers"])
            event = await insert_plain_row(
                connection, metadata.tables["events"], ledger_id=ledger["ledger_id"], xid=FAR, type="account.opened",
                resource_type="account", data=None,
            )  # fmt: skip
        yield Restored(dsn, servers.dsn(name), ledger["ledger_id"], FeedPosition(FAR, event["id"]))


async def written_behind(restored: Restored) -> list[FeedPosition]:
    """Where an event of now lies, if a reader of before sees it."""
    database = Database(make_engine(restored.service, pool_size=1))
    event = NewEvent(
        ledger_id=restored.ledger_id,  # type: ignore[arg-type]
        id=new_uuid(),
        type=EventType.ACCOUNT_OPENED,
        resource_type=ResourceType.ACCOUNT,
        resource_id=new_uuid(),
        created_at=now(),
    )
    try:
        async with database.work(event.ledger_id) as connection:
            await insert_events(connection, [event])
        everything: list[RecordedEvent] = []
        async with asyncio.timeout(20):
            while event.id not in {one.id for one in everything}:  # what runs on this server is older for a while
                async with database.work(event.ledger_id) as connection:
                    everything, _, _ = await events_behind(connection, event.ledger_id, BEGINNING, EventFilter(), 10)
        async with database.work(event.ledger_id) as connection:
            found, _, _ = await events_behind(connection, event.ledger_id, restored.last, EventFilter(), 10)
            newest = await last_position(connection, event.ledger_id)
        assert everything[-1].position == newest
        return [one.position for one in found if one.id == event.id]
    finally:
        await database.close()


async def test_a_service_does_not_start_where_its_feed_would_lose_its_order(restored: Restored) -> None:
    with pytest.raises(Unfit, match=r"younger transaction numbers.*zerosum migrate"):
        await check_fitness(restored.service)
    for dsn in (restored.service, restored.superuser):
        with pytest.raises(Unfit, match="younger"):
            await check_migrated(dsn, is_writing=True)
        await check_migrated(dsn, is_writing=False)


async def test_migrating_puts_what_happens_next_behind_what_is_there(restored: Restored) -> None:
    done = zerosum("migrate", environment={"ZEROSUM_MIGRATION_DATABASE_URL": restored.superuser})
    assert done.code == 0, done.err
    assert "another server" in done.out + done.err
    await check_fitness(restored.service)
    (place,) = await written_behind(restored)
    assert place.xid > FAR
    assert not await put_in_order(restored.superuser, role=OWNER_ROLE)
    (again,) = await written_behind(restored)
    assert again.xid > place.xid


async def test_after_a_restore_to_a_time_no_place_is_given_that_was_given_before(restored: Restored) -> None:
    """Whoever has read the feed of what was lost would never look there again."""
    zerosum("migrate", environment={"ZEROSUM_MIGRATION_DATABASE_URL": restored.superuser})
    (before,) = await written_behind(restored)
    done = zerosum("migrate", "--restored", environment={"ZEROSUM_MIGRATION_DATABASE_URL": restored.superuser})
    assert (done.code, "everything that can have been told" in done.err) == (0, True), done
    (place,) = await written_behind(restored)
    assert before.xid + PLACES_LEFT_FREE < place.xid < before.xid + 2 * PLACES_LEFT_FREE
    await check_fitness(restored.service)


async def test_the_place_of_an_endpoint_counts_too(restored: Restored) -> None:
    """It may be parked until a place that no event has come to."""
    async with connected(restored.superuser) as connection:
        await insert_plain_row(
            connection, metadata.tables["webhook_endpoints"], ledger_id=restored.ledger_id, parked_xid=2 * FAR,
            feed_xid=1, status="enabled",
        )  # fmt: skip
    assert await put_in_order(restored.superuser, role=OWNER_ROLE)
    (place,) = await written_behind(restored)
    assert place.xid > 2 * FAR


async def test_a_database_of_this_server_is_left_as_it_is(servers: Servers, worker_id: str) -> None:
    name = f"zerosum_restored_{worker_id}"
    async with migrated_database(servers, name) as dsn:
        await check_fitness(servers.dsn(name))
        assert not await put_in_order(dsn, role=OWNER_ROLE)
