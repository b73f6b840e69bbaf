"""Publishers killed a hundred times, their brokers killed, frozen, cut off and hung: every committed event arrives.

Kafka is a real one here, skipped by name where Java and Maven are not. Its clients go to the address that it names, so
it cannot be cut off by a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.campaigns.installation import Installation, installed
from tests.campaigns.mortal import MORTAL, mortal
from tests.ingest.broker_servers import BrokerServer
from tests.publications.brokers import Broker, KafkaEvents, NatsEvents, RabbitEvents, RedisEvents
from tests.publications.storm import weathered

BROKERS: dict[str, Callable[[str], Broker]] = {
    "redis": RedisEvents,
    "nats": NatsEvents,
    "rabbitmq": RabbitEvents,
    "kafka": KafkaEvents,
}
ARRIVED_SECONDS_MAX = 900.0


@pytest.fixture
def installation() -> Iterator[Installation]:
    with installed("--no-demo") as running:
        yield running


@pytest.fixture(params=MORTAL)
def broken(request: pytest.FixtureRequest) -> Iterator[tuple[Broker, BrokerServer]]:
    with mortal(request.param) as server:
        yield BROKERS[request.param](server.address), server


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
async def test_a_hundred_kills_and_a_broken_broker_lose_no_event(
    installation: Installation, broken: tuple[Broker, BrokerServer]
) -> None:
    broker, server = broken
    await broker.make()
    kills = int(os.environ.get("KILLS", "100"))
    pipes = 0 if isinstance(broker, KafkaEvents) else 5
    acts = {"kill": kills, "stop": kills // 5, "crash": 3, "freeze": 3, "cut": pipes, "hang": pipes}
    try:
        await weathered(installation, broker, acts, server, seconds=ARRIVED_SECONDS_MAX)
    finally:
        await broker.close()
