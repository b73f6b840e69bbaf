"""A broker that goes away while messages are under way: whoever is told to stop ends, who is not goes on later."""

from __future__ import annotations

import asyncio

from tests.api.conftest import Client
from tests.ingest.brokers import KafkaBroker, KafkaMock
from tests.ingest.ground import consumer, deposit, running, until
from tests.ingest.test_every_input import posted
from zerosum.main import Service

ENDED_SECONDS_MAX = 60.0
BACK_SECONDS_MAX = 120.0
MESSAGES = 40


async def test_a_consumer_of_kafka_ends_while_its_broker_is_away(
    service: Service, client: Client, kafka_mock: KafkaMock
) -> None:
    await client.open_account("shop")
    broker = KafkaBroker(kafka_mock.servers, kafka_mock)
    await broker.make()
    await broker.send([deposit("shop", key=f"ending-{number}") for number in range(MESSAGES)])
    made, _ = consumer(service, client, broker.input(), batch_max=1)

    async def some_posted() -> bool:
        return float(await posted(client, "shop")) > 4

    task = asyncio.create_task(made.run())
    try:
        await until(some_posted)
        kafka_mock.set_up(False)
        made.stop()
        async with asyncio.timeout(ENDED_SECONDS_MAX):
            await task
    finally:
        kafka_mock.set_up(True)
        task.cancel()
        await broker.close()


async def test_a_consumer_of_kafka_goes_on_when_its_broker_is_back(
    service: Service, client: Client, kafka_mock: KafkaMock
) -> None:
    await client.open_account("shop")
    broker = KafkaBroker(kafka_mock.servers, kafka_mock)
    await broker.make()
    await broker.send([deposit("shop", key=f"before-{number}") for number in range(MESSAGES)])
    made, tally = consumer(service, client, broker.input(), batch_max=10)

    async def all_posted() -> bool:
        return float(await posted(client, "shop")) == MESSAGES

    async with running(made):
        await until(all_posted)
        kafka_mock.set_up(False)
        await until(lambda: tally.pauses, BACK_SECONDS_MAX)
        kafka_mock.set_up(True)
        await broker.connect()
        await broker.send([deposit("shop", key=f"after-{number}") for number in range(MESSAGES)])

        async def all_posted_again() -> bool:
            return float(await posted(client, "shop")) == 2 * MESSAGES

        await until(all_posted_again, BACK_SECONDS_MAX)
    await broker.close()
