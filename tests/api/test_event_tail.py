"""The feed as server-sent events: each once and in order, from where a reader was, and over when it must be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.api.conftest import Client, over_socket
from tests.api.reading import refused
from tests.api.server_sent_events import Reader
from tests.api.test_events import Superuser, Watch, read_all
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.limits import streams
from zerosum.main import Service

STREAM = {"accept": "text/event-stream"}


@pytest.fixture(autouse=True)
def quick(service: Service, monkeypatch: pytest.MonkeyPatch, superuser: Superuser) -> None:
    Watch.superuser = superuser
    monkeypatch.setattr(service.services.event_tail, "_heartbeat_seconds", 0.3)


@pytest.fixture
async def caller(service: Service, ledger_id: LedgerId, service_port: int) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        made = await over_socket(stack, service, ledger_id, service_port)
        await made.open_account("alice")
        yield made


class Follower(Reader):
    async def event(self) -> dict[str, Any]:
        """The next that tells something."""
        while "data" not in (fields := await self.next()):
            pass
        event: dict[str, Any] = json.loads(fields["data"])
        assert (fields["id"], fields["event"]) == (event["id"], event["type"])
        return event


@asynccontextmanager
async def following(client: Client, last: str | None = None, **parameters: Any) -> AsyncIterator[Follower]:
    headers = STREAM if last is None else {**STREAM, "last-event-id": last}
    async with client.http.stream("GET", "/v1/events", params=parameters, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Follower(answer)


async def test_events_come_as_they_happen_and_from_where_a_reader_was(caller: Client) -> None:
    async with following(caller, type="payment.*", after="latest") as follower:
        for amount in ("1.00", "2.00"):
            await caller.deposit("alice", amount)
            assert (await follower.event())["data"]["amount"] == amount
    told = await read_all(caller, type="payment.*")
    assert len(told) == 2
    async with following(caller, type="payment.*") as follower:
        assert [await follower.event() for _ in told] == told
    # What a browser had last wins over the address, which it asks for again as it was.
    async with following(caller, last=told[0]["id"], type="payment.*", after="latest") as follower:
        assert await follower.event() == told[1]


async def test_where_nothing_happens_the_place_of_a_reader_moves_all_the_same(caller: Client) -> None:
    await caller.deposit("alice", "1.00")
    last = (await read_all(caller))[-1]["id"]
    async with following(caller, type="hold.*") as follower:
        assert await follower.next() == {"retry": "1000"}
        assert await follower.next() == {"id": last}
        assert await follower.next() == {"id": last}


async def test_a_reader_whose_key_is_revoked_gets_no_more(
    caller: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = (await caller.get("/v1/api-keys", params={"ledger": caller.ledger})).json()["data"]
    async with following(caller, after="latest") as follower:
        await follower.next()
        assert (await caller.http.delete(f"/v1/api-keys/{keys[0]['id']}")).status_code < 300
        assert await follower.is_over()
    assert service.followers.running == 0


async def test_readers_are_let_go_when_the_process_ends(
    caller: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending: list[str] = []
    monkeypatch.setattr(service.services.event_tail, "_is_ending", lambda: bool(ending))
    async with following(caller, type="payment.*", after="latest") as follower:
        await follower.next()
        ending.append("now")
        assert await follower.is_over()


async def test_a_ledger_has_few_at_once_and_one_who_leaves_makes_room(caller: Client, service: Service) -> None:
    async with AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(following(caller)) for _ in range(streams.FOLLOWERS_OF_A_LEDGER_MAX)
        ]
        refused(await caller.get("/v1/events", headers=STREAM), 503, "overloaded")
        assert (await caller.get("/v1/events")).status_code == 200
        assert service.database._engine.pool.checkedout() <= 2  # type: ignore[attr-defined]
    assert len(followers) == streams.FOLLOWERS_OF_A_LEDGER_MAX
    async with asyncio.timeout(20):
        while service.followers.running:
            await asyncio.sleep(0.02)


async def test_what_is_no_reader_is_refused(caller: Client) -> None:
    for parameters, code, pointer in (
        ({"limit": 5}, "invalid_parameter", "limit"),
        ({"wait": 5}, "invalid_parameter", "wait"),
        ({"after": "evt_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1"}, "invalid_parameter", "after"),
        ({"type": "nothing.*"}, "invalid_parameter", "type"),
    ):
        answer = await caller.get("/v1/events", headers=STREAM, params=parameters)
        assert refused(answer, 422, code)["errors"][0]["pointer"] == pointer
    head = await caller.http.head("/v1/events", headers=STREAM)
    assert (head.status_code, head.content) == (200, b"")
    bad = await caller.get("/v1/events", headers={**STREAM, "last-event-id": "evt_x"})
    refused(bad, 422, "invalid_id")
