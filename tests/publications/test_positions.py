"""Where a publication is, who may move it, and what an operator does to it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.publications.brokers import RedisEvents
from tests.publications.ground import arrived, different, feed, payments, publisher, running
from zerosum.adapters.clock import now
from zerosum.api.schemas.publications import publication_body
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import LedgerRecord, insert_ledger
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.publications import PublicationUnfit
from zerosum.services.event_feed import LATEST
from zerosum.services.publications.positions import START, PublicationPositions


@pytest.fixture
async def paid(client: Client) -> list[dict[str, Any]]:
    """Five payments, as the feed has them."""
    account = (await client.open_account())["id"]
    await payments(client, [account], 5)
    return await settled(client, 5)


async def settled(client: Client, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while True:
            found = [event for event in await feed(client) if event["type"] == "payment.succeeded"]
            if len(found) == number:
                return found
            await asyncio.sleep(0.05)


async def published(database: Database, ledger_id: LedgerId, client: Client, broker: RedisEvents, number: int) -> Any:
    made = publisher(database, ledger_id, broker)
    async with running(made):
        await arrived(client, broker, number)
        async with asyncio.timeout(10):
            while made.lag_seconds != 0:
                await asyncio.sleep(0.02)
    return await broker.received()


async def test_operators_see_how_far_it_is_and_what_stands_in_the_way(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents, paid: list[dict[str, Any]]
) -> None:
    await published(database, ledger_id, client, redis_events, 5)
    positions = PublicationPositions(database, ledger_id)

    async def shown() -> dict[str, Any]:
        (state,) = await positions.list()
        return publication_body(state, now())

    told = await shown()
    assert told.pop("moved_at")
    assert told == {
        "name": "test",
        "ledger": client.ledger,
        "target": f"redis://{redis_events.tap.address}/0",
        "topic": f"{redis_events.prefix}.{{resource}}",
        "key": "account",
        "types": ["account.*", "payment.*"],
        "after": (await feed(client))[-1]["id"],
        "published": len(await feed(client)),
        "lag_seconds": 0.0,
        "obstacle": None,
        "publisher": None,
    }
    await redis_events.client.delete(f"{redis_events.prefix}.payment")
    await redis_events.client.set(f"{redis_events.prefix}.payment", "no stream")
    await payments(client, [paid[0]["data"]["to"]], 3)
    made = publisher(database, ledger_id, redis_events)
    async with running(made):
        async with asyncio.timeout(20):
            while made.tally.failures < 3:
                await asyncio.sleep(0.02)
        told = await shown()
        assert told["published"] == len(await feed(client)) - 3
        assert "WRONGTYPE" in told["obstacle"]
        assert told["lag_seconds"] > 0
        assert told["publisher"] is not None
        await redis_events.client.delete(f"{redis_events.prefix}.payment")
        async with asyncio.timeout(20):
            while (told := await shown())["lag_seconds"] or told["obstacle"]:
                await asyncio.sleep(0.02)
    found = [one for one in await redis_events.received() if one.topic.endswith(".payment")]
    assert different(found) == {event["id"] for event in (await settled(client, 8))[5:]}, (
        "what was refused, in its place"
    )


async def test_a_rewind_publishes_again_under_the_same_ids_even_while_it_is_published(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents, paid: list[dict[str, Any]]
) -> None:
    before = await published(database, ledger_id, client, redis_events, 5)
    positions = PublicationPositions(database, ledger_id)
    made = publisher(database, ledger_id, redis_events)
    async with running(made):
        await positions.rewind("test", parse_id(Prefix.EVENT, paid[1]["id"]), may_skip=False)
        async with asyncio.timeout(20):
            while len(await redis_events.received()) < len(before) + 3:
                await asyncio.sleep(0.05)
        found = await arrived(client, redis_events, 5)
        ids = [json.loads(one.body)["id"] for one in found if one.attributes["type"] == "payment.succeeded"]
        assert ids == [event["id"] for event in [*paid, *paid[2:]]]
        await positions.rewind("test", START, may_skip=False)
        async with asyncio.timeout(20):
            while len(await redis_events.received()) < 2 * len(before) + 3:
                await asyncio.sleep(0.05)


async def test_events_are_left_out_only_where_that_is_said(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents, paid: list[dict[str, Any]]
) -> None:
    await published(database, ledger_id, client, redis_events, 5)
    await payments(client, [paid[0]["data"]["to"]], 2)
    new = await settled(client, 7)
    positions = PublicationPositions(database, ledger_id)
    with pytest.raises(PublicationUnfit, match="--skip"):
        await positions.rewind("test", LATEST, may_skip=False)
    await positions.rewind("test", parse_id(Prefix.EVENT, new[5]["id"]), may_skip=True)
    made = publisher(database, ledger_id, redis_events)
    async with running(made), asyncio.timeout(20):
        while not made.tally.published:
            await asyncio.sleep(0.02)
    assert new[6]["id"] in different(await redis_events.received())
    assert new[5]["id"] not in different(await redis_events.received())
    for name, event in (("test", new_uuid()), ("other", START)):
        with pytest.raises(PublicationUnfit, match=r"no such event|no publication other"):
            await positions.rewind(name, event, may_skip=True)


async def test_what_publishes_something_else_under_a_known_name_is_refused_until_that_is_said(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents, paid: list[dict[str, Any]]
) -> None:
    await published(database, ledger_id, client, redis_events, len(paid))
    changed = publisher(database, ledger_id, redis_events, topic=f"{redis_events.prefix}.account")
    with pytest.raises(PublicationUnfit, match="zerosum publications change"):
        await changed.run(asyncio.Event())
    before = publisher(database, ledger_id, redis_events)
    stop = asyncio.Event()
    task = asyncio.create_task(before.run(stop))
    async with asyncio.timeout(10):
        while before.lag_seconds is None:
            await asyncio.sleep(0.02)
    await PublicationPositions(database, ledger_id).change(changed.publication)
    with pytest.raises(PublicationUnfit):
        await asyncio.wait_for(task, 10)
    await payments(client, [paid[0]["data"]["to"]], 1)
    async with running(changed):
        found = await arrived(client, redis_events, 6)
    assert len(found) == len(different(found)), "it has gone on from where it was"
    assert (await PublicationPositions(database, ledger_id).drop("test")) == 1
    with pytest.raises(PublicationUnfit, match="no publication"):
        await PublicationPositions(database, ledger_id).drop("test")


async def test_one_that_begins_at_the_latest_leaves_out_what_was_and_nothing_of_a_new_ledger(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents, paid: list[dict[str, Any]]
) -> None:
    positions = PublicationPositions(database)
    publication = publisher(database, ledger_id, redis_events, name=f"latest-{redis_events.prefix}").publication
    await positions.begin(publication, [ledger_id], is_latest=True)
    (held,) = await positions.take(publication, [ledger_id], "somebody")
    assert held.position.id == parse_id(Prefix.EVENT, (await feed(client))[-1]["id"])
    young = new_uuid()
    async with database.work(young) as connection:
        await insert_ledger(connection, LedgerRecord(id=young, name="young", created_at=now()))
    await positions.begin(publication, [ledger_id, young], is_latest=True)
    (held,) = await positions.take(publication, [young], "somebody")
    assert held.position.id.int == 0
    assert await positions.take(publication, [ledger_id, young], "another") == [], "they are held"
    await positions.release(publication.name, [held], "somebody")
    assert [one.epoch for one in await positions.take(publication, [ledger_id, young], "another")] == [held.epoch + 1]
