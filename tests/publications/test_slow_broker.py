"""A broker that takes its time: a lease shorter than a whole batch lets nobody send the same again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.api.conftest import Client
from tests.publications.brokers import RedisEvents
from tests.publications.ground import arrived, destination_of, payments, publisher, running
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.services.publications.publisher import Destination

EVENTS = 120
SECONDS_EACH = 0.03
"""All of them take longer than a lease."""


class Slow:
    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        await asyncio.sleep(SECONDS_EACH * len(messages))
        return await self._destination.send(messages)

    async def close(self) -> None:
        await self._destination.close()


async def test_two_publishers_with_a_short_lease_get_on_at_a_slow_broker(
    redis_events: RedisEvents, database: Database, ledger_id: LedgerId, client: Client
) -> None:
    account = (await client.open_account())["id"]
    await payments(client, [account], EVENTS)
    made = [publisher(database, ledger_id, redis_events, Slow(destination_of(redis_events))) for _ in range(2)]
    async with running(made[0]), running(made[1]):
        await arrived(client, redis_events, EVENTS, 90)
    found = await redis_events.received()
    assert len(found) < 2 * EVENTS
