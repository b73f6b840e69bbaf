"""What is due at once is claimed as it is made: within the room there is, and in the order of its resource."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg

from tests.api.conftest import Client
from tests.webhooks.conftest import endpoint_of, until
from tests.webhooks.test_bounded_work import uuid_of
from tests.webhooks.test_delivery import extended, placed
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.webhook_dispatch import Room, claim
from zerosum.db.queries.webhook_fan_out import fan_out
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.webhooks import BREAKER_FAILURES


async def test_new_deliveries_are_claimed_once_within_the_room_and_the_first_of_a_resource_alone(
    client: Client, database: Database, ledger_id: LedgerId, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "100.00")
    wanted = {"event_types": ["hold.*"]}
    busy, free, failing = [await endpoint_of(client, f"http://127.0.0.1:1/{number}", **wanted) for number in range(3)]
    await superuser.execute("update webhook_endpoints set consecutive_failures = 1 where id = $1", uuid_of(failing))
    await extended(client, await placed(client))
    for _ in range(2):
        await placed(client)
    until_when = now() + timedelta(minutes=1)
    room = Room(busy={uuid_of(busy): 2}, per_endpoint=3, free=9, until=until_when)

    async def told() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = (await client.get("/v1/events", params={"type": "hold.*"})).json()["data"]
        return events

    await until(told, lambda events: len(events) == 4)
    async with database.work(ledger_id) as connection:
        _, claimed = await fan_out(connection, [ledger_id], room, now(), endpoints_max=10, events_max=100)
    assert Counter(one.endpoint_id for one in claimed) == {uuid_of(busy): 1, uuid_of(free): 3}
    assert {one.attempts for one in claimed} == {1}
    of_free = [one for one in claimed if one.endpoint_id == uuid_of(free)]
    assert len({one.resource_id for one in of_free}) == 3
    async with database.work(ledger_id) as connection:
        others = await claim(
            connection,
            [ledger_id],
            Room(busy={}, per_endpoint=9, free=99, until=until_when),
            now(),
            breaker=BREAKER_FAILURES,
        )
    assert Counter(one.endpoint_id for one in others) == {uuid_of(busy): 2, uuid_of(failing): 3}
    taken = [(one.endpoint_id, one.event_id) for one in (*claimed, *others)]
    assert len(set(taken)) == len(taken) == 9
