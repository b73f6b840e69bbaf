"""What the overview is told as it happens: bounded, in time, and to nobody whose session has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.server_sent_events import Reader
from tests.console.conftest import Person, signed_in
from zerosum.api.server_sent_events import message
from zerosum.console import streams
from zerosum.console.headers import POLICY
from zerosum.domain.identifiers import LedgerId
from zerosum.logs.requests import RequestLog
from zerosum.main import Service

EVENT_STREAM = {"accept": "text/event-stream"}


@pytest.fixture(autouse=True)
def quick(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.console.streams, "_look_every_seconds", 0.1)
    monkeypatch.setattr(streams, "CONFIRM_EVERY_SECONDS", 0.2)


@pytest.fixture
async def ann(service: Service, ledger_id: LedgerId, service_port: int) -> AsyncIterator[Person]:
    """Over a connection: an answer that goes on has no end to wait for."""
    person = await signed_in(service, ledger_id)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{service_port}", cookies=dict(person.http.cookies), trust_env=False, verify=False
    ) as http:
        await person.http.aclose()
        yield Person(http, person.ledger)


class Told:
    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._reader = Reader(answer)
        self.is_over = self._reader.is_over

    async def next(self) -> tuple[str, str]:
        """The name of the next event and what it says; ("", "") is a heartbeat, or how soon to come again."""
        fields = await self._reader.next()
        return fields.get("event", ""), fields.get("data", "")

    async def wait_for(self, event: str, text: str = "") -> str:
        while True:
            name, data = await self.next()
            if name == event and text in data:
                return data


@asynccontextmanager
async def follow(person: Person) -> AsyncIterator[Told]:
    address = f"/console/{person.ledger}/overview/stream"
    async with person.http.stream("GET", address, headers=EVENT_STREAM) as answer:
        yield Told(answer)


async def test_a_payment_is_told_of_to_whoever_has_the_page_open(ann: Person, client: Client) -> None:
    await client.open_account("alice")
    async with follow(ann) as told:
        assert told.answer.status_code == 200
        assert told.answer.headers["content-type"].startswith("text/event-stream")
        assert told.answer.headers["content-security-policy"] == POLICY
        assert "The trial balance is zero" in await told.wait_for("live")
        deposit = {"type": "deposit", "amount": "12.34", "currency": "USD", "to": "alice"}
        assert (await client.post("/v1/payments", deposit, key=fresh_key())).status_code == 201
        assert "12.34" in await told.wait_for("live", "12.34")
        times, rates = orjson.loads(await told.wait_for("series"))
        assert len(times) == len(rates)
        assert sum(rates) > 0


async def test_who_signs_out_is_told_nothing_any_more(ann: Person, service: Service) -> None:
    async with follow(ann) as told:
        await told.wait_for("live")
        assert (await ann.act("/console/sign-out")).status_code == 303
        assert await told.is_over()
    async with follow(ann) as told:
        assert (told.answer.status_code, told.answer.headers["location"][:16]) == (303, "/console/sign-in")
    assert service.console.streams.running == 0


async def test_a_person_has_few_at_once_and_a_place_comes_back(ann: Person, service: Service) -> None:
    async with AsyncExitStack() as stack:
        followed = [await stack.enter_async_context(follow(ann)) for _ in range(streams.OF_A_SESSION_MAX)]
        for told in followed:
            await told.wait_for("live")
        async with follow(ann) as told:
            assert await told.next() == ("full", "")
            assert await told.is_over()
    async with asyncio.timeout(20):
        while service.console.streams.running:
            await asyncio.sleep(0.01)
    async with follow(ann) as told:
        await told.wait_for("live")


async def test_it_ends_with_the_process(ann: Person, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with follow(ann) as told:
        await told.wait_for("live")
        monkeypatch.setattr(service.console.streams, "_is_ending", lambda: True)
        assert await told.is_over()


async def test_what_is_counted_is_how_soon_it_begins(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[float] = []
    monkeypatch.setattr(RequestLog, "tell", lambda _, exchange, seconds: counted.append(seconds))
    asked_at = time.perf_counter()
    async with follow(ann) as told:
        begins_within = time.perf_counter() - asked_at
        while time.perf_counter() < asked_at + 2 * begins_within + 0.3:
            await told.next()
    async with asyncio.timeout(20):
        while not counted:
            await asyncio.sleep(0.01)
    assert counted[0] <= begins_within


async def test_many_pages_cost_one_look(ann: Person, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    render = service.console.templates.render

    def counted(name: str, shown: Mapping[str, Any]) -> str:
        written.append(name)
        return render(name, shown)

    monkeypatch.setattr(service.console.templates, "render", counted)
    monkeypatch.setattr(service.console.streams, "_look_every_seconds", 60.0)
    async with AsyncExitStack() as stack:
        followed = [await stack.enter_async_context(follow(ann)) for _ in range(streams.OF_A_SESSION_MAX)]
        texts = {await told.wait_for("live") for told in followed}
    assert len(texts) == written.count("live.html") == 1


async def test_only_who_follows_is_answered_so(ann: Person) -> None:
    assert (await ann.get("/overview/stream")).status_code == 400
    assert (await ann.http.head(f"/console/{ann.ledger}/overview/stream", headers=EVENT_STREAM)).status_code == 200


def test_what_is_told_cannot_end_its_message() -> None:
    assert message("live", "<p>\n\nevent: other\r\n</p>") == (
        b"event: live\ndata: <p>\ndata: \ndata: event: other\ndata: </p>\n\n"
    )


def test_what_only_unicode_takes_for_the_end_of_a_line_is_none() -> None:
    assert message("a", '{"b":"\u2028\x85"}', "evt_1").count(b"\n") == len(("id", "event", "data", ""))
