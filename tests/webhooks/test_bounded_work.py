"""A backlog, a lock and a long log cost bounded work, and hold up nobody else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.conftest import TestDatabase
from tests.webhooks.conftest import Clock, Dispatching, deliveries_of, endpoint_of, until
from tests.webhooks.receiver import answer, receiving
from tests.webhooks.test_endpoint_states import act, books_are_right, told
from zerosum.db.engine import Database
from zerosum.db.queries import webhook_deliveries
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.services.background import delivery_purge
from zerosum.services.background.delivery_purge import DeliveryPurge
from zerosum.services.webhooks import dispatcher as dispatching_of_webhooks
from zerosum.services.webhooks import parking


def uuid_of(endpoint: dict[str, Any]) -> UUID:
    return parse_id(Prefix.WEBHOOK_ENDPOINT, endpoint["id"])


async def test_an_endpoint_that_is_locked_keeps_no_result_of_another_from_being_written(
    client: Client, dispatching: Dispatching, test_database: TestDatabase
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(is_running=False) as dispatcher:
        locked, free = [await endpoint_of(client, receiver.url, event_types=["payment.*"]) for _ in range(2)]
        await client.deposit("alice", "1.00")

        while dispatcher._busy.total() < 2:
            await dispatcher.run_turn()
        await receiver.has(2)
        other = await asyncpg.connect(test_database.superuser_dsn)
        try:
            async with other.transaction():
                await other.execute("select from webhook_endpoints where id = $1 for update", uuid_of(locked))

                async def is_written() -> list[dict[str, Any]]:
                    await dispatcher.write()
                    return await deliveries_of(client, free, status="delivered")

                await until(is_written, bool, 5)
                assert await deliveries_of(client, locked, status="delivered") == []
        finally:
            await other.close()

        async def is_written_later() -> list[dict[str, Any]]:
            await dispatcher.run_turn()
            return await deliveries_of(client, locked, status="delivered")

        await until(is_written_later, bool)
    assert len(receiver.received) == 2


async def test_what_few_keep_busy_leaves_some_for_another(
    client: Client, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching_of_webhooks, "CLAIMED_MAX", 4)
    monkeypatch.setattr(dispatching_of_webhooks, "REFILL", 3)
    await client.open_account("alice")
    goes_on = asyncio.Event()
    async with receiving(hostile=lambda _: goes_on.wait()) as hanging, receiving() as healthy, dispatching():
        await endpoint_of(client, hanging.url, event_types=["payment.*"])
        for _ in range(2):
            await client.deposit("alice", "1.00")
        await hanging.has(2)
        await endpoint_of(client, healthy.url, event_types=["account.*"])
        await client.post("/v1/accounts/alice/freeze", {})
        try:
            await healthy.has(1, 5)
        finally:
            goes_on.set()


async def test_a_backlog_is_parked_in_bounded_steps_by_whoever_has_the_time(
    client: Client, dispatching: Dispatching, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "PARKED_AT_ONCE", 1)
    monkeypatch.setattr(parking.park, "__kwdefaults__", {"slices_max": 1})
    await client.open_account("alice")
    async with receiving(answer=lambda _: answer(503)) as receiver, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        for _ in range(4):
            await client.deposit("alice", "1.00")
        await until(lambda: deliveries_of(client, endpoint, code=503), lambda found: len(found) == 4)
    await act(client, endpoint, "disable")
    assert len(await deliveries_of(client, endpoint, status="parked")) == 1
    refused(await client.post(f"/v1/webhook-endpoints/{endpoint['id']}/enable"), 503, "overloaded")
    assert len(await deliveries_of(client, endpoint, status="parked")) == 2
    await DeliveryPurge(database, clock, 30).run_once()
    assert len(await deliveries_of(client, endpoint, status="parked")) == 4
    assert (await act(client, endpoint, "enable"))["status"] == "enabled"


async def test_a_filter_that_few_pass_looks_at_some_deliveries_a_page_and_misses_none(
    client: Client, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_deliveries, "SCANNED_MAX", 2)
    await client.open_account("alice")
    async with receiving() as receiver, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*", "account.*"])
        for step in ("freeze", "unfreeze"):
            await client.post(f"/v1/accounts/alice/{step}", {})
        for _ in range(5):
            await client.deposit("alice", "1.00")
        await until(lambda: deliveries_of(client, endpoint), lambda found: len(found) == 2)
        path, parameters = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries", {"type": "account.frozen"}
        found: list[dict[str, Any]] = []
        pages = 0

        async def all_pages() -> list[dict[str, Any]]:
            nonlocal pages
            found.clear()
            pages, cursor = 0, None
            while pages == 0 or cursor is not None:
                page = (await client.get(path, params={**parameters, **({"cursor": cursor} if cursor else {})})).json()
                found.extend(page["data"])
                pages, cursor = pages + 1, page["next_cursor"]
                assert page["has_more"] is (cursor is not None)
            return found

        await until(all_pages, lambda found: len(found) == 1 and pages >= 4)


async def test_an_endpoint_at_which_the_purge_fails_keeps_no_other_from_it(
    client: Client,
    dispatching: Dispatching,
    database: Database,
    clock: Clock,
    test_database: TestDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_purge, "AT_ONCE", 1)
    await client.open_account("alice")
    async with receiving(answer=lambda _: answer(503)) as receiver, dispatching():
        first, second = [await endpoint_of(client, receiver.url, event_types=["payment.*"]) for _ in range(2)]
        for _ in range(3):
            await client.deposit("alice", "1.00")
        for endpoint in (first, second):
            await until(partial(deliveries_of, client, endpoint, code=503), lambda found: len(found) == 3)
    other = await asyncpg.connect(test_database.superuser_dsn)
    try:
        stuck = "update webhook_deliveries set next_at = null where endpoint_id = any($1)"
        await other.execute(stuck, [uuid_of(first), uuid_of(second)])
        async with other.transaction():
            await other.execute("select from webhook_endpoints where id = $1 for update", uuid_of(first))
            await DeliveryPurge(database, clock, 30).run_once()
        due = "select count(*) from webhook_deliveries where endpoint_id = $1 and next_at is not null"
        assert [await other.fetchval(due, uuid_of(one)) for one in (first, second)] == [0, 3]
    finally:
        await other.close()


async def test_lag_is_the_age_of_what_is_due_the_longest(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(is_running=False, clock=clock) as dispatcher:
        await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await dispatcher.run_turn()
        await client.deposit("alice", "1.00")
        await until(dispatcher.lag, lambda seconds: 0 < seconds < 20)

        async def after_a_turn() -> float:
            await dispatcher.run_turn()
            return await dispatcher.lag()

        await until(after_a_turn, lambda seconds: seconds == 0)
        assert len(receiver.received) == 1


async def test_the_feed_tells_that_a_secret_was_rotated_and_not_which(client: Client, database: Database) -> None:
    async with receiving() as receiver:
        endpoint = await endpoint_of(client, receiver.url)
        rotated = await act(client, endpoint, "rotate-secret", {"overlap_seconds": 60})
        (event,) = await until(lambda: told(client, "webhook_endpoint.secret_rotated"), bool)
        assert event["data"]["id"] == endpoint["id"]
        assert event["data"]["previous_secret_until"] == rotated["previous_secret_until"]
        assert not {"secret", "sealed_secret"} & event["data"].keys()
    await books_are_right(client, database)
