"""The service in this process, and brokers that events are published to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.api.conftest import client as client
from tests.api.conftest import service as service
from tests.conftest import Servers
from tests.ingest.conftest import kafka_mock as kafka_mock
from tests.ingest.conftest import kafka_servers as kafka_servers
from tests.ingest.conftest import nats_address as nats_address
from tests.ingest.conftest import rabbitmq_address as rabbitmq_address
from tests.ingest.conftest import rabbitmq_server as rabbitmq_server
from tests.ingest.ground import REAL_KAFKA
from tests.publications.brokers import Broker, KafkaEvents, NatsEvents, RabbitEvents, RedisEvents


async def made(name: str, request: pytest.FixtureRequest, servers: Servers) -> Broker:
    def mocked() -> Broker:
        mock = request.getfixturevalue("kafka_mock")
        return KafkaEvents(mock.servers, mock)

    makers: dict[str, Callable[[], Broker]] = {
        "redis": lambda: RedisEvents(servers.redis_url),
        "nats": lambda: NatsEvents(request.getfixturevalue("nats_address")),
        "rabbitmq": lambda: RabbitEvents(request.getfixturevalue("rabbitmq_address")),
        "kafka": mocked,
        "real-kafka": lambda: KafkaEvents(request.getfixturevalue("kafka_servers")),
    }
    broker = makers[name]()
    await broker.make()
    return broker


@pytest.fixture(params=["redis", "nats", "rabbitmq", "kafka", REAL_KAFKA])
async def broker(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Broker]:
    """Topics of the test's own at each of them: what holds of one holds of all."""
    found = await made(request.param, request, servers)
    yield found
    await found.close()


@pytest.fixture
async def redis_events(servers: Servers) -> AsyncIterator[RedisEvents]:
    """For what is the same whatever the broker."""
    found = RedisEvents(servers.redis_url)
    await found.make()
    yield found
    await found.close()


@pytest.fixture
async def rabbit_events(request: pytest.FixtureRequest) -> AsyncIterator[RabbitEvents]:
    found = RabbitEvents(request.getfixturevalue("rabbitmq_address"))
    await found.make()
    yield found
    await found.close()
