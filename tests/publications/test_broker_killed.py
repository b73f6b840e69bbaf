"""The process of a broker stopped, killed with -9 and started again while events come."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.conftest import Client
from tests.ingest.broker_servers import BrokerServer, nats
from tests.ingest.ground import REAL_KAFKA
from tests.ingest.kafka_server import kafka, missing
from tests.publications.brokers import Broker, KafkaEvents, NatsEvents
from tests.publications.ground import arrived, payments, publisher, running
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.publications.publisher import Publisher


@pytest.fixture(params=["nats", REAL_KAFKA])
async def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[BrokerServer, Broker]]:
    broker: Broker
    if request.param == "nats":
        server = nats(tmp_path)
        broker = NatsEvents(server.address)
    else:
        obstacle = missing()
        if obstacle is not None:
            pytest.skip(f"no real Kafka: {obstacle}")
        server = kafka(tmp_path)
        broker = KafkaEvents(server.address)
    await broker.make()
    yield server, broker
    await broker.close()
    server.end()


async def test_a_broker_that_is_stopped_and_killed_and_comes_back_gets_every_event(
    mortal: tuple[BrokerServer, Broker], database: Database, ledger_id: LedgerId, client: Client
) -> None:
    server, broker = mortal
    accounts = [(await client.open_account())["id"] for _ in range(3)]
    made = publisher(database, ledger_id, broker)
    paid = 0
    async with running(made):
        for act in (signal.SIGSTOP, signal.SIGKILL, signal.SIGKILL):
            await payments(client, accounts, 20)
            server.send_signal(act)
            paid += 20 + await _paid_until_it_fails(client, accounts, made)
            if act == signal.SIGSTOP:
                server.send_signal(signal.SIGCONT)
            else:
                await asyncio.to_thread(server.start_again)
        await arrived(client, broker, paid, 60)


async def _paid_until_it_fails(client: Client, accounts: list[str], made: Publisher) -> int:
    """How many payments were made meanwhile: none waits for the broker."""
    before, number = made.tally.failures, 0
    async with asyncio.timeout(40):
        while made.tally.failures == before:
            await payments(client, accounts, 1)
            number += 1
            await asyncio.sleep(0.05)
    return number
