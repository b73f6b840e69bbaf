"""What holds of every broker: each event arrives, under its own id, in the order of its key, whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime

import pytest

from tests.api.conftest import Client
from tests.publications.brokers import Broker
from tests.publications.ground import arrived, destination_of, different, payments, publisher, running
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.services.publications.publisher import Destination, Publisher

ACCOUNTS = 3


async def accounts_of(client: Client) -> list[str]:
    return [(await client.open_account())["id"] for _ in range(ACCOUNTS)]


class Wrapped:
    """A broker, and something that happens to the publisher while it sends."""

    def __init__(self, real: Destination) -> None:
        self.real = real
        self.sendings = 0

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        self.sendings += 1
        return await self.real.send(messages)

    async def close(self) -> None:
        await self.real.close()


class Killing(BaseException):
    """What nothing catches."""


class Killed(Wrapped):
    """Ends the publisher when the broker has what it should have, before anybody could write that down."""

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        await super().send(messages)
        raise Killing("between sending and moving")


class Sleepy(Wrapped):
    """Sleeps until it is woken, when the broker has it all: a process that was stopped."""

    def __init__(self, real: Destination) -> None:
        super().__init__(real)
        self.sleeps = asyncio.Event()
        self.wakes = asyncio.Event()

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        sent = await super().send(messages)
        self.sleeps.set()
        await self.wakes.wait()
        return sent


async def test_events_arrive_as_the_feed_shows_them_and_not_again(
    broker: Broker, database: Database, ledger_id: LedgerId, client: Client
) -> None:
    accounts = await accounts_of(client)
    await payments(client, accounts, 30)
    async with running(publisher(database, ledger_id, broker)):
        found = await arrived(client, broker, 30)
    assert len(found) == len(different(found))
    paid = next(one for one in found if one.attributes["type"] == "payment.succeeded")
    event = json.loads(paid.body)
    assert paid.topic == f"{broker.prefix}.payment"
    assert paid.key == event["data"]["to"]
    assert paid.id in (None, event["id"])
    datetime.fromisoformat(paid.attributes["time"])
    assert {name: text for name, text in paid.attributes.items() if name not in ("time", "datacontenttype")} == {
        "specversion": "1.0",
        "id": event["id"],
        "source": f"/ledgers/{client.ledger}",
        "type": "payment.succeeded",
        "subject": f"payment/{event['resource']['id']}",
        "partitionkey": event["data"]["to"],
    }
    await payments(client, accounts, 1)
    async with running(publisher(database, ledger_id, broker)):
        assert len(await arrived(client, broker, 31)) == len(found) + 1, "what was published is not again"


async def test_a_broker_that_is_away_costs_lag_and_nothing_else(
    broker: Broker, database: Database, ledger_id: LedgerId, client: Client, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["broker"] == "real-kafka":
        pytest.skip("it is killed and hung by the campaign")
    accounts = await accounts_of(client)
    made = publisher(database, ledger_id, broker)
    further = 0
    async with running(made):
        paying = asyncio.create_task(payments(client, accounts, 120))
        for act in (broker.cut, broker.hang):
            await asyncio.sleep(0.3)
            act()
            seen = made.tally.failures
            async with asyncio.timeout(30):
                while made.tally.failures == seen:
                    await payments(client, accounts, 1)
                    further += 1
                    await asyncio.sleep(0.05)
            assert made.lag_seconds, "it can be seen"
            broker.mend()
        await paying
        await arrived(client, broker, 120 + further)


async def test_a_publisher_killed_before_it_has_written_it_down_sends_the_same_again(
    broker: Broker, database: Database, ledger_id: LedgerId, client: Client
) -> None:
    accounts = await accounts_of(client)
    await payments(client, accounts, 10)
    for _ in range(2):
        killed = Killed(destination_of(broker))
        made = publisher(database, ledger_id, broker, killed, lease_seconds=0.2)
        with pytest.raises(Killing):
            await _until_killed(made)
        await killed.close()
    async with running(publisher(database, ledger_id, broker)):
        found = await arrived(client, broker, 10)
    again = len(found) - len(different(found))
    assert again == 0 if broker.url.startswith("nats") else again > 0, "NATS knows an id again"


async def _until_killed(made: Publisher) -> None:
    async with asyncio.timeout(20):
        while True:
            await made.run_turn()
            await asyncio.sleep(0.02)


async def test_a_zombie_neither_moves_the_position_nor_loses_anything(
    broker: Broker, database: Database, ledger_id: LedgerId, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = await accounts_of(client)
    await payments(client, accounts, 5)
    sleepy = Sleepy(destination_of(broker))
    zombie = publisher(database, ledger_id, broker, sleepy, lease_seconds=0.3)
    # One that lives keeps its lease while it sends; this one's process stands still.
    monkeypatch.setattr(zombie, "_keep_meanwhile", asyncio.Event().wait)
    async with running(zombie):
        await asyncio.wait_for(sleepy.sleeps.wait(), 20)
        await payments(client, accounts, 5)
        async with running(publisher(database, ledger_id, broker, lease_seconds=5.0)):
            await arrived(client, broker, 10)
            await asyncio.sleep(0.2)
            sleepy.wakes.set()
            async with asyncio.timeout(10):
                while not zombie.tally.fenced:
                    await asyncio.sleep(0.02)
            await payments(client, accounts, 5)
            await arrived(client, broker, 15)
            assert zombie.lag_seconds is None, "it holds nothing any more"
