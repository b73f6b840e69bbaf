"""Brokers that a campaign may break, each the test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ingest.broker_servers import BrokerServer, nats, rabbitmq, rabbitmq_program, served, valkey
from tests.ingest.kafka_server import kafka, missing

MORTAL = ("redis", "nats", "rabbitmq", "kafka")
_STARTS: dict[str, Callable[[Path], BrokerServer]] = {
    "redis": valkey,
    "nats": nats,
    "rabbitmq": rabbitmq,
    "kafka": kafka,
}


@contextmanager
def mortal(name: str) -> Iterator[BrokerServer]:
    """On a disk, as those have it who lose nothing."""
    if name == "rabbitmq" and rabbitmq_program() is None:
        pytest.skip("RabbitMQ is not here: apt-get install rabbitmq-server")
    obstacle = missing() if name == "kafka" else None
    if obstacle is not None:
        pytest.skip(f"no real Kafka: {obstacle}")
    folder = Path(tempfile.mkdtemp(prefix="zerosum-broker-"))
    try:
        with served(_STARTS[name](folder)) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
