"""The service in this process, as the tests of the API have it, and brokers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import client as client
from tests.api.conftest import service as service
from tests.api.conftest import stranger as stranger
from tests.conftest import Servers
from tests.ingest.broker_servers import BrokerServer, nats, rabbitmq, rabbitmq_program, served
from tests.ingest.brokers import (
    Broker,
    KafkaBroker,
    KafkaMock,
    NatsBroker,
    RabbitBroker,
    RedisBroker,
)
from tests.ingest.ground import REAL_KAFKA
from tests.ingest.kafka_server import kafka, missing


@pytest.fixture(scope="session")
def nats_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(nats(Path(tmp_path_factory.mktemp("nats")))) as server:
        yield server.address


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerServer]:
    if rabbitmq_program() is None:
        pytest.skip("RabbitMQ is not here: apt-get install rabbitmq-server")
    with served(rabbitmq(Path(tmp_path_factory.mktemp("rabbitmq")))) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_address(rabbitmq_server: BrokerServer) -> str:
    return rabbitmq_server.address


@pytest.fixture
def kafka_mock() -> Iterator[KafkaMock]:
    mock = KafkaMock()
    yield mock
    mock.close()


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    obstacle = missing()
    if obstacle is not None:
        pytest.skip(f"no real Kafka: {obstacle}")
    with served(kafka(Path(tmp_path_factory.mktemp("kafka")))) as server:
        yield server.address


def _mocked(mock: KafkaMock) -> KafkaBroker:
    return KafkaBroker(mock.servers, mock)


@pytest.fixture(params=["redis", "nats", "rabbitmq", "kafka", REAL_KAFKA])
async def broker(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Broker]:
    """A topic of its own at each of them: what holds of one input holds of all."""
    makers: dict[str, Callable[[], Broker]] = {
        "redis": lambda: RedisBroker(servers.redis_url),
        "rabbitmq": lambda: RabbitBroker(request.getfixturevalue("rabbitmq_address")),
        "kafka": lambda: _mocked(request.getfixturevalue("kafka_mock")),
        "real-kafka": lambda: KafkaBroker(request.getfixturevalue("kafka_servers")),
        "nats": lambda: NatsBroker(request.getfixturevalue("nats_address")),
    }
    made = makers[request.param]()
    await made.make()
    yield made
    await made.close()
