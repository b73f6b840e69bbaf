"""Endpoints that fail are left alone, told of and disabled; what fell due meanwhile is kept, and sent when asked."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.api.conftest import Client
from tests.api.event_schemas import unlike_the_schemas
from tests.api.reading import refused
from tests.conftest import TestDatabase
from tests.webhooks.conftest import Clock, Dispatching, deliveries_of, endpoint_of, until
from tests.webhooks.receiver import OK, answer, receiving
from zerosum.db.engine import Database
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.webhooks import BREAKER_FAILURES, PAUSE_MAX
from zerosum.services.background.delivery_purge import DeliveryPurge
from zerosum.services.proofs.whole_ledger import verify_ledger


async def endpoint_now(client: Client, endpoint: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/webhook-endpoints/{endpoint['id']}")).json()
    return found


async def act(client: Client, endpoint: dict[str, Any], verb: str, body: Any = None) -> dict[str, Any]:
    answered = await client.post(f"/v1/webhook-endpoints/{endpoint['id']}/{verb}", body)
    assert answered.status_code in (200, 202), answered.text
    done: dict[str, Any] = answered.json()
    return done


async def told(client: Client, type_: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/v1/events", params={"type": type_})).json()["data"]
    return found


async def test_one_that_only_fails_is_left_alone_and_judged_by_one_attempt(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    mood = {"answer": answer(500)}
    async with receiving(answer=lambda _: mood["answer"]) as receiver, dispatching(clock=clock):
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        for _ in range(BREAKER_FAILURES):
            await client.deposit("alice", "1.00")
        await receiver.has(BREAKER_FAILURES)
        paused = await until(lambda: endpoint_now(client, endpoint), lambda now: now["paused_until"] is not None)
        assert datetime.fromisoformat(paused["paused_until"]) - clock() <= timedelta(seconds=5)
        for _ in range(10):
            await client.deposit("alice", "1.00")
        await asyncio.sleep(0.5)
        is_over = clock() >= datetime.fromisoformat(paused["paused_until"])  # on a machine that is starved
        assert len(receiver.received) == BREAKER_FAILURES or is_over
        began = clock()
        clock.forward(timedelta(seconds=7))
        longer = await until(
            lambda: endpoint_now(client, endpoint), lambda now: now["paused_until"] > paused["paused_until"]
        )
        assert len(receiver.received) >= BREAKER_FAILURES + 1
        told_until = datetime.fromisoformat(longer["paused_until"])
        assert told_until - clock() <= timedelta(seconds=10)
        assert told_until - began > timedelta(seconds=8)
        await asyncio.sleep(0.5)
        assert len(receiver.received) == BREAKER_FAILURES + 1 or clock() >= told_until
        mood["answer"] = OK
        clock.forward(PAUSE_MAX)
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), lambda found: len(found) == 15)
        healthy = await endpoint_now(client, endpoint)
    assert (healthy["paused_until"], healthy["failing_since"], healthy["status"]) == (None, None, "enabled")


async def test_one_that_is_gone_is_disabled_at_once_and_the_feed_tells_it(
    client: Client, dispatching: Dispatching, database: Database
) -> None:
    await client.open_account("alice")
    async with receiving(answer=lambda _: answer(410)) as receiver, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        gone = await until(lambda: endpoint_now(client, endpoint), lambda now: now["status"] == "disabled")
        await client.deposit("alice", "1.00")
        await asyncio.sleep(0.5)
    assert gone["disabled_reason"] == "gone"
    assert len(receiver.received) == 1
    (event,) = await until(lambda: told(client, "webhook_endpoint.disabled"), bool)
    assert unlike_the_schemas([event]) == {}
    assert event["resource"] == {"type": "webhook_endpoint", "id": endpoint["id"]}
    assert event["data"]["disabled_reason"] == "gone"
    assert "secret" not in event["data"]
    (parked,) = await until(lambda: deliveries_of(client, endpoint, status="parked"), bool)
    assert parked["last_status_code"] == 410
    await books_are_right(client, database)


async def test_one_that_fails_for_days_is_told_of_after_one_and_disabled_after_five(
    client: Client, dispatching: Dispatching, clock: Clock
) -> None:
    await client.open_account("alice")
    async with (
        receiving(answer=lambda _: answer(503)) as receiver,
        receiving() as watching,
        dispatching(clock=clock),
    ):
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await endpoint_of(client, watching.url, event_types=["webhook_endpoint.*"])
        for day in range(5):
            before = len(receiver.received)
            await client.deposit("alice", "1.00")
            clock.forward(PAUSE_MAX + timedelta(minutes=1))
            await receiver.has(before + 1)
            await until(lambda: endpoint_now(client, endpoint), lambda now: now["failing_since"] is not None)
            if day == 1:
                await until(lambda: told(client, "webhook_endpoint.failing"), bool)
            clock.forward(timedelta(hours=25))
        off = await until(lambda: endpoint_now(client, endpoint), lambda now: now["status"] == "disabled")
        await watching.has(2)
    assert off["disabled_reason"] == "only_failures"
    assert len(await until(lambda: told(client, "webhook_endpoint.failing"), bool)) == 1
    assert sorted(one.event["type"] for one in watching.received) == [
        "webhook_endpoint.disabled",
        "webhook_endpoint.failing",
    ]


async def test_what_fell_due_while_it_was_disabled_is_parked_and_sent_when_it_is_asked_for(
    client: Client, dispatching: Dispatching
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        disabled = await act(client, endpoint, "disable")
        assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "by_request")
        missed = [(await client.deposit("alice", "1.00"))["id"] for _ in range(3)]
        await asyncio.sleep(0.5)
        assert receiver.received == []
        enabled = await act(client, endpoint, "enable")
        assert (enabled["status"], enabled["disabled_reason"], enabled["disabled_at"]) == ("enabled", None, None)
        after = (await client.deposit("alice", "1.00"))["id"]
        await receiver.has(1)
        parked = await until(
            lambda: deliveries_of(client, endpoint, status="parked"), lambda found: len(found) == len(missed)
        )
        assert {one["resource"]["id"] for one in parked} == set(missed)
        assert [one.event["resource"]["id"] for one in receiver.received] == [after]
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), bool)
        since = disabled["disabled_at"]
        replayed = await act(client, endpoint, "replay", {"since": since, "only_undelivered": True})
        assert replayed == {"replayed": 3, "next_since": None}
        await receiver.has(4)
        assert {one.event["resource"]["id"] for one in receiver.received[1:]} == set(missed)
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), lambda found: len(found) == 4)
        await act(client, endpoint, "replay", {"since": since})
        await receiver.has(8)
    assert len(set(receiver.ids)) == 4


async def test_one_event_is_sent_again_also_what_was_before_the_endpoint(
    client: Client, dispatching: Dispatching
) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "1.00")
    (old,) = await until(lambda: told(client, "payment.succeeded"), bool)
    async with receiving() as receiver, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["hold.*"])
        again = await act(client, endpoint, f"deliveries/{old['id']}/replay")
        assert (again["event_id"], again["status"], again["attempts"]) == (old["id"], "pending", 0)
        (first,) = await receiver.has(1)
        assert first.event == old
        await until(lambda: deliveries_of(client, endpoint, status="delivered"), bool)
        await act(client, endpoint, f"deliveries/{old['id']}/replay")
        await receiver.has(2)
    assert receiver.ids == [old["id"], old["id"]]
    path = f"/v1/webhook-endpoints/{endpoint['id']}/deliveries/evt_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1/replay"
    refused(await client.post(path), 404, "webhook_delivery_not_found")


async def test_a_ping_goes_to_one_endpoint_and_is_in_no_feed(client: Client, dispatching: Dispatching) -> None:
    async with receiving() as receiver, receiving() as other, dispatching():
        endpoint = await endpoint_of(client, receiver.url, event_types=["hold.*"])
        await endpoint_of(client, other.url)
        event_id = (await act(client, endpoint, "ping"))["event_id"]
        (received,) = await receiver.has(1)
        assert Webhook(endpoint["secret"]).verify(received.body, received.headers)["id"] == event_id
        assert received.event["type"] == "webhook_endpoint.ping"
        assert unlike_the_schemas([received.event]) == {}
        assert received.event["resource"] == {"type": "webhook_endpoint", "id": endpoint["id"]}
        (delivery,) = await until(lambda: deliveries_of(client, endpoint, status="delivered"), bool)
        assert delivery["resource"] == {"type": "webhook_endpoint", "id": endpoint["id"]}
    assert await told(client, "webhook_endpoint.ping") == []
    assert other.received == []
    await act(client, endpoint, "disable")
    refused(await client.post(f"/v1/webhook-endpoints/{endpoint['id']}/ping"), 409, "invalid_state")


async def test_what_is_old_is_taken_away_and_of_a_deleted_endpoint_everything(
    client: Client, dispatching: Dispatching, database: Database, clock: Clock, test_database: TestDatabase
) -> None:
    await client.open_account("alice")
    async with receiving() as receiver, dispatching(clock=clock):
        kept = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        deleted = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        for endpoint in (kept, deleted):
            await until(partial(deliveries_of, client, endpoint, status="delivered"), bool)
        answered = await client.http.delete(f"/v1/webhook-endpoints/{deleted['id']}")
        assert answered.json() == {"id": deleted["id"], "deleted": True}
        await client.deposit("alice", "1.00")
        await until(lambda: deliveries_of(client, kept, status="delivered"), lambda found: len(found) == 2)
        await asyncio.sleep(0.5)
        assert len(receiver.received) == 3
        refused(await client.get(f"/v1/webhook-endpoints/{deleted['id']}"), 404, "webhook_endpoint_not_found")
        assert await DeliveryPurge(database, clock, 30).run_once() >= 1
        assert len(await deliveries_of(client, kept)) == 2
        clock.forward(timedelta(days=31))
        assert await DeliveryPurge(database, clock, 30).run_once() >= 2
        assert await deliveries_of(client, kept) == []


@pytest.mark.parametrize("verb", ["enable", "disable"])
async def test_a_state_is_set_once(client: Client, verb: str) -> None:
    async with receiving() as receiver:
        endpoint = await endpoint_of(client, receiver.url)
        first = await act(client, endpoint, verb)
        assert await act(client, endpoint, verb) == first


async def books_are_right(client: Client, database: Database) -> None:
    report = await verify_ledger(database, parse_id(Prefix.LEDGER, client.ledger), lambda *_: None)
    assert report.breaks == []
