"""Every message one to five times, and everybody who has to do with it killed, stopped, hung and joined by others.

Kafka is a real one here, skipped by name where Java and Maven are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.campaigns.installation import Installation, installed
from tests.campaigns.mortal import MORTAL, mortal
from tests.ingest.broker_servers import BrokerServer
from tests.ingest.brokers import Broker, KafkaBroker, NatsBroker, RabbitBroker, RedisBroker
from tests.ingest.storm import weathered

BROKERS: dict[str, Callable[[str], Broker]] = {
    "redis": RedisBroker,
    "nats": NatsBroker,
    "rabbitmq": RabbitBroker,
    "kafka": KafkaBroker,
}
MESSAGES = 5_000


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
async def test_a_hundred_kills_twenty_zombies_and_a_broken_broker_lose_nothing_and_do_nothing_twice(
    installation: Installation, broken: tuple[Broker, BrokerServer]
) -> None:
    broker, server = broken
    await broker.make()
    kills, stops = int(os.environ.get("KILLS", "100")), int(os.environ.get("STOPS", "20"))
    acts = {"kill": kills, "stop": stops, "join": kills // 10, "crash": 3, "freeze": 3}
    try:
        await weathered(installation, broker, MESSAGES, acts, server)
    finally:
        await broker.close()
