"""A consumer on the service of the tests, and messages for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from tests.api.conftest import Client
from zerosum.api.messages import MessageDesk
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.ingest.streams.consumer import LEASE_SECONDS, Consumer, ConsumerOptions
from zerosum.ingest.streams.port import Desk, IngestTally, Input
from zerosum.ingest.streams.time_order import TimeOrder
from zerosum.main import Service
from zerosum.services.requests.caller import Caller

_holders = count(1)

REAL_KAFKA = pytest.param("real-kafka", marks=pytest.mark.kafka)
MANY_CONSUMERS = pytest.mark.parametrize(
    "broker",
    ["redis", "nats", "rabbitmq", pytest.param("kafka", marks=pytest.mark.campaign), REAL_KAFKA],
    indirect=True,
)
"""For tests that begin consumer after consumer: the mock of Kafka takes three seconds to let each into its group."""
ONE_BROKER = pytest.mark.parametrize(
    "broker",
    ["nats", *(pytest.param(name, marks=pytest.mark.campaign) for name in ("redis", "rabbitmq", "kafka")), REAL_KAFKA],
    indirect=True,
)
"""For tests of whole processes, which take half a minute each: the others have theirs in the campaign."""
SECONDS_MAX = 30.0


class Told:
    """Answers, as they were sent."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        self.answers += [json.loads(body) for _, body in answers]

    async def close(self) -> None:
        pass

    @property
    def statuses(self) -> list[str]:
        return [answer["status"] for answer in self.answers]


def caller_of(client: Client) -> Caller:
    return Caller(LedgerId(parse_id(Prefix.LEDGER, client.ledger)), "test")


def desk_of(service: Service, client: Client, **options: Any) -> MessageDesk:
    return MessageDesk(service.services, caller_of(client), **options)


def consumer(
    service: Service,
    client: Client,
    source: Input,
    *,
    told: Told | None = None,
    desk: Desk | None = None,
    batch_max: int = 100,
    in_memory_max: int = 1000,
    lease_seconds: float = LEASE_SECONDS,
    order: TimeOrder | None = None,
) -> tuple[Consumer, IngestTally]:
    tally = IngestTally()
    options = ConsumerOptions(
        batch_max=batch_max,
        in_memory_max=in_memory_max,
        holder=f"test-{next(_holders)}",
        lease_seconds=lease_seconds,
    )
    made = Consumer(
        source,
        desk or desk_of(service, client),
        service.services.ingestion,
        caller_of(client),
        options,
        tally,
        told,
        order,
    )
    return made, tally


async def consumed(service: Service, client: Client, source: Input, **options: Any) -> tuple[IngestTally, Told]:
    """To the end of the input."""
    told = Told()
    made, tally = consumer(service, client, source, told=told, **options)
    async with asyncio.timeout(SECONDS_MAX):
        await made.run()
    return tally, told


@asynccontextmanager
async def running(made: Consumer) -> AsyncIterator[Consumer]:
    """In the background until the test is done with it."""
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        made.stop()
        async with asyncio.timeout(SECONDS_MAX):
            await task


async def until(holds: Any, seconds: float = SECONDS_MAX) -> None:
    """Wait for what the condition says, a coroutine function or a plain one."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)


def deposit(to: str, amount: str = "1.00", key: str | None = None, **members: Any) -> dict[str, Any]:
    content = {"command": "payment", "type": "deposit", "amount": amount, "currency": "USD", "to": to, **members}
    return content if key is None else {**content, "idempotency_key": key}


def transfer(from_: str, to: str, amount: str = "1.00", key: str | None = None) -> dict[str, Any]:
    content = {
        "command": "payment", "type": "transfer", "amount": amount, "currency": "USD", "from": from_, "to": to,
    }  # fmt: skip
    return content if key is None else {**content, "idempotency_key": key}


def as_lines(contents: Sequence[Any]) -> bytes:
    return b"".join(
        (content if isinstance(content, bytes) else json.dumps(content).encode()) + b"\n" for content in contents
    )
