"""Several inputs in the order of their messages' own times, within a window of waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import Client
from tests.conftest import Servers
from tests.ingest.brokers import RedisBroker
from tests.ingest.ground import Told, consumer, deposit, until
from zerosum.adapters.clock import now
from zerosum.api.message_times import message_moment
from zerosum.domain.messages import Message, Partition
from zerosum.ingest.streams import batches, time_order
from zerosum.ingest.streams.time_order import Line, TimeOrder
from zerosum.main import Service

DAY = "2024-01-02T00:"
MOMENT = partial(message_moment, now=now)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def message(content: Any, headers: dict[str, str] | None = None) -> Message:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Message(
        partition=Partition("x", "y"),
        place="1",
        is_named_for_ever=True,
        body=body,
        body_bytes=len(body),
        headers=headers or {},
    )


def at(moment: float | None) -> Message:
    return message({} if moment is None else {"timestamp": moment})


def ground(*owners: str, window: float = 2.0) -> tuple[TimeOrder, list[Line], Clock]:
    clock = Clock()
    order = TimeOrder(window, MOMENT, clock)
    for owner in owners:
        order.expect(owner)
    return order, [order.line(owner) for owner in owners], clock


def drained(order: TimeOrder, lines: Sequence[Line]) -> Iterator[int]:
    """Whose message goes next, until nobody may."""
    while (free := [place for place, line in enumerate(lines) if order.free(line, 1)]) != []:
        order.take(lines[free[0]], 1)
        yield free[0]


def test_the_earliest_goes_at_once_where_each_has_one() -> None:
    order, lines, _ = ground("a", "b")
    for moment in (1, 3, 5):
        order.put(lines[0], at(moment))
    assert order.free(lines[0], 9) == 0, "b may have an earlier one"
    for moment in (2, 4):
        order.put(lines[1], at(moment))
    assert list(drained(order, lines)) == [0, 1, 0, 1], "what is behind b's last is not known"
    assert order.late == 0


def test_what_has_waited_for_the_window_goes_and_what_comes_behind_it_is_late() -> None:
    order, lines, clock = ground("a", "b")
    order.put(lines[0], at(10))
    clock.now = 1.9
    order.put(lines[1], at(20))
    assert list(drained(order, lines)) == [0]
    clock.now = 3.8
    assert list(drained(order, lines)) == []
    order.put(lines[1], at(30))
    clock.now = 3.9
    assert list(drained(order, lines)) == [1], "only it has waited so long"
    order.put(lines[0], at(5))
    assert (list(drained(order, lines)), order.late) == ([0], 1), "nobody waits for what is late"
    order.put(lines[0], at(21))
    assert (list(drained(order, lines)), order.late) == ([0], 1)
    assert list(drained(order, lines)) == []


def test_nobody_waits_for_an_input_that_has_ended_or_a_line_that_cannot_go_on() -> None:
    order, lines, _ = ground("a", "b", "c")
    order.put(lines[0], at(2))
    order.put(lines[2], at(1))
    order.end("b")
    lines[2].is_aside = True
    assert list(drained(order, lines[:2])) == [0]
    lines[2].is_aside = False
    assert (list(drained(order, lines)), order.late) == ([2], 1)


def test_a_line_keeps_its_order_and_one_at_a_time_has_its_turn() -> None:
    order, lines, _ = ground("a")
    for moment in (5, 3, None, 6):
        order.put(lines[0], at(moment))
    assert order.free(lines[0], 9) == 4
    order.take(lines[0], 4)
    assert order.late == 1


def test_one_message_of_a_clock_that_is_wrong_does_not_end_the_order() -> None:
    """All that came behind it would have been late, and taken as it came."""
    order, lines, _ = ground("a", "b")
    for moment in (1, 9_999_999_999, 4):
        order.put(lines[0], at(moment))
    assert list(drained(order, lines)) == []
    for moment in (2, 3, 5):
        order.put(lines[1], at(moment))
    assert list(drained(order, lines)) == [0, 0, 1, 1, 0]
    assert order.late == 0


async def test_a_turn_ends_only_when_it_is_given_back() -> None:
    order, lines, _ = ground("a", "b")
    order.put(lines[0], at(1))
    order.put(lines[1], at(2))
    assert await order.turn(lines[0])
    order.take(lines[0], 1)
    order.end("a")
    assert order.free(lines[1], 1) == 0
    waiting = asyncio.create_task(order.turn(lines[1]))
    await asyncio.sleep(0)
    order.give_back(lines[0])
    assert await waiting


@given(st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=4))
def test_what_is_all_there_comes_in_the_order_of_time_and_each_line_in_its_own(moments: list[list[int]]) -> None:
    owners = [str(number) for number in range(len(moments))]
    order, lines, _ = ground(*owners)
    for line, said in zip(lines, moments, strict=True):
        for moment in said:
            order.put(line, at(moment))
    for owner in owners:
        order.end(owner)
    left = [list(said) for said in moments]
    taken = [left[place].pop(0) for place in drained(order, lines)]
    assert sorted(taken) == sorted(moment for said in moments for moment in said), "nobody is left behind"
    if all(said == sorted(said) for said in moments):
        assert (taken, order.late) == (sorted(taken), 0)


@pytest.mark.parametrize(
    ("content", "headers", "moment"),
    [
        ({"specversion": "1.0", "time": "1970-01-01T00:01:00Z", "data": {"effective_at": "x"}}, {}, 60.0),
        ({"specversion": "1.0", "data": {"timestamp": 7}}, {}, 7.0),
        ({"effective_at": "1970-01-01T01:01:00+01:00"}, {}, 60.0),
        ({"timestamp": "1700000000000"}, {}, 1_700_000_000.0),
        ({"timestamp": 12.5}, {"ce-specversion": "1.0", "ce-time": "1970-01-01T00:00:01"}, 1.0),
        ({"time": "1970-01-01T00:01:00Z"}, {}, None),
        ({"timestamp": True}, {}, None),
        ({"timestamp": "9" * 400}, {}, None),
        ({"specversion": "1.0", "time": "9000-01-01T00:00:00Z", "data": {"timestamp": 7}}, {}, 7.0),
        ({"timestamp": 9_999_999_999}, {}, None),
        ({"effective_at": "soon"}, {}, None),
        ([1], {}, None),
        (b"{", {}, None),
    ],
)
def test_the_own_time_of_a_message(content: Any, headers: dict[str, str], moment: float | None) -> None:
    assert MOMENT(message(content, headers)) == moment


_names = count(1)


@asynccontextmanager
async def two_streams(
    service: Service, client: Client, servers: Servers, window: float, *, lying: int = 0
) -> AsyncIterator[tuple[list[RedisBroker], Told, TimeOrder]]:
    """Both read in one order until the block ends; so many messages lie there before, in turns."""
    brokers, told = [RedisBroker(servers.redis_url), RedisBroker(servers.redis_url)], Told()
    order = TimeOrder(window, MOMENT)
    made = [consumer(service, client, one.input(f"ordered-{next(_names)}"), told=told, order=order) for one in brokers]
    for place, broker in enumerate(brokers):
        await broker.make()
        await broker.send([said(second) for second in range(place, lying, 2)])
    tasks = [asyncio.create_task(one.run()) for one, _ in made]
    try:
        yield brokers, told, order
    finally:
        for one, _ in made:
            one.stop()
        await asyncio.gather(*tasks)
        for broker in brokers:
            await broker.close()


def said(second: int) -> dict[str, Any]:
    return {
        **deposit("alice", "1.00", f"at {second}".replace(" ", "-")),
        "effective_at": f"{DAY}{second // 60:02}:{second % 60:02}Z",
    }


async def test_payments_of_two_streams_are_posted_in_the_order_of_their_times(
    service: Service, client: Client, servers: Servers
) -> None:
    await client.open_account("alice")
    async with two_streams(service, client, servers, window=30.0) as (brokers, told, order):
        await brokers[0].send([said(second) for second in (1, 4, 5, 8)])
        await brokers[1].send([said(second) for second in (2, 3, 6, 7, 9)])
        await until(lambda: len(told.answers) == 8)
        keys = [answer["idempotency_key"] for answer in told.answers]
        assert keys == [f"at-{second}" for second in range(1, 9)]
        assert order.late == 0
    postings = (await client.get("/v1/accounts/alice/postings", params={"order": "asc"})).json()["data"]
    moments = [one["effective_at"] for one in postings]
    assert moments == sorted(moments)
    assert len(moments) == 8, "the ninth waits for the other stream"


async def test_one_that_is_silent_is_waited_for_no_longer_than_the_window(
    service: Service, client: Client, servers: Servers
) -> None:
    await client.open_account("alice")
    async with two_streams(service, client, servers, window=0.3) as (brokers, told, order):
        await brokers[0].send([said(second) for second in (5, 6)])
        await until(lambda: len(told.answers) == 2)
        await brokers[1].send([said(1)])
        await until(lambda: len(told.answers) == 3)
        assert order.late == 1


async def test_streams_that_take_turns_are_left_off_when_they_are_told_to_stop(
    service: Service, client: Client, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is of one message: leases would lapse while all that is in memory is carried out."""
    monkeypatch.setattr(batches, "ADVANCE_SECONDS", 0.02)
    monkeypatch.setattr(time_order, "TURN_SECONDS", 1.0)  # However slow the machine is.
    await client.open_account("alice")
    async with two_streams(service, client, servers, window=30.0, lying=400) as (_, told, order):
        await until(lambda: len(told.answers) >= 10)
    assert len(told.answers) < 200
    assert order.late == 0


class KeptAlive:
    """An input, and how often it was told that somebody reads it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def keep_alive(self) -> None:
        self.times += 1
        await self._source.keep_alive()


async def test_an_input_whose_memory_is_full_of_what_waits_for_another_keeps_its_place_with_its_broker(
    service: Service, client: Client, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka throws whoever does not poll for five minutes out of the group: an outage of another input lasts longer."""
    monkeypatch.setattr("zerosum.ingest.streams.consumer.KEEP_ALIVE_SECONDS", 0.05)
    broker = RedisBroker(servers.redis_url)
    await broker.make()
    a = (await client.open_account())["code"]
    order = TimeOrder(3600, MOMENT)
    order.expect("an input that is away")
    source: Any = KeptAlive(broker.input())
    made, tally = consumer(service, client, source, in_memory_max=1, order=order)
    task = asyncio.create_task(made.run())
    try:
        await broker.send([deposit(a), deposit(a)])
        await until(lambda: source.times >= 3 or task.done())
        assert (tally.messages, task.done()) == (0, False)
        order.end("an input that is away")
        await until(lambda: tally.done == 2 or task.done())
    finally:
        made.stop()
        await asyncio.wait([task])
        await broker.close()
