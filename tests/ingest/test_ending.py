"""Whoever is told to stop ends, also where the broker has gone meanwhile and does not come back."""

from __future__ import annotations

import asyncio

from tests.api.conftest import Client
from tests.ingest.brokers import KafkaBroker, KafkaMock
from tests.ingest.ground import consumer, deposit, until
from tests.ingest.test_every_input import posted
from zerosum.main import Service

ENDED_SECONDS_MAX = 60.0
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
