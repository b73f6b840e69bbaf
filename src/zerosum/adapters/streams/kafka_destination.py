"""Events to Kafka by an idempotent producer: a batch for each partition, of which one at a time is on its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zerosum.adapters.streams.kafka import SECONDS_MAX, KafkaAddress, errors, said
from zerosum.domain.messages import InputAway
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.domain.traces import traced_headers

BATCH_BYTES_MAX = 524_288
"""Of one partition: half of what a broker takes unless it is told otherwise. A larger event goes alone."""

CLOSE_SECONDS_MAX = 2.0
METADATA_SECONDS_MAX = 5.0
TELL_SECONDS = 30.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    builder: Any
    places: list[int] = field(default_factory=list)
    """Of its messages among all that are sent."""


class KafkaDestination:
    """One cluster. Topics are there already: how many partitions they have is up to whoever made them."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._producer: Any = None
        self._opening = asyncio.Lock()

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        """The client would go on with what comes behind a batch that it has given up, so it never has more than one."""
        try:
            async with self._opening:  # one for all ledgers that are sent at once
                producer = await self._started()
            batches, number = await _batches(producer, messages)
            ends = await asyncio.gather(
                *(_sent(producer, topic, partition, batch) for (topic, partition), batch in batches.items()),
                return_exceptions=True,
            )
        except errors(InputAway) as error:
            return Sent(0, said(error))
        for batch, end in zip(batches.values(), ends, strict=True):
            if isinstance(end, BaseException):
                if not isinstance(end, errors()):
                    raise end
                number = min(number, batch.places[0])
        failures = [end for end in ends if isinstance(end, BaseException)]
        return Sent(number, said(failures[0]) if failures else None)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _ended(producer)

    async def _started(self) -> Any:
        """Raises InputAway and what the client raises."""
        if self._producer is None:
            from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - an extra

            _quieten()
            producer = AIOKafkaProducer(
                **self._address.options(), acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES_MAX
            )
            try:
                async with asyncio.timeout(SECONDS_MAX):
                    await producer.start()
            except BaseException:
                await _ended(producer)
                raise
            self._producer = producer
        return self._producer


async def _ended(producer: Any) -> None:
    """Now: by itself the client waits for what is under way, for ever where the broker does not come back.

    Nothing is left but requests: who waited for them has given up, and they end with their connections.
    """
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await asyncio.gather(producer.stop(), producer.client.close())
    except errors() as error:
        _log.info("Kafka was left without a word: %s", said(error))


class _Seldom(logging.Filter):
    """The client tells every attempt, many in a second. Why it cannot connect stands there and nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        before = self._told_at.get(str(record.msg), -TELL_SECONDS)
        if record.created - before < TELL_SECONDS:
            return False
        self._told_at[str(record.msg)] = record.created
        return True


_seldom = _Seldom()


def _quieten() -> None:
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.cluster", "aiokafka.producer.sender"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if _seldom not in logger.filters:
            logger.addFilter(_seldom)


async def _batches(producer: Any, messages: Sequence[OutgoingMessage]) -> tuple[Mapping[tuple[str, int], _Batch], int]:
    """One for each partition, and how many of the first messages are in them: no further than one is full."""
    batches: dict[tuple[str, int], _Batch] = {}
    partitions: dict[str, list[int]] = {}
    for place, message in enumerate(messages):
        if message.topic not in partitions:
            partitions[message.topic] = await _partitions_of(producer, message.topic)
        key = message.key.encode()
        partition = _partition(key, partitions[message.topic])
        batch = batches.get((message.topic, partition))
        if batch is None:
            batch = batches[message.topic, partition] = _Batch(producer.create_batch())
        if batch.builder.append(key=key, value=message.body, timestamp=None, headers=_headers(message)) is None:
            return batches, place
        batch.places.append(place)
    return batches, len(messages)


async def _partitions_of(producer: Any, topic: str) -> list[int]:
    """Raises InputAway."""
    try:
        async with asyncio.timeout(METADATA_SECONDS_MAX):
            return sorted(await producer.partitions_for(topic))
    except TimeoutError:
        raise InputAway(f"there is no topic {topic}, or nobody leads it") from None


async def _sent(producer: Any, topic: str, partition: int, batch: _Batch) -> None:
    await (await producer.send_batch(batch.builder, topic, partition=partition))


def _partition(key: bytes, partitions: list[int]) -> int:
    """As Kafka's own clients choose it."""
    from aiokafka.partitioner import DefaultPartitioner  # noqa: PLC0415 - an extra

    return int(DefaultPartitioner()(key, partitions, partitions))


def _headers(message: OutgoingMessage) -> list[tuple[str, bytes]]:
    headers = [
        (f"ce_{name}", value.encode()) for name, value in message.attributes.items() if name != "datacontenttype"
    ]
    headers += [(name, value.encode()) for name, value in traced_headers(message.traceparent).items()]
    return [*headers, ("content-type", message.attributes["datacontenttype"].encode())]
