"""Where RabbitMQ tells of no consumer of a quorum queue, or of two: the order is kept all the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.ingest.broker_servers import BrokerServer, rabbitmq_program
from tests.ingest.brokers import RabbitBroker
from zerosum.adapters.streams.rabbitmq import RabbitInput, connected
from zerosum.domain.messages import InputAway, Partition, Position

HAD = 20
"""By the first consumer, which acknowledges nothing."""

SILENT_MILLISECONDS = 3_000
STARTED_SECONDS_MAX = 60.0
ALL_SECONDS_MAX = 60.0


async def take(_: Partition, made: str | None = None) -> Position:
    return Position()


async def lose(_: Collection[Partition]) -> None:
    pass


def input_of(broker: RabbitBroker) -> RabbitInput:
    return RabbitInput("order", broker.address, broker.queue, 1_000, HAD)


async def consumers(broker: RabbitBroker) -> int:
    connection = await connected(broker.address)
    queue = await (await connection.channel()).declare_queue(broker.queue, passive=True)
    await connection.close()
    return int(queue.declaration_result.consumer_count)


@asynccontextmanager
async def silent(server: BrokerServer, broker: RabbitBroker) -> AsyncIterator[None]:
    """The queue alone, for a while: it says of itself that it has no consumers and no messages."""
    program = rabbitmq_program()
    assert program is not None
    at_rest = (
        f"sys:suspend('%2F_{broker.queue}'), timer:sleep({SILENT_MILLISECONDS}), sys:resume('%2F_{broker.queue}')."
    )
    tool = server.tool([str(Path(program).with_name("rabbitmqctl")), "eval", at_rest])
    try:
        async with asyncio.timeout(STARTED_SECONDS_MAX):
            while await consumers(broker):
                assert tool.poll() is None, "the queue was never silent"
        yield
    finally:
        await asyncio.to_thread(tool.wait, STARTED_SECONDS_MAX)


async def opened(second: RabbitInput) -> None:
    while True:
        try:
            return await second.open(take, lose)
        except InputAway:
            await second.close()
            await asyncio.sleep(0.1)


async def test_what_another_consumer_has_comes_first_also_where_the_broker_tells_of_none(
    rabbitmq_server: BrokerServer,
) -> None:
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    first, second = input_of(broker), input_of(broker)
    await broker.send(list(range(HAD)))
    await first.open(take, lose)
    async with asyncio.timeout(ALL_SECONDS_MAX):
        had = [one for _ in range(HAD) for one in await first.receive(1, ALL_SECONDS_MAX)]
    assert [one.body for one in had] == [b"%d" % number for number in range(HAD)]
    opening = None
    try:
        async with silent(rabbitmq_server, broker):
            opening = asyncio.create_task(opened(second))
        await broker.send(list(range(HAD, HAD + 5)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(opening), 1.0)
        await first.close()
        await asyncio.wait_for(opening, ALL_SECONDS_MAX)
        found = await second.receive(HAD + 5, ALL_SECONDS_MAX)
        assert found[0].body == b"0", "what comes behind it came first"
    finally:
        if opening is not None:
            opening.cancel()
        await second.close()
        await broker.close()


async def test_who_was_let_in_too_early_puts_back_what_lies_behind_what_another_had(
    rabbitmq_server: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the account may not configure the place."""
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    first, second = input_of(broker), input_of(broker)

    async def take_no_place(_: RabbitInput) -> None:
        pass

    monkeypatch.setattr(RabbitInput, "_take_place", take_no_place)
    await broker.send(list(range(HAD + 5)))
    await first.open(take, lose)
    looked = RabbitInput._wait_until_free

    async def let_in(_: RabbitInput, __: float) -> None:
        monkeypatch.setattr(RabbitInput, "_wait_until_free", looked)

    monkeypatch.setattr(RabbitInput, "_wait_until_free", let_in)
    opening = asyncio.create_task(opened(second))
    try:
        async with asyncio.timeout(ALL_SECONDS_MAX):
            while await consumers(broker) < 2:
                assert not opening.done()
                await asyncio.sleep(0.05)
        await first.close()
        await asyncio.wait_for(opening, ALL_SECONDS_MAX)
        found = [one for _ in range(HAD) for one in await second.receive(1, ALL_SECONDS_MAX)]
        assert [one.body for one in found] == [b"%d" % number for number in range(HAD)]
    finally:
        opening.cancel()
        await second.close()
        await broker.close()


async def test_who_comes_in_while_another_goes_unseen_puts_all_back_in_order(
    rabbitmq_server: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slow answer was enough for a queue to be believed that does not answer. Then he who was there goes."""
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    first, second = input_of(broker), input_of(broker)

    async def take_no_place(_: RabbitInput) -> None:
        pass

    monkeypatch.setattr(RabbitInput, "_take_place", take_no_place)
    await broker.send(list(range(HAD + 5)))
    await first.open(take, lose)
    trip = RabbitInput._round_trip

    async def believe(self: RabbitInput) -> float:
        await trip(self)
        return STARTED_SECONDS_MAX

    monkeypatch.setattr(RabbitInput, "_round_trip", believe)
    opening = None
    try:
        async with silent(rabbitmq_server, broker):
            opening = asyncio.create_task(opened(second))
            await asyncio.sleep(1.0)
            leaving = asyncio.create_task(first.close())
            await asyncio.sleep(0.5)
            monkeypatch.setattr(RabbitInput, "_round_trip", trip)
        await asyncio.wait_for(asyncio.gather(leaving, opening), ALL_SECONDS_MAX)
        async with asyncio.timeout(ALL_SECONDS_MAX):
            found = [one for _ in range(HAD) for one in await second.receive(1, ALL_SECONDS_MAX)]
        assert [one.body for one in found] == [b"%d" % number for number in range(HAD)]
    finally:
        if opening is not None:
            opening.cancel()
        await second.close()
        await broker.close()


async def test_one_quick_answer_of_several_tells_how_far_the_broker_is(rabbitmq_server: BrokerServer) -> None:
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    made, slow = input_of(broker), [0.5, 0.0, 0.3, 0.4, 0.5]
    await made.open(take, lose)
    asked = made._channel.set_qos

    async def ask(prefetch_count: int) -> None:
        await asyncio.sleep(slow.pop())
        await asked(prefetch_count=prefetch_count)

    made._channel.set_qos = ask
    try:
        assert await made._round_trip() < 0.3
        assert not slow
    finally:
        await made.close()
        await broker.close()


async def test_of_two_that_begin_at_once_one_is_sent_messages(
    rabbitmq_server: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of the first has lapsed while it opened: sent by turns, messages would lose their order for ever."""
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    first, second = input_of(broker), input_of(broker)
    looked, has_looked, goes_on = RabbitInput._wait_until_free, asyncio.Event(), asyncio.Event()

    async def look_and_wait(self: RabbitInput, round_trip: float) -> None:
        await looked(self, round_trip)
        if self is first:
            has_looked.set()
            await goes_on.wait()

    monkeypatch.setattr(RabbitInput, "_wait_until_free", look_and_wait)
    opening = asyncio.create_task(first.open(take, lose))
    try:
        await asyncio.wait_for(has_looked.wait(), ALL_SECONDS_MAX)
        with pytest.raises(InputAway, match="another consumer"):
            await second.open(take, lose)
        await second.close()
        goes_on.set()
        await asyncio.wait_for(opening, ALL_SECONDS_MAX)
        await broker.send(list(range(HAD)))
        async with asyncio.timeout(ALL_SECONDS_MAX):
            found = [one for _ in range(HAD) for one in await first.receive(1, ALL_SECONDS_MAX)]
        assert [one.body for one in found] == [b"%d" % number for number in range(HAD)]
        await first.close()
        await opened(second)  # Its place is free again.
    finally:
        opening.cancel()
        await second.close()
        await broker.close()


async def test_an_account_that_may_not_take_the_place_reads_all_the_same(
    rabbitmq_server: BrokerServer, caplog: pytest.LogCaptureFixture
) -> None:
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    program = rabbitmq_program()
    assert program is not None
    control = str(Path(program).with_name("rabbitmqctl"))
    for words in (["add_user", "reader", "secret"], ["set_permissions", "reader", "^$", ".*", ".*"]):
        assert await asyncio.to_thread(rabbitmq_server.tool([control, *words]).wait, STARTED_SECONDS_MAX) == 0
    address = f"amqp://reader:secret@{broker.address.rpartition('@')[2].removeprefix('amqp://')}"
    made = RabbitInput("order", address, broker.queue, 1_000, HAD)
    try:
        await made.open(take, lose)
        await broker.send([1])
        async with asyncio.timeout(ALL_SECONDS_MAX):
            assert [one.body for one in await made.receive(1, ALL_SECONDS_MAX)] == [b"1"]
        assert "by leases alone" in caplog.text
    finally:
        await made.close()
        await broker.close()


async def test_the_lease_is_taken_once_more_when_messages_come(rabbitmq_server: BrokerServer) -> None:
    """On a slow machine it has lapsed meanwhile, and somebody else was about to begin, too."""
    broker = RabbitBroker(rabbitmq_server.address)
    await broker.make()
    made, seen = input_of(broker), []

    async def look(_: Partition, __: str | None = None) -> Position:
        seen.append(await consumers(broker))
        return Position()

    try:
        await made.open(look, lose)
        assert seen == [0, 1]
    finally:
        await made.close()
        await broker.close()
