"""NATS JetStream. Every process reads by a consumer of its own from the position in PostgreSQL on, in order.

Such a consumer takes nothing from anybody, so a zombie cannot either. Streams that forget what was read (work queues)
cannot be read so and are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from zerosum.adapters.streams.taking import Lose, Losses, Take, text_headers
from zerosum.domain.messages import Gap, InputAway, Message, Partition, storable

SECONDS_MAX = 5.0
INACTIVE_SECONDS = 60.0
"""So long the server keeps a consumer that nobody asks any more."""

KEY_HEADER = "zerosum-key"
"""The ordering key of a message; without one its subject, where there are several."""

_log = logging.getLogger(__name__)


class NatsInput:
    """One stream, or what of it bears a subject."""

    is_leased = True
    is_read_once = False
    has_positions = True

    def __init__(
        self, name: str, url: str, stream: str, subject: str | None, bytes_max: int, *, accepts_gaps: bool = False
    ) -> None:
        self.name = name
        self._url = url
        self._stream = stream
        self._subject = subject
        self._has_many_subjects = subject is None or "*" in subject or ">" in subject
        self._bytes_max = bytes_max
        self._losses = Losses(is_accepted=accepts_gaps)
        self._partition = Partition(name, stream, subject or "0")
        self._client: Any = None
        self._reading: Any = None
        self._consumer = ""
        self._next = 1
        self._edge = 1
        """All below was read, or is none of ours."""
        self._delivered = 0

    @property
    def lost(self) -> int:
        return self._losses.number

    async def open(self, take: Take, lose: Lose) -> None:  # noqa: ARG002 - nobody but a newer lease takes it
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - an extra

        self._client = await connected(self._url)
        streams = self._client.jetstream()
        try:
            found = await self._found_stream(streams)  # Whoever cannot read it takes nothing.
            made = None if self._losses.is_accepted else str(found.created)
            position = await take(self._partition, made)
            state = await self._state(streams)
            self._next = self._edge = max(1, position.next_offset or state.first_seq)
            self._check_end(state)
            self._check_beginning(state)
            self._consumer = f"zerosum-{secrets.token_hex(6)}"
            await streams.add_consumer(
                self._stream,
                ConsumerConfig(
                    name=self._consumer,
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=self._next,
                    ack_policy=AckPolicy.NONE,
                    filter_subject=self._subject,
                    inactive_threshold=INACTIVE_SECONDS,
                    mem_storage=True,
                ),
            )
            self._delivered = 0
            self._reading = await streams.pull_subscribe_bind(consumer=self._consumer, stream=self._stream)
        except errors() as error:
            raise InputAway(said(error)) from None

    async def receive(self, most: int, seconds: float) -> Sequence[Message]:
        try:
            found = await self._reading.fetch(most, timeout=seconds)
        except TimeoutError:
            return []
        except errors() as error:
            raise InputAway(said(error)) from None
        if any(one.metadata.sequence.stream > self._edge + at for at, one in enumerate(found)):
            self._check_beginning(await self._state(self._client.jetstream()), found[0].metadata.sequence.stream)
        return [self._message(one) for one in found]

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """The position is in PostgreSQL alone."""

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """There is no way back."""

    async def keep_alive(self) -> None:
        """A consumer that is not asked lives for a minute; after that it is made anew at the position."""

    async def lag(self) -> float | None:
        streams = self._client.jetstream()
        state = await self._state(streams)
        self._check_beginning(state)
        try:
            waiting = (await streams.consumer_info(self._stream, self._consumer)).num_pending
        except errors() as error:
            raise InputAway(said(error)) from None
        if waiting == 0:  # What came up to then is of other subjects, or was read.
            self._edge = max(self._edge, state.last_seq + 1)
        return float(max(0, state.last_seq + 1 - self._next))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(SECONDS_MAX):
                if self._consumer:
                    await client.jetstream().delete_consumer(self._stream, self._consumer)
                await client.close()
        except errors() as error:
            _log.info("NATS was left without a word: %s", said(error))

    async def _state(self, streams: Any) -> Any:
        return (await self._found_stream(streams)).state

    async def _found_stream(self, streams: Any) -> Any:
        """Raises InputAway, Gap."""
        from nats.js.api import RetentionPolicy  # noqa: PLC0415 - an extra

        try:
            found = await streams.stream_info(self._stream)
        except errors() as error:
            raise InputAway(said(error)) from None
        if found.config.retention not in (None, RetentionPolicy.LIMITS):
            raise Gap(f"the stream {self._stream} forgets what was read: make one with the retention `limits`")
        return found

    def _check_beginning(self, state: Any, read: int | None = None) -> None:
        """Whether messages were deleted that were not read; `read` is the first that was, after them. Raises Gap."""
        first = state.first_seq if read is None else min(read, state.first_seq)
        edge, self._edge = self._edge, max(self._edge, first)
        if first > edge:
            self._losses.add(self._partition, first - edge, f"messages {edge} to {first - 1}")

    def _check_end(self, state: Any) -> None:
        """Raises Gap."""
        if not self._losses.is_accepted and state.last_seq + 1 < self._next:
            raise Gap(
                f"{self._partition}: it ends at {state.last_seq}, and {self._next - 1} was settled: was the stream "
                "made anew? Read it under another name (?name=…)"
            )

    def _message(self, found: Any) -> Message:
        """Raises InputAway where a message before it was lost on the way: then everything is read again from there."""
        sequence = found.metadata.sequence
        if sequence.consumer != self._delivered + 1:
            raise InputAway(f"a message was lost on the way before {sequence.stream}")
        self._delivered, self._next = sequence.consumer, sequence.stream + 1
        self._edge = max(self._edge, self._next)
        headers = dict(found.headers or {})
        body = found.data
        key = headers.get(KEY_HEADER) or (found.subject if self._has_many_subjects else None)
        return Message(
            partition=self._partition,
            place=str(sequence.stream),
            is_named_for_ever=True,
            body=body if len(body) <= self._bytes_max else body[:4096],
            body_bytes=len(body),
            offset=sequence.stream,
            ordering_key=None if key is None else storable(key),
            headers=text_headers(dict(headers)),
        )


class NatsReplies:
    """Answers into a stream, under one subject. The server has taken them when `send` returns."""

    def __init__(self, url: str, subject: str) -> None:
        self._url = url
        self._subject = subject
        self._client: Any = None

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        if self._client is None:
            self._client = await connected(self._url)
        streams = self._client.jetstream()
        try:
            for key, body in answers:
                headers = None if key is None else {KEY_HEADER: key}
                await streams.publish(self._subject, body, timeout=SECONDS_MAX, headers=headers)
        except errors() as error:
            raise InputAway(said(error)) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


async def connected(url: str) -> Any:
    """Raises InputAway."""
    from nats.aio.client import Client  # noqa: PLC0415 - an extra

    async def tell(error: Exception) -> None:
        _log.debug("NATS: %s", error)

    client = Client()
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await client.connect(url, connect_timeout=2, max_reconnect_attempts=1, allow_reconnect=False, error_cb=tell)
    except errors() as error:
        with contextlib.suppress(*errors()):
            await client.close()  # It may have got as far as a connection.
        raise InputAway(said(error)) from None
    return client


def errors() -> tuple[type[Exception], ...]:
    from nats.errors import Error  # noqa: PLC0415 - an extra
    from nats.js.errors import APIError  # noqa: PLC0415

    return (Error, APIError, OSError, TimeoutError)


def said(error: Exception) -> str:
    return str(error) or type(error).__name__
