"""Kafka. The group decides who reads which partition; where reading begins is the position in PostgreSQL.

Rebalances run in the background: whoever gives a partition up waits in the listener until its batch is settled, and
fetches outside of that. What was fetched across a rebalance is thrown away and fetched again from the position.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zerosum.adapters.streams.taking import Lose, Losses, Take, text_headers
from zerosum.domain.messages import Gap, InputAway, Message, Partition, storable

SECONDS_MAX = 10.0
TOLD_SECONDS_MAX = 2.0
"""For the group, which is told what is settled; not again for a while where its broker is away."""

SESSION_MILLISECONDS = 10_000
REBALANCE_MILLISECONDS = 30_000

FETCH_MILLISECONDS_MAX = 100
"""For so long the broker keeps a fetch that finds nothing. Whatever else is asked of that broker waits behind it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaAddress:
    """How to reach the brokers. With a user it is SASL, with `is_tls` TLS."""

    servers: str
    user: str | None = None
    password: str | None = None
    mechanism: str = "SCRAM-SHA-512"
    is_tls: bool = False
    ca: str | None = None
    session_milliseconds: int = SESSION_MILLISECONDS

    def options(self) -> dict[str, Any]:
        """For aiokafka. Raises InputAway where the CA cannot be read."""
        found: dict[str, Any] = {"bootstrap_servers": self.servers, "request_timeout_ms": int(SECONDS_MAX * 1000)}
        security = ("SASL_" if self.user else "") + ("SSL" if self.is_tls else "PLAINTEXT")
        found["security_protocol"] = security
        if self.user:
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password or "",
            }
        if self.is_tls:
            try:
                found["ssl_context"] = ssl.create_default_context(cafile=self.ca)
            except OSError as error:
                raise InputAway(f"the CA cannot be read: {error.strerror or error}") from None
        return found


class KafkaInput:
    """One or more topics, as a member of a group."""

    is_leased = is_read_once = False
    has_positions = True

    def __init__(
        self,
        name: str,
        address: KafkaAddress,
        topics: Sequence[str],
        group: str,
        bytes_max: int,
        *,
        accepts_gaps: bool = False,
    ) -> None:
        self.name = name
        self._address = address
        self._topics = tuple(topics)
        self._group = group
        self._bytes_max = bytes_max
        self._losses = Losses(is_accepted=accepts_gaps)
        self._client: Any = None
        self._next: dict[Any, int] = {}
        """Where each assigned partition is to be read from."""
        self._edges: dict[Any, int] = {}
        """Up to there each was read, also over what is no message: marks of transactions, and what was compacted."""
        self._assignments = 0
        self._failure: BaseException | None = None
        self._told_again_at = 0.0
        self._early: list[Message] = []
        """What came while nothing was wanted: of a partition that was assigned meanwhile."""

    @property
    def lost(self) -> int:
        return self._losses.number

    async def open(self, take: Take, lose: Lose) -> None:
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - an extra

        logging.getLogger("aiokafka").setLevel(logging.WARNING)  # It tells every step of every rebalance.
        self._next, self._edges, self._failure, self._early = {}, {}, None, []
        self._client = AIOKafkaConsumer(
            **self._address.options(),
            group_id=self._group,
            enable_auto_commit=False,
            # Until the listener has said where to begin; what comes before that belongs to no partition of ours yet.
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=self._address.session_milliseconds,
            heartbeat_interval_ms=self._address.session_milliseconds // 5,
            rebalance_timeout_ms=REBALANCE_MILLISECONDS,
            fetch_max_wait_ms=FETCH_MILLISECONDS_MAX,
        )
        self._client.subscribe(self._topics, listener=_listener(self, take, lose))
        try:
            await self._client.start()
        except errors() as error:
            raise InputAway(f"{said(error)} (not there, or it refuses the credential: see the log)") from None

    async def receive(self, most: int, seconds: float) -> Sequence[Message]:
        if self._early:
            found, self._early = self._early, []
            return found
        self._resume()
        return await self._fetch(most, int(seconds * 1000))

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """For those who look at the group's lag. The position is in PostgreSQL."""
        last = messages[-1]
        clock = asyncio.get_running_loop().time
        if self._client is None or last.offset is None or clock() < self._told_again_at:
            return
        try:
            async with asyncio.timeout(TOLD_SECONDS_MAX):  # the client would try for as long as the broker is away
                await self._client.commit({_topic_partition(last.partition): last.offset + 1})
        except TimeoutError:
            self._told_again_at = clock() + SECONDS_MAX
            _log.info("%s: the group is not told: its broker is away", last.partition)
        except errors(ValueError) as error:
            _log.info("%s: the group is not told: %s", last.partition, said(error))

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """Only `--replies` tell."""

    async def keep_alive(self) -> None:
        """Whoever does not poll is thrown out of the group: so it polls, with everything paused."""
        self._client.pause(*self._client.assignment())
        self._early += await self._fetch(1, 0)

    async def lag(self) -> float | None:
        """Raises Gap where something was deleted and nothing has come since."""
        wanted = list(self._next)
        if not wanted:
            return None
        try:
            ends = await self._client.end_offsets(wanted)
            await self._check_beginnings(wanted)
            for partition in wanted:
                if partition in self._edges and await self._client.position(partition) >= ends[partition]:
                    self._edges[partition] = max(self._edges[partition], ends[partition])
        except errors() as error:
            raise InputAway(said(error)) from None
        return float(sum(max(0, end - self._next.get(partition, end)) for partition, end in ends.items()))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await client.stop()
            return
        except asyncio.CancelledError as error:
            # The client lets go of a fetch that has just failed as if it were told to end itself.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            _log.info("Kafka was left without a word: %s", said(error))
        except errors() as error:
            _log.info("Kafka was left without a word: %s", said(error))
        with contextlib.suppress(*errors()):
            async with asyncio.timeout(SECONDS_MAX):
                await client._client.close()  # noqa: SLF001 - else it would look for its brokers for ever

    async def assigned(self, partitions: Sequence[Any], take: Take) -> None:
        """Begin each behind what is settled. What goes wrong here the client would swallow: it is raised later."""
        self._assignments += 1
        if self._client is None:
            return  # It is closed meanwhile.
        try:
            # What asks for offsets would wait behind a fetch that waits for messages, once for each question.
            self._client.pause(*partitions)
            # Before the ends are asked for: what another had settled until then cannot lie behind them.
            positions = {partition: await take(self._partition(partition)) for partition in partitions}
            firsts = await self._client.beginning_offsets(partitions)
            ends = await self._client.end_offsets(partitions)
            for partition, position in positions.items():
                beginning = await self._beginning(partition, position.next_offset, firsts[partition], ends[partition])
                self._next[partition] = self._edges[partition] = beginning
                self._client.seek(partition, beginning)
        except BaseException as error:
            self._failure = error
            raise

    async def revoked(self, partitions: Sequence[Any], lose: Lose) -> None:
        self._assignments += 1
        for partition in partitions:
            self._next.pop(partition, None)
            self._edges.pop(partition, None)
        self._early = []
        await lose([self._partition(partition) for partition in partitions])

    async def _beginning(self, partition: Any, settled: int | None, first: int, end: int) -> int:
        """Raises Gap."""
        if settled is None:
            async with asyncio.timeout(SECONDS_MAX):
                committed = await self._client.committed(partition)
            return int(first if committed is None else max(first, min(committed, end)))
        self._check(partition, settled, first, end)
        return int(max(first, min(settled, end)))

    def _check(self, partition: Any, wanted: int, first: int, end: int) -> None:
        """Raises Gap."""
        named = self._partition(partition)
        if wanted < first:
            self._losses.add(named, first - wanted, f"messages {wanted} to {first - 1}")
        if wanted <= end or self._losses.is_accepted:
            return
        raise Gap(
            f"{named}: it ends at {end}, and {wanted} messages were settled: was the topic made anew? Read it under "
            "another name (?name=…)"
        )

    async def _fetch(self, most: int, milliseconds: int) -> list[Message]:
        """Raises InputAway, Gap and whatever else went wrong while a partition was taken."""
        before = self._assignments
        try:
            found = await self._shares(most) or await self._client.getmany(
                timeout_ms=milliseconds, max_records=max(1, most)
            )
        except errors() as error:
            raise InputAway(said(error)) from None
        if self._failure is not None:
            raise self._failure
        if before != self._assignments:
            # Some of it may have been fetched before a partition was given away and taken again.
            for partition in self._client.assignment() & self._next.keys():
                self._client.seek(partition, self._next[partition])
            return []
        ours = {partition: records for partition, records in found.items() if partition in self._next and records}
        jumped = {one: records[0].offset for one, records in ours.items() if records[0].offset > self._edges[one]}
        if jumped:
            try:
                await self._check_beginnings(list(jumped), jumped)
            except errors() as error:
                raise InputAway(said(error)) from None
        messages = []
        for partition, records in ours.items():
            if partition in self._next:  # else it was revoked meanwhile
                self._next[partition] = self._edges[partition] = records[-1].offset + 1
                messages += [self._message(record) for record in records]
        return messages

    async def _shares(self, most: int) -> dict[Any, Any]:
        """What is there of each partition, as much of each: the client hands out all of one before another's.

        They are carried out side by side, which is faster than one after the other.
        """
        found: dict[Any, Any] = {}
        partitions = list(self._next)
        for partition in partitions:
            found |= await self._client.getmany(partition, timeout_ms=0, max_records=max(1, most // len(partitions)))
        return found

    async def _check_beginnings(self, partitions: Sequence[Any], read: Mapping[Any, int] | None = None) -> None:
        """Whether messages were deleted that were not read; `read` are the first that were, after them. Raises Gap."""
        for partition, first in (await self._client.beginning_offsets(partitions)).items():
            edge = self._edges.get(partition)
            if edge is None:
                continue
            until = first if read is None else min(first, read[partition])
            if until > edge:
                self._edges[partition] = until
                self._losses.add(self._partition(partition), until - edge, f"messages {edge} to {until - 1}")

    def _resume(self) -> None:
        paused = self._client.paused()
        if paused:
            self._client.resume(*paused)

    def _partition(self, partition: Any) -> Partition:
        return Partition(self.name, partition.topic, str(partition.partition))

    def _message(self, record: Any) -> Message:
        body = record.value or b""
        return Message(
            partition=Partition(self.name, record.topic, str(record.partition)),
            place=str(record.offset),
            is_named_for_ever=True,
            body=body if len(body) <= self._bytes_max else body[:4096],
            body_bytes=len(body),
            offset=record.offset,
            ordering_key=None if record.key is None else storable(record.key.decode("utf-8", "backslashreplace")),
            headers=text_headers(dict(record.headers or ())),
        )


class KafkaReplies:
    """Answers into one topic, under the key of their message, by an idempotent producer."""

    def __init__(self, address: KafkaAddress, topic: str) -> None:
        self._address = address
        self._topic = topic
        self._producer: Any = None

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - an extra

        try:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._address.options(), acks="all", enable_idempotence=True)
                await producer.start()
                self._producer = producer
            sent = [
                await self._producer.send(self._topic, body, key=None if key is None else key.encode())
                for key, body in answers
            ]
            for one in sent:
                await one
        except errors() as error:
            await self.close()
            raise InputAway(said(error)) from None

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await producer.stop()
            except errors() as error:
                _log.info("Kafka was left without a word: %s", said(error))


def _listener(source: KafkaInput, take: Take, lose: Lose) -> Any:
    from aiokafka.abc import ConsumerRebalanceListener  # noqa: PLC0415 - an extra

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: Any) -> None:
            await source.revoked(list(revoked), lose)

        async def on_partitions_assigned(self, assigned: Any) -> None:
            await source.assigned(list(assigned), take)

    return Listener()


def _topic_partition(partition: Partition) -> Any:
    from aiokafka import TopicPartition  # noqa: PLC0415 - an extra

    return TopicPartition(partition.topic, int(partition.name))


def errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - an extra

    return (KafkaError, OSError, TimeoutError, *others)


def said(error: BaseException) -> str:
    return str(error) or type(error).__name__
