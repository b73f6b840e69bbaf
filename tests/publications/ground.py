"""A publisher for the ledger of a test, and what its broker should have got."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx

from tests.api.conftest import Client
from tests.publications.brokers import Broker, Received
from zerosum.adapters.clock import now
from zerosum.api.schemas.events import event_body
from zerosum.cli.publish_targets import PublishWords, make_orders
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.publications.positions import PublicationPositions
from zerosum.services.publications.publisher import Destination, PublicationOrder, Publisher
from zerosum.services.spans import NO_SPANS, Spans

TYPES = "payment.*,account.*"
LEASE_SECONDS = 2.0
_holders = count(1)


def publisher(
    database: Database,
    ledger_id: LedgerId,
    broker: Broker,
    destination: Destination | None = None,
    *,
    lease_seconds: float = LEASE_SECONDS,
    spans: Spans = NO_SPANS,
    **words: Any,
) -> Publisher:
    order = _order(broker, **words)
    return Publisher(
        order.publication,
        PublicationPositions(database, ledger_id, lease_seconds=lease_seconds),
        database,
        destination or order.make(),
        event_body,
        now,
        holder=f"test-{next(_holders)}",
        begins_latest=order.begins_latest,
        spans=spans,
    )


def destination_of(broker: Broker) -> Destination:
    return _order(broker).make()


def _order(broker: Broker, **words: Any) -> PublicationOrder:
    given = {"name": "test", "topic": f"{broker.prefix}.{{resource}}", "types": TYPES} | words
    (order,) = make_orders([broker.url], PublishWords(**given))
    return order


@asynccontextmanager
async def running(made: Publisher) -> AsyncIterator[Publisher]:
    """In the background until the test is done with it."""
    stop = asyncio.Event()
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await task


async def feed(client: Client | httpx.AsyncClient) -> list[dict[str, Any]]:
    """What should be published, as the feed has it, once all of it can be read."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = await client.get("/v1/events", params={"limit": "100", "type": TYPES, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["data"]
        if not page["has_more"]:
            return found
        after = {"after": page["next_after"]}


async def arrived(client: Client | httpx.AsyncClient, broker: Broker, paid: int, seconds: float = 40) -> list[Received]:
    """All that has come, once every event of so many payments has, and of whatever else happened."""
    async with asyncio.timeout(seconds):
        events = await feed(client)
        while sum(event["type"] == "payment.succeeded" for event in events) < paid:
            await asyncio.sleep(0.1)
            events = await feed(client)
        found: list[Received] = []
        while len(different(found)) < len(events):
            await asyncio.sleep(0.1)
            found = await broker.received()
    check_first_ones(events, found)
    return found


def different(found: Sequence[Received]) -> set[str]:
    return {json.loads(one.body)["id"] for one in found}


def check_first_ones(events: Sequence[dict[str, Any]], found: Sequence[Received]) -> None:
    """Each event has come; those of one topic and key first came in the order of the feed; each is as it is there."""
    by_id = {event["id"]: event for event in events}
    places = {id_: place for place, id_ in enumerate(by_id)}
    first: dict[tuple[str, str], list[int]] = defaultdict(list)
    seen = set()
    for one in found:
        body = json.loads(one.body)
        assert body == by_id[body["id"]]
        assert one.attributes["id"] == body["id"]
        if body["id"] not in seen:
            seen.add(body["id"])
            first[one.topic, one.key].append(places[body["id"]])
    assert seen == by_id.keys(), "every committed event arrives"
    for numbers in first.values():
        assert numbers == sorted(numbers), "the order of each key is kept"


async def payments(client: Client, accounts: Sequence[str], number: int) -> None:
    for place in range(number):
        await client.deposit(accounts[place % len(accounts)], "1.00")
