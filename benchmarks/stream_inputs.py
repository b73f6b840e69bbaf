"""`zerosum ingest` as a customer starts it, at a queue that was filled before: messages posted a second."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ingest.broker_servers import BrokerServer, nats, rabbitmq, rabbitmq_program, served
from tests.ingest.brokers import Broker, KafkaBroker, NatsBroker, RabbitBroker, RedisBroker
from tests.ingest.kafka_server import kafka, missing

from benchmarks.service import Service
from zerosum.embedded.child_processes import dying_with_parent

POLL_SECONDS = 0.2
DRAIN_SECONDS_MAX = 300.0
SENT_AT_ONCE = 500

_POSTED = "select count(*) from payments where type = 'deposit'"


class MessagesAreMissing(Exception):
    """What was sent is not in the books, or not once."""


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """`obstacle` says why there is none here."""

    name: str
    obstacle: str | None
    start: Callable[[Path], BrokerServer] | None
    """None: it runs already."""
    make: Callable[[str], Broker]


def broker_kinds(service: Service) -> list[BrokerKind]:
    rabbitmq_is_missing = None if rabbitmq_program() else "apt-get install rabbitmq-server"
    return [
        BrokerKind("RabbitMQ", rabbitmq_is_missing, rabbitmq, RabbitBroker),
        BrokerKind("Kafka", missing(), kafka, KafkaBroker),
        BrokerKind("NATS", None, nats, NatsBroker),
        BrokerKind("Valkey", None, None, lambda _: RedisBroker(service.redis_url[:-1] + "2")),
    ]


def ingest_rate(service: Service, kind: BrokerKind, folder: Path, codes: list[str], messages: int) -> float:
    """Messages a second, from the first that is posted to the last. Raises MessagesAreMissing."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    with nullcontext() if kind.start is None else served(kind.start(folder)) as server:
        address = "" if server is None else server.address
        return asyncio.run(_rate(service, kind.make(address), folder, codes, messages))


async def _rate(service: Service, broker: Broker, folder: Path, codes: list[str], messages: int) -> float:
    await broker.make()
    before = await asyncio.to_thread(_posted, service)
    contents: list[Any] = [
        {
            "command": "payment",
            "type": "deposit",
            "amount": "1.00",
            "currency": "USD",
            "to": codes[number % len(codes)],
            "idempotency_key": f"{folder.name}-{number}",
        }
        for number in range(messages)
    ]
    for first in range(0, messages, SENT_AT_ONCE):
        part = contents[first : first + SENT_AT_ONCE]
        await broker.send(part, [one["to"] for one in part])
    await asyncio.to_thread(service.settle)
    with _ingest(service, broker.url, folder):
        rate = await asyncio.to_thread(_drained, service, before, messages)
    await broker.close()
    return rate


def _drained(service: Service, before: int, messages: int) -> float:
    """Counting costs a little, which is part of the reading."""
    first: tuple[float, int] | None = None
    deadline = time.perf_counter() + DRAIN_SECONDS_MAX
    while time.perf_counter() < deadline:
        found, at = _posted(service) - before, time.perf_counter()
        if first is None and found:
            first = (at, found)
        if first is not None and found >= messages:
            if found > messages:
                raise MessagesAreMissing(f"{found} payments of {messages} messages")
            return (messages - first[1]) / (at - first[0])
        time.sleep(POLL_SECONDS)
    raise MessagesAreMissing(f"{found} payments of {messages} messages after {DRAIN_SECONDS_MAX:g} s")


def _posted(service: Service) -> int:
    return int(service.sql(_POSTED)[0][0])


@contextmanager
def _ingest(service: Service, address: str, folder: Path) -> Iterator[None]:
    words = [
        sys.executable,
        "-m",
        "zerosum",
        "ingest",
        "--from",
        address,
        "--data-dir",
        str(service.data_dir),
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    with (folder / "ingest.log").open("wb") as log:
        process = subprocess.Popen(
            words,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - we have no threads
        )
    try:
        yield
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
        tally = json.loads(said) if said.strip() else {}
        if tally.get("dead") or tally.get("refused"):
            raise MessagesAreMissing(f"not everything was carried out: {tally}")
