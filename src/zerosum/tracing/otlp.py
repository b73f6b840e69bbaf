"""Spans as a collector takes them: OTLP's messages (`opentelemetry/proto/trace/v1/trace.proto`), written by hand.

The library makes an object of each span, another one of each of its attributes, and messages of these: ten times what
it takes to write the bytes. `tests/tracing/test_otlp.py` reads them with the library's own messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from random import randbytes

from zerosum.domain.traces import TraceOrigin

TEXT_CHARACTERS_MAX = 512

_IDS_AND_TIMES = struct.Struct("<2s16s2s8scQcQ")
_CHILD = struct.Struct("<2s16s2s8scQcQ2s8s6s")
"""The same, and its parent."""
_REMOTE = b"\x85\x01\x00\x03\x00\x00"
"""Flags of a span whose parent may be of another process."""
HAS_FAILED = b"\x7a\x02\x18\x02"
"""Its status is that of an error."""

_ONE_BYTE = [bytes((number,)) for number in range(0x80)]
_KEYS_KNOWN_MAX = 256
_HEADS_KNOWN_MAX = 1024


class Kind(IntEnum):
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


def write_span(origin: TraceOrigin, parent: str, started_at: int, ended_at: int, *told: bytes) -> bytes:
    """As one of a message. `parent` is the id of its parent, or empty; `told` is all the rest, its name among it."""
    text = origin.traceparent
    fixed = _IDS_AND_TIMES.pack(
        b"\x0a\x10", bytes.fromhex(text[3:35]), b"\x12\x08", bytes.fromhex(text[36:52]),
        b"\x39", started_at, b"\x41", ended_at,
    )  # fmt: skip
    above = b"\x22\x08" + bytes.fromhex(parent) + _REMOTE if parent else b""
    return _field(b"\x12", b"".join((fixed, above, *told)))


def write_siblings(parents: Iterable[tuple[TraceOrigin, int]], ended_at: int, told: bytes) -> bytes:
    """A span beneath each of these, begun at the time beside it: all else is told of all alike.

    One by one they would cost three times as much, and in a batch there are many.
    """
    begin = b"\x12" + _varint(_CHILD.size + len(told))
    pack = _CHILD.pack
    each: list[bytes] = []
    for parent, started_at in parents:
        text = parent.traceparent
        own = randbytes(8)  # noqa: S311 - nobody gains by guessing it
        each += begin, pack(
            b"\x0a\x10", bytes.fromhex(text[3:35]), b"\x12\x08", own, b"\x39", started_at, b"\x41", ended_at,
            b"\x22\x08", bytes.fromhex(text[36:52]), _REMOTE,
        ), told  # fmt: skip
    return b"".join(each)


@lru_cache(_KEYS_KNOWN_MAX)
def named(name: str, kind: Kind) -> bytes:
    return _field(b"\x2a", _utf8(name)) + bytes((0x30, kind))


def with_attribute(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return _field(b"\x4a", _pair(key, value))
    text = _utf8(value)
    return _before_text(key, len(text)) + text


@lru_cache(_HEADS_KNOWN_MAX)
def _before_text(key: str, length: int) -> bytes:
    """What stands before a value of so many bytes: ids, of which there is one in each span, have all the same."""
    whole = _field(b"\x4a", _known_key(key) + _field(b"\x12", _field(b"\x0a", bytes(length))))
    return whole[: len(whole) - length]


def with_attributes(attributes: Mapping[str, str | int]) -> bytes:
    return b"".join([with_attribute(*pair) for pair in attributes.items()])


def with_state(state: str) -> bytes:
    """`tracestate`, as it came."""
    return _field(b"\x1a", _utf8(state)) if state else b""


def with_link(origin: TraceOrigin) -> bytes:
    text = origin.traceparent
    return bytes.fromhex(f"6a210a10{text[3:35]}1208{text[36:52]}3500030000")  # Twice as soon made as of two ids.


class Envelope:
    """What stands around the spans of one process."""

    def __init__(self, resource: Mapping[str, str | int], name: str, version: str) -> None:
        pairs = b"".join([_field(b"\x0a", _pair(*pair)) for pair in resource.items()])
        scope = _field(b"\x0a", _utf8(name)) + _field(b"\x12", _utf8(version))
        self._before, self._scope = _field(b"\x0a", pairs), _field(b"\x0a", scope)

    def around(self, spans: Iterable[bytes]) -> bytes:
        return _field(b"\x0a", self._before + _field(b"\x12", b"".join((self._scope, *spans))))


def _pair(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return _known_key(key) + _field(b"\x12", b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF))
    return _known_key(key) + _field(b"\x12", _field(b"\x0a", _utf8(value)))


@lru_cache(_KEYS_KNOWN_MAX)
def _known_key(key: str) -> bytes:
    return _field(b"\x0a", _utf8(key))


def _utf8(text: str) -> bytes:
    """Half a pair of surrogates, which no collector could read, becomes a question mark."""
    return text[:TEXT_CHARACTERS_MAX].encode("utf-8", "replace")


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _ONE_BYTE[number]
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
