"""Requests begin by turns with all else: however many have come, whoever commits and answers is not kept waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.gateway.express_ground import Served, request, serving
from zerosum.gateway.server import turns as turns_module
from zerosum.gateway.server.takes_turns import TakesTurns
from zerosum.gateway.server.turns import Turns


class Slow:
    """Each of its pieces takes a millisecond to begin."""

    def __init__(self, caller: str = "somebody") -> None:
        self.caller = caller
        self.received: list[bytes] = []
        self.waited = 0

    def receive(self, data: bytes) -> None:
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        self.received.append(data)

    def wait_for_turn(self) -> None:
        self.waited += 1


class Noting(Slow):
    def __init__(self, caller: str, order: list[str]) -> None:
        super().__init__(caller)
        self._order = order

    def receive(self, data: bytes) -> None:
        self._order.append(f"{self.caller} {data.decode()}")


class Taking(TakesTurns):
    """A connection of which nothing is read but what is taken."""

    address = "sender"

    def __init__(self, turns: Turns) -> None:
        self.transport: Any = SimpleNamespace(is_closing=lambda: False)
        self.flow: Any = SimpleNamespace(pause_reading=lambda: None, resume_reading=lambda: None)
        self.turns = turns
        self.taken: list[bytes] = []

    @property
    def since(self) -> float:
        return self._since

    def _take(self, data: bytes) -> None:
        self.taken.append(data)


async def test_what_comes_at_once_is_begun_in_order_with_others_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "BEGINNING_SECONDS", 0.005)
    turns, receiver, rounds = Turns(), Slow(), 0
    for number in range(100):
        data = b"%d" % number
        if turns.has_come(receiver, data):
            receiver.receive(data)
    assert 1 <= len(receiver.received) <= 6
    assert receiver.waited == len(turns) == 100 - len(receiver.received)
    while len(receiver.received) < 100:
        await asyncio.sleep(0)
        rounds += 1
    assert receiver.received == [b"%d" % number for number in range(100)]
    assert rounds >= 90 / 6, "so often everybody else had a turn"


async def test_callers_are_served_by_turns_and_a_connection_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "BEGINNING_SECONDS", 0.0)
    turns, order = Turns(), list[str]()
    greedy, modest = Noting("greedy", order), Noting("modest", order)
    assert turns.has_come(greedy, b"0")
    for number in range(1, 50):
        assert not turns.has_come(greedy, b"%d" % number)
    for number in range(2):
        assert not turns.has_come(modest, b"%d" % number)
    while len(turns):
        await asyncio.sleep(0)
    assert order[:4] == ["greedy 1", "modest 0", "greedy 2", "modest 1"]
    assert [line for line in order if line.startswith("greedy")] == [f"greedy {number}" for number in range(1, 50)]


async def test_a_connection_that_asks_as_somebody_else_does_not_overtake_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns_module, "BEGINNING_SECONDS", 0.0)
    turns = Turns()

    class Changing(Taking):
        """A proxy's: each request is somebody else's."""

        def _asks_as(self) -> Hashable:
            return "fresh" if self.taken else "greedy"

    others, changing = Noting("greedy", []), Changing(turns)
    taken = changing.taken
    assert turns.has_come(others, b"")
    changing.data_received(b"0")
    for _ in range(5):
        turns.has_come(others, b"")
    changing.data_received(b"1")
    while not taken:
        await asyncio.sleep(0)
    changing.data_received(b"2")
    while len(turns):
        await asyncio.sleep(0)
    assert taken == [b"0", b"1", b"2"]


async def test_how_long_a_piece_waits_for_its_turn_is_not_counted_against_its_peer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that comes in many pieces has its time to arrive, however much else there is to do."""
    monkeypatch.setattr(turns_module, "BEGINNING_SECONDS", 0.0)
    turns = Turns()
    sender = Taking(turns)
    assert turns.has_come(Slow(), b"")
    for number in range(50):
        turns.has_come(Slow(f"somebody {number}"), b"")
    began = time.monotonic()
    sender.data_received(b"a")
    sender.data_received(b"b")
    while len(turns):
        await asyncio.sleep(0)
    assert sender.taken == [b"a", b"b"]
    assert 0.04 < sender.since < time.monotonic() - began + 0.1


async def test_one_by_one_each_has_its_turn_at_once() -> None:
    turns, receiver = Turns(), Slow()
    for _ in range(20):
        assert turns.has_come(receiver, b"")
        await asyncio.sleep(0)
    assert len(turns) == receiver.waited == 0


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly everything has to wait for its turn."""
    monkeypatch.setattr(turns_module, "BEGINNING_SECONDS", 0.0)


@pytest.mark.usefixtures("hurried")
async def test_whoever_waits_is_answered_in_the_end_each_connection_in_its_order() -> None:
    async with serving() as express:

        async def ask(name: int) -> list[str]:
            async with express.connected() as wire:
                return [await wire.ask(request(f"k{name}-{number}")) for number in range(5)]

        for answers in await asyncio.gather(*(ask(name) for name in range(40))):
            assert [answer.split("\r\n")[0] for answer in answers] == ["HTTP/1.1 201 Created"] * 5
        assert len(express.ground.calls) == 200
        by_connection: dict[str, list[str]] = {}
        for call in express.ground.calls:
            by_connection.setdefault(str(call.idempotency_key).split("-")[0], []).append(str(call.idempotency_key))
        assert all(keys == sorted(keys) and len(keys) == 5 for keys in by_connection.values())


@pytest.mark.usefixtures("hurried")
async def test_requests_in_many_pieces_keep_their_bytes_in_order() -> None:
    async with serving() as express:

        async def trickle(name: int) -> str:
            text = request(f"k{name}", f'{{"a":"{"x" * 20_000}","n":"{name}"}}')
            async with express.connected() as wire:
                for start in range(0, len(text), 700):
                    wire.write(text[start : start + 700])
                    await asyncio.sleep(0)
                return await wire.reply()

        for name, answer in enumerate(await asyncio.gather(*(trickle(name) for name in range(20)))):
            assert f'"n":"{name}"' in answer


@pytest.mark.usefixtures("hurried")
async def test_whoever_leaves_while_he_waits_disturbs_nobody() -> None:
    async with serving() as express:
        for _ in range(10):
            async with express.connected() as gone, express.connected() as wire:
                gone.write(request("gone"))
                answer = asyncio.ensure_future(wire.ask(request("stays")))
                gone.close()
                assert (await answer).startswith("HTTP/1.1 201")
        await _all_gone(express)


async def _all_gone(served: Served) -> None:
    for _ in range(200):
        if not len(served.server.register):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("connections are left")
