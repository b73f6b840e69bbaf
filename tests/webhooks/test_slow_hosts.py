"""Names that nobody answers for, and hosts that take their time, keep no other delivery from being sent."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest

from tests.webhooks.receiver import receiving
from zerosum.adapters.address_guard import Address, AddressGuard
from zerosum.adapters.name_resolver import RESOLVERS, Resolver, ResolversBusy
from zerosum.adapters.webhook_client import SendFailed, WebhookClient
from zerosum.db.identifiers import new_uuid
from zerosum.services.webhooks import slots
from zerosum.services.webhooks.slots import SLOW_MAX, Slots


class Names:
    """A name server: those that begin with `slow` are not answered before it is told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.may_answer = threading.Event()

    def __call__(self, host: str) -> Sequence[Address]:
        self.asked[host] += 1
        if host.startswith("slow"):
            self.may_answer.wait(30)
        return [ipaddress.ip_address("127.0.0.1")]


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.may_answer.set()


async def test_a_slow_name_is_asked_for_once_and_keeps_no_other_waiting(names: Names) -> None:
    client = WebhookClient(AddressGuard(allow_private=True), resolve=Resolver(names))
    async with receiving() as receiver:
        urls = [f"http://slow{number}.example:{receiver.port}/" for number in range(20)]
        hanging = [asyncio.create_task(client.post(url, {}, b"")) for url in urls * 5]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        for _ in range(5):
            assert (await client.post(f"http://quick.example:{receiver.port}/", {}, b"")).status == 200
        assert time.monotonic() - began < 2
        assert all(names.asked[f"slow{number}.example"] == 1 for number in range(20))
        for failure in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(failure, SendFailed)
            assert failure.code == "timeout"
    await client.close()


async def test_when_all_ask_for_slow_names_that_is_told_at_once_and_of_no_receiver(names: Names) -> None:
    resolver = Resolver(names)
    client = WebhookClient(AddressGuard(allow_private=True), resolve=resolver)
    hanging = [asyncio.create_task(resolver(f"slow{number}.example")) for number in range(RESOLVERS)]
    await asyncio.sleep(0.05)
    with pytest.raises(ResolversBusy):
        await resolver("quick.example")
    with pytest.raises(SendFailed) as failure:
        await client.post("http://quick.example/", {}, b"")
    assert failure.value.code == "names_busy"
    names.may_answer.set()
    await asyncio.gather(*hanging)
    assert await resolver("quick.example")
    await client.close()


async def test_slow_hosts_together_have_a_part_of_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "SLOW_SECONDS", 0.0)
    found, sending, busy = Slots(), 0, Counter[UUID]()
    may_end = asyncio.Event()
    endpoints = [new_uuid() for _ in range(40)]

    async def send(number: int) -> None:
        nonlocal sending
        async with found.taken(endpoints[number % 40], f"slow{number % 20}"):
            sending += 1
            await may_end.wait()

    for number in range(40):
        async with found.taken(endpoints[number], f"slow{number % 20}"):
            busy[endpoints[number]] = 1
    tasks = [asyncio.create_task(send(number)) for number in range(600)]
    await asyncio.sleep(0.05)
    assert sending == SLOW_MAX
    async with asyncio.timeout(5), found.taken(new_uuid(), "quick"):
        pass
    claimed = found.as_claimed(busy, 200)
    assert {200 - claimed[id_] for id_ in endpoints} == {slots.CLAIMED_OF_SLOW_MAX - 1}
    may_end.set()
    await asyncio.gather(*tasks)
