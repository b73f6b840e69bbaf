"""A broker that refuses an event: it stands in the way and is told, nothing is left out, nothing else repeated."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.conftest import Servers, TestDatabase
from tests.ingest.brokers import KafkaMock
from tests.publications.brokers import KafkaEvents, NatsEvents, RabbitEvents, RedisEvents
from tests.publications.ground import TYPES, arrived, destination_of, different, payments, publisher, running
from zerosum import worker
from zerosum.api.schemas.events import event_body
from zerosum.cli.publish_targets import PublishWords, make_orders
from zerosum.config import load_settings
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.metrics.metrics import Readings
from zerosum.services.event_feed import ToldEvent
from zerosum.services.publications.positions import PublicationPositions
from zerosum.services.publications.publisher import Publisher


async def until_refused(made: Publisher, times: int = 4) -> None:
    async with asyncio.timeout(30):
        while made.tally.failures < times:
            await asyncio.sleep(0.02)


async def test_an_event_that_no_queue_of_rabbitmq_takes_is_not_lost(
    database: Database, ledger_id: LedgerId, client: Client, rabbit_events: RabbitEvents
) -> None:
    account = (await client.open_account())["id"]
    await payments(client, [account], 5)
    await rabbit_events.queue.unbind(rabbit_events.exchange, f"{rabbit_events.prefix}.#")
    await rabbit_events.queue.bind(rabbit_events.exchange, f"{rabbit_events.prefix}.account")
    made = publisher(database, ledger_id, rabbit_events)
    async with running(made):
        await until_refused(made)
        (state,) = await PublicationPositions(database, ledger_id).list()
        assert state.record.obstacle is not None
        assert "NO_ROUTE" in state.record.obstacle
        await rabbit_events.queue.bind(rabbit_events.exchange, f"{rabbit_events.prefix}.#")
        found = await arrived(client, rabbit_events, 5)
    assert len(found) - len(different(found)) <= 1, "what was refused was tried alone"


async def test_a_queue_of_rabbitmq_that_is_full_delays_events_in_their_order(
    database: Database, ledger_id: LedgerId, client: Client, rabbit_events: RabbitEvents
) -> None:
    await rabbit_events.queue.unbind(rabbit_events.exchange, f"{rabbit_events.prefix}.#")
    small = {"x-max-length": 3, "x-overflow": "reject-publish"}
    queue = await rabbit_events.channel.declare_queue(f"{rabbit_events.prefix}small", durable=True, arguments=small)
    await queue.bind(rabbit_events.exchange, f"{rabbit_events.prefix}.#")
    rabbit_events.queue = queue
    accounts = [(await client.open_account())["id"] for _ in range(2)]
    await payments(client, accounts, 20)
    made = publisher(database, ledger_id, rabbit_events)
    async with running(made):
        await until_refused(made, 1)
        await arrived(client, rabbit_events, 20)
    await queue.delete()


async def test_a_stream_of_nats_that_is_full_delays_events_in_their_order(
    database: Database, ledger_id: LedgerId, client: Client, nats_address: str
) -> None:
    from nats.js.api import DiscardPolicy, StreamConfig  # noqa: PLC0415

    broker = NatsEvents(nats_address)
    await broker.make()
    streams = broker.client.jetstream()
    config = StreamConfig(name=broker.prefix, subjects=[f"{broker.prefix}.>"], discard=DiscardPolicy.NEW, max_msgs=4)
    await streams.update_stream(config)
    accounts = [(await client.open_account())["id"] for _ in range(2)]
    await payments(client, accounts, 20)
    made = publisher(database, ledger_id, broker)
    async with running(made):
        await until_refused(made)
        assert (await streams.stream_info(broker.prefix)).state.messages == 4
        config.max_msgs = -1
        await streams.update_stream(config)
        found = await arrived(client, broker, 20)
    assert len(found) == len(different(found))
    await broker.close()


async def test_of_a_partition_of_kafka_one_batch_is_on_its_way_and_no_more_than_it_holds(
    kafka_mock: KafkaMock,
) -> None:
    """By the destination alone: every event of ours is small."""
    broker = KafkaEvents(kafka_mock.servers, kafka_mock)
    await broker.make()
    destination = destination_of(broker)
    attributes = {"id": "evt_1", "datacontenttype": "text/plain"}
    message = OutgoingMessage(
        id="evt_1", topic=f"{broker.prefix}.payment", key="acc_1", body=b"x" * 300_000, attributes=attributes
    )
    assert await destination.send([message, message, message]) == Sent(1)
    assert len(await broker.received()) == 1
    await destination.close()


async def test_a_client_that_cancels_its_own_wait_ends_nobody(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents
) -> None:
    """aio-pika does so when a broker hangs: `except Exception` does not see it."""
    account = (await client.open_account())["id"]
    await payments(client, [account], 3)
    real = destination_of(redis_events)

    class Cancelling:
        times = 0

        async def send(self, messages: list[OutgoingMessage]) -> object:
            self.times += 1
            if self.times < 3:
                await real.send(messages)
                raise asyncio.CancelledError
            return await real.send(messages)

        async def close(self) -> None:
            await real.close()

    made = publisher(database, ledger_id, redis_events, Cancelling())  # type: ignore[arg-type]
    async with running(made):
        async with asyncio.timeout(20):
            while made.tally.failures < 2 or made.lag_seconds != 0:
                await asyncio.sleep(0.02)
        found = await arrived(client, redis_events, 3)
    assert len(found) > len(different(found))
    assert made.tally.failures == 2


async def test_the_worker_publishes_what_its_setting_names(
    test_database: TestDatabase,
    servers: Servers,
    client: Client,
    redis_events: RedisEvents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "METRICS_SECONDS", 0.02)
    account = (await client.open_account())["id"]
    await payments(client, [account], 3)
    settings = load_settings(
        database_url=test_database.service_dsn,
        master_keys=f"test:{base64.b64encode(bytes(32)).decode()}",
        publish_to=f"{redis_events.url}?topic={redis_events.prefix}.{{resource}}&types={TYPES}&ledger={client.ledger}"
        f"&name={redis_events.prefix}",
    )
    told: dict[str, float] = {}

    def tell(readings: Readings) -> None:
        told.update({metric.name: one for metric, one in readings.items() if isinstance(one, float | int)})

    orders = make_orders(settings.publish_to, PublishWords())
    working = asyncio.create_task(worker._work(settings, tell, event_body, orders))
    found = await arrived(client, redis_events, 3)
    async with asyncio.timeout(20):
        while told.get("zerosum_published_events_total") != len(found) or told.get("zerosum_publish_lag_seconds") != 0:
            await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(working, 30) == 0


async def test_an_event_that_cannot_be_read_stands_in_the_way_alone(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents
) -> None:
    account = (await client.open_account())["id"]
    for _ in range(3):
        paid = await client.deposit(account, "1.00")

    def render(told: ToldEvent) -> dict[str, Any]:
        body = event_body(told)
        if body["resource"]["id"] == paid["id"]:
            raise KeyError("what a later version has written")
        return body

    made = publisher(database, ledger_id, redis_events)
    made._render = render
    async with running(made):
        await until_refused(made)
        (state,) = await PublicationPositions(database, ledger_id).list()
        assert "cannot be read" in str(state.record.obstacle)
        made._render = event_body
        found = await arrived(client, redis_events, 3)
    assert len(found) == len(different(found))


async def test_whatever_a_broker_says_can_be_told(
    database: Database, ledger_id: LedgerId, client: Client, redis_events: RedisEvents
) -> None:
    """PostgreSQL takes no zero in a text: telling it would fail, and each turn with it."""
    await client.open_account()

    class Odd:
        async def send(self, messages: list[OutgoingMessage]) -> object:
            return Sent(0, f"no\0room {'x' * 100_000}")

        async def close(self) -> None:
            pass

    made = publisher(database, ledger_id, redis_events, Odd())  # type: ignore[arg-type]
    async with running(made):
        await until_refused(made, 2)
        (state,) = await PublicationPositions(database, ledger_id).list()
    assert str(state.record.obstacle).startswith(r"no\x00room xxx")
    assert len(str(state.record.obstacle)) < 600


async def test_ledgers_that_are_sent_at_once_share_a_connection(nats_address: str) -> None:
    """A broker that refuses an event has it closed every few seconds: what is opened beside it would stay for ever."""
    broker = NatsEvents(nats_address)
    await broker.make()
    destination = destination_of(broker)
    attributes = {"type": "account.opened", "time": "2026-11-21T00:00:00Z", "datacontenttype": "application/json"}
    messages = [
        OutgoingMessage(
            id=f"evt-{number}", topic=f"{broker.prefix}.account", key="k", body=b"{}", attributes=attributes
        )
        for number in range(3)
    ]
    own = broker.tap.connections
    sent = await asyncio.gather(*[destination.send([message]) for message in messages])
    assert [one.number for one in sent] == [1, 1, 1]
    assert broker.tap.connections - own == 1
    await destination.close()
    await broker.close()
