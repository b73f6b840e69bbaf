"""Redis Streams. Entries are read from the position in PostgreSQL on, so that reading takes nothing from anybody.

The consumer group is moved behind what is settled: there operators see how far we are, and producers up to where they
may trim. A stream that was trimmed beyond that has lost messages, and stops the input.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from zerosum.adapters.streams.taking import Lose, Losses, Take, text_headers
from zerosum.domain.messages import InputAway, Message, Partition, storable

SECONDS_MAX = 5.0
BODY_FIELDS = (b"body", b"message", b"data")
KEY_FIELD = b"key"
BEGINNING = "0-0"

_log = logging.getLogger(__name__)


class RedisStreamInput:
    """One stream. An entry has a field `body` (or `message`, `data`) with the JSON, and may have one `key`."""

    is_leased = True
    is_read_once = False
    has_positions = True

    def __init__(
        self, name: str, url: str, stream: str, group: str, bytes_max: int, *, accepts_gaps: bool = False
    ) -> None:
        self.name = name
        self._url = url
        self._stream = stream
        self._group = group
        self._bytes_max = bytes_max
        self._partition = Partition(name, stream)
        self._client: Any = None
        self._losses = Losses(is_accepted=accepts_gaps)
        self._last = BEGINNING
        self._read: int | None = None
        """How many entries of the stream lie up to there, of those that were ever added; None where nobody knows."""

    @property
    def lost(self) -> int:
        return self._losses.number

    async def open(self, take: Take, lose: Lose) -> None:  # noqa: ARG002 - nobody but a newer lease takes it
        self._client = redis.asyncio.Redis.from_url(
            self._url, socket_connect_timeout=SECONDS_MAX, socket_timeout=SECONDS_MAX, decode_responses=False
        )
        await self._run("PING")
        position = await take(self._partition)
        await self._begin(position.last_place)
        await self._check_trimmed()
        await tell_durability(self._client, str(self._partition))

    async def receive(self, most: int, seconds: float) -> Sequence[Message]:
        reply = await self._run(
            "XREAD", "COUNT", most, "BLOCK", max(1, int(seconds * 1000)), "STREAMS", self._stream, self._last
        )
        entries = _entries(reply)
        if entries:
            await self._check_overtaken(entries)
        found = []
        for id_, fields in entries:
            self._last = id_
            self._read = None if self._read is None else self._read + 1
            found.append(self._message(id_, fields))
        return found

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        last = messages[-1]
        counted = () if last.receipt is None else ("ENTRIESREAD", last.receipt)
        try:
            await self._run("XGROUP", "SETID", self._stream, self._group, last.place, *counted)
        except InputAway as error:
            _log.warning("the group %s of %s is not moved: %s", self._group, self._stream, error)

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """There is no way back."""

    async def keep_alive(self) -> None:
        """Nothing is taken from anybody by not reading."""

    async def lag(self) -> float | None:
        await self._check_trimmed()
        lag = (await self._group_facts()).get("lag")
        return None if lag is None else float(lag)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.aclose()
            except (RedisError, OSError) as error:
                raise InputAway(str(error)) from None

    async def _begin(self, settled: str | None) -> None:
        """Behind what is settled; else where a group that others have used has come to; else at the beginning."""
        is_new = await self._make_group()
        facts = await self._group_facts()
        delivered, read = _text(facts.get("last-delivered-id")), facts.get("entries-read")
        self._read = None if read is None else int(read)
        if settled is not None:
            self._last = settled
            if is_new or _number(settled) < _number(delivered):
                self._read = None
            elif self._read is not None:  # The group is told after the settling: it may be a batch behind.
                self._read += len(await self._run("XRANGE", self._stream, f"({delivered}", settled))
        elif is_new:
            self._last, self._read = BEGINNING, (await self._removed())[0]
        else:
            pending = await self._run("XPENDING", self._stream, self._group)
            oldest = pending.get("min") if isinstance(pending, dict) else pending[1]
            self._last = delivered if oldest is None else _before(_text(oldest))
            self._read = self._read if oldest is None else None

    async def _make_group(self) -> bool:
        """Whether it was not there."""
        try:
            await self._run("XGROUP", "CREATE", self._stream, self._group, BEGINNING, "MKSTREAM")
        except InputAway as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        return True

    async def _group_facts(self) -> dict[str, Any]:
        for group in await self._run("XINFO", "GROUPS", self._stream):
            facts = _pairs(group)
            if facts.get("name") == self._group.encode():
                return facts
        return {}

    async def _removed(self) -> tuple[int, str | None]:
        """How many entries were ever trimmed or deleted, and the first that is there."""
        facts = _pairs(await self._run("XINFO", "STREAM", self._stream))
        first = facts.get("first-entry")
        return int(facts["entries-added"]) - int(facts["length"]), None if not first else _text(first[0])

    async def _check_trimmed(self) -> None:
        """Streams are trimmed from their beginning: what is gone beyond what was read is lost. Raises Gap."""
        if self._read is None:
            return
        removed, first = await self._removed()
        if removed > self._read and (first is None or _number(first) > _number(self._last)):
            lost, self._read = removed - self._read, removed
            self._losses.add(self._partition, lost, f"{lost} entries behind {self._last}")

    async def _check_overtaken(self, entries: Sequence[tuple[str, Mapping[bytes, bytes]]]) -> None:
        """Whether everything before what has come now is gone, and more of it than was read. Raises Gap."""
        if self._read is None:
            return
        removed, first = await self._removed()
        if first is not None and _number(first) < _number(entries[0][0]):
            return
        of_these = sum(first is None or _number(id_) < _number(first) for id_, _ in entries)
        lost = removed - of_these - self._read
        if lost > 0:
            self._read += lost
            self._losses.add(self._partition, lost, f"{lost} entries behind {self._last}")

    async def _run(self, *words: Any) -> Any:
        """Raises InputAway."""
        if self._client is None:
            raise InputAway("it is closed")
        try:
            return await self._client.execute_command(*words)
        except ResponseError as error:
            raise InputAway(str(error)) from None
        except (RedisError, OSError, TimeoutError) as error:
            raise InputAway(str(error) or type(error).__name__) from None

    def _message(self, id_: str, fields: Mapping[bytes, bytes]) -> Message:
        body = next((fields[name] for name in BODY_FIELDS if name in fields), b"")
        key = fields.get(KEY_FIELD)
        return Message(
            partition=self._partition,
            place=storable(id_),
            is_named_for_ever=True,
            body=body if len(body) <= self._bytes_max else body[:4096],
            body_bytes=len(body),
            ordering_key=None if key is None else storable(key.decode("utf-8", "replace")),
            headers=text_headers({name.decode("utf-8", "replace"): value for name, value in fields.items()}),
            receipt=self._read,
        )


async def tell_durability(client: Any, whose: str) -> None:
    """In the log, where the server may lose what it has taken."""
    try:
        facts = await client.execute_command("CONFIG", "GET", "appendfsync", "appendonly")
    except RedisError:
        return  # Managed servers do not tell.
    found = _pairs(facts)
    if found.get("appendonly") != b"yes" or found.get("appendfsync") != b"always":
        _log.warning("the Redis of %s does not sync what it takes: it may lose messages when it ends", whose)


def _entries(reply: Any) -> list[tuple[str, dict[bytes, bytes]]]:
    """A list or a mapping of streams, by the version of the protocol. An entry without fields was deleted."""
    if not reply:
        return []
    entries = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], list | tuple):
        entries = entries[0]
    return [(id_.decode(), _pairs_of_bytes(fields)) for id_, fields in entries]


def _pairs_of_bytes(fields: Any) -> dict[bytes, bytes]:
    if fields is None:
        return {}
    return dict(fields) if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))


def _pairs(reply: Any) -> dict[str, Any]:
    """By name: a mapping, or names and values one after the other."""
    items = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode() if isinstance(name, bytes) else str(name): value for name, value in items}


def _text(id_: Any) -> str:
    return id_.decode() if isinstance(id_, bytes) else str(id_ or BEGINNING)


def _number(id_: str) -> tuple[int, int]:
    milliseconds, _, number = id_.partition("-")
    return int(milliseconds), int(number or 0)


def _before(id_: str) -> str:
    """The id right before this one."""
    milliseconds, number = _number(id_)
    return f"{milliseconds}-{number - 1}" if number else f"{milliseconds - 1}-{2**64 - 1}"
