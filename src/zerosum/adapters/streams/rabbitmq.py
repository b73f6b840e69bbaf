"""RabbitMQ. One consumer at a time reads a queue: who has the lease and the place, once the broker counts no other.

A lease lapses while a slow machine opens a connection, and two that begin at once would be sent messages by turns,
which nothing puts into their order again. So each takes the place of the queue first: an exclusive queue of a name made
of its own, which is a connection's as long as that lives.

By then the broker has put back, where it was, what a consumer before had and did not acknowledge: so the order is
kept. Of quorum queues the broker would let several consume, whatever they ask for; what is put back there comes behind
what was put back before, so everybody must take all of it at once: all have the same prefetch. A message is named by
its `message_id`; without one it needs an idempotency key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from zerosum.adapters.streams.taking import Lose, Take, text_headers
from zerosum.domain.messages import InputAway, Message, Partition, storable

SECONDS_MAX = 5.0
HEARTBEAT_SECONDS = 5
"""A consumer that was stopped for longer than twice this has lost its messages."""

KNOWN_SECONDS_MAX = 0.2
"""RabbitMQ gives a quorum queue a quarter of a second to answer, and then tells of no message and no consumer."""

ROUND_TRIPS = 5
"""The quickest counts: on a busy machine one by itself may take as long as a queue that does not answer."""

ALONE_SECONDS_MAX = 3.0 * HEARTBEAT_SECONDS
"""So long the broker may take to miss a consumer that has gone."""

LOOK_SECONDS = 0.1

PLACE_PREFIX = "zerosum.reader."
NAME_BYTES_MAX = 255
"""Of a queue's name."""

KEY_HEADER = "zerosum-key"
PUT_BACK_HEADERS = frozenset({"x-delivery-count", "x-acquired-count"})

_log = logging.getLogger(__name__)


class RabbitInput:
    """One queue. It is there already: how long it keeps what, and its dead letters, is up to whoever made it."""

    is_leased = True
    is_read_once = False
    has_positions = True
    lost = 0  # a queue does not tell

    def __init__(self, name: str, url: str, queue: str, bytes_max: int, prefetch: int) -> None:
        self.name = name
        self._place = _place_of(queue)
        self._is_told = False
        self._url = url
        self._queue_name = queue
        self._bytes_max = bytes_max
        self._prefetch = prefetch
        self._partition = Partition(name, queue)
        self._connection: Any = None
        self._channel: Any = None
        self._wire: Any = None
        """The channel below: what the client makes of each message costs as much as carrying it out."""
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._lost: str | None = None

    async def open(self, take: Take, lose: Lose) -> None:  # noqa: ARG002 - nobody but a newer lease takes it
        self._arrived, self._lost = asyncio.Queue(), None
        await take(self._partition)
        self._connection = await connected(self._url)
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await self._take_place()
                self._channel = await self._connection.channel()
                self._channel.close_callbacks.add(self._on_close)
                self._wire = await self._channel.get_underlay_channel()
                await self._wait_until_free(await self._round_trip())
                tag = await self._consume(exclusive=True)
            await self._stay_if_alone(tag)
        except errors() as error:
            raise InputAway(said(error)) from None
        # All that may have taken longer than the lease lasts: whoever has it now finds us here, and goes.
        await take(self._partition)

    async def _take_place(self) -> None:
        """Nobody else has it while this connection lives. Raises InputAway where somebody has."""
        from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource  # noqa: PLC0415 - an extra

        channel = await self._connection.channel()
        try:
            await channel.declare_queue(self._place, exclusive=True)
        except ChannelLockedResource:
            raise InputAway("another consumer still has the queue") from None
        except ChannelAccessRefused:
            if not self._is_told:
                self._is_told = True
                _log.warning(
                    "%s: who begins to read is kept apart by leases alone: we may not configure %s at RabbitMQ",
                    self._partition,
                    self._place,
                )

    async def _round_trip(self) -> float:
        """How long the broker takes for what it knows by itself, the most that we are sent at a time."""
        clock = asyncio.get_running_loop().time
        found: list[float] = []
        for _ in range(ROUND_TRIPS):
            begun = clock()
            await self._channel.set_qos(prefetch_count=min(self._prefetch, 65_535))
            found.append(clock() - begun)
        return min(found)

    async def _consume(self, *, exclusive: bool) -> str:
        return str((await self._wire.basic_consume(self._queue_name, self._take_in, exclusive=exclusive)).consumer_tag)

    async def _take_in(self, message: Any) -> None:
        self._arrived.put_nowait(message)

    async def _wait_until_free(self, round_trip: float) -> None:
        """The broker knows that nobody consumes the queue: of one that does not answer it says so, too.

        Raises InputAway.
        """
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            told = (await self._looked_at()).declaration_result
            if told.consumer_count:
                raise InputAway("another consumer still has the queue")
            if told.message_count or clock() - begun < KNOWN_SECONDS_MAX + round_trip:
                return

    async def _stay_if_alone(self, tag: str) -> None:
        """Somebody may have begun just before us, or have gone so lately that a quorum queue has not missed him yet.

        What we are sent then lies behind what he has. So no more is taken, and what we have is put back after his: it
        goes behind what was put back before. Raises InputAway where there was somebody.
        """
        # None at all: the queue does not answer, for we are one.
        number = await self._consumers(lambda number: number > 0, SECONDS_MAX)
        await self._looked_at()  # What was put back until then has been sent to us now, as far as it may be.
        if number == 1 and not self._is_mixed():
            return
        async with asyncio.timeout(SECONDS_MAX):
            await self._wire.basic_cancel(tag)
            if number == 1:
                await self._put_back()
        with contextlib.suppress(TimeoutError):
            await self._consumers(lambda number: number <= 1, ALONE_SECONDS_MAX)
        raise InputAway("another consumer had the queue until now")

    def _is_mixed(self) -> bool:
        """What was sent before comes behind what was not: he who had it has gone when we were here already."""
        told = self._taken_out()
        for one in told:
            self._arrived.put_nowait(one)
        return told != _in_order(told)

    async def _put_back(self) -> None:
        """First what was sent before: what is put back one by one lies in that order.

        Of that some may still lie in the queue, for which there was no room; it is no more than we are sent at once.
        """
        tag = await self._consume(exclusive=False)
        await self._looked_at()
        await self._wire.basic_cancel(tag)
        for one in _in_order(self._taken_out()):
            await self._wire.basic_nack(one.delivery_tag, requeue=True)

    def _taken_out(self) -> list[Any]:
        return [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]

    async def _consumers(self, is_awaited: Callable[[int], bool], seconds: float) -> int:
        """As soon as there are so many. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                number = int((await self._looked_at()).declaration_result.consumer_count or 0)
                if is_awaited(number):
                    return number
                await asyncio.sleep(LOOK_SECONDS)

    async def _looked_at(self) -> Any:
        """The queue, with how much is in it and how many consume it."""
        return await self._channel.declare_queue(self._queue_name, passive=True)

    async def receive(self, most: int, seconds: float) -> Sequence[Message]:
        found: list[Message] = []
        if self._arrived.empty():
            self._raise_if_lost()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                found.append(self._message(await self._arrived.get()))
        while len(found) < most and not self._arrived.empty():
            found.append(self._message(self._arrived.get_nowait()))
        return found

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """All up to the last one: they are settled in their order."""
        try:
            await self._wire.basic_ack(messages[-1].receipt, multiple=True)
        except errors() as error:
            _log.warning("%s: messages that are settled come again: %s", self._partition, said(error))

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """Only `--replies` tell."""

    async def keep_alive(self) -> None:
        """The connection keeps itself; no more comes than the prefetch lets."""
        self._raise_if_lost()

    async def lag(self) -> float | None:
        self._raise_if_lost()
        try:
            async with asyncio.timeout(SECONDS_MAX):
                queue = await self._looked_at()
        except errors() as error:
            raise InputAway(said(error)) from None
        return float(queue.declaration_result.message_count or 0)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await closed(connection)

    def _on_close(self, _channel: object, error: BaseException | None = None) -> None:
        self._lost = "the broker has closed the channel" if error is None else said(error)

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise InputAway(self._lost)

    def _message(self, found: Any) -> Message:
        body: bytes = found.body
        properties = found.header.properties
        headers = {str(name): value for name, value in (properties.headers or {}).items()}
        key, message_id = headers.get(KEY_HEADER), properties.message_id
        return Message(
            partition=self._partition,
            place=storable(message_id or f"sha256:{sha256(body).hexdigest()}"),
            is_named_for_ever=bool(message_id),
            body=body if len(body) <= self._bytes_max else body[:4096],
            body_bytes=len(body),
            ordering_key=None if key is None else storable(str(key)),
            headers=text_headers(headers),
            receipt=found.delivery_tag,
        )


class RabbitReplies:
    """Answers into one queue, lasting, each confirmed by the broker."""

    def __init__(self, url: str, queue: str) -> None:
        self._url = url
        self._queue_name = queue
        self._connection: Any = None
        self._exchange: Any = None

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        try:
            await self._send(answers)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # The client cancels its own waits when a broker hangs: whether it has come is not known, so it goes again.
            await self.close()
            raise InputAway("the broker hangs") from None
        except errors(InputAway) as error:
            await self.close()
            raise InputAway(said(error)) from None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await closed(connection)

    async def _send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        import aio_pika  # noqa: PLC0415 - an extra

        if self._connection is None:
            self._connection = await connected(self._url)
            channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            self._exchange = channel.default_exchange
        for key, body in answers:
            message = aio_pika.Message(
                body,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                content_type="application/json",
                headers={} if key is None else {KEY_HEADER: key},
            )
            await self._exchange.publish(message, routing_key=self._queue_name, mandatory=True, timeout=SECONDS_MAX)


def _in_order(messages: Sequence[Any]) -> list[Any]:
    return sorted(messages, key=_was_sent_before, reverse=True)


def _was_sent_before(message: Any) -> bool:
    """To another consumer of a quorum queue, which says so: a classic one has put it back where it was."""
    return bool(message.redelivered) and not PUT_BACK_HEADERS.isdisjoint(message.header.properties.headers or {})


def _place_of(queue: str) -> str:
    named = f"{PLACE_PREFIX}{queue}"
    if len(named.encode()) <= NAME_BYTES_MAX:
        return named
    return f"{PLACE_PREFIX}{sha256(queue.encode()).hexdigest()}"


async def connected(url: str) -> Any:
    """Raises InputAway."""
    import aio_pika  # noqa: PLC0415 - an extra

    for noisy in ("aio_pika", "aiormq", "aiormq.connection"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(SECONDS_MAX):
            return await aio_pika.connect(url, heartbeat=HEARTBEAT_SECONDS)
    except errors() as error:
        raise InputAway(said(error)) from None


async def closed(connection: Any) -> None:
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await connection.close()
    except errors() as error:
        _log.info("RabbitMQ was left without a word: %s", said(error))


def errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    from aio_pika.exceptions import AMQPError  # noqa: PLC0415 - an extra

    return (AMQPError, OSError, TimeoutError, RuntimeError, *others)


def said(error: BaseException) -> str:
    return str(error) or type(error).__name__
