"""Heads that were judged before: on a connection, one mostly differs from the last in key and length alone.

They are compared as they come, byte for byte, before they are parsed: what was well-formed and judged as a whole is so
again when nothing but two values is another, and these are looked at anew. The same where the path names one thing by
its id: which one that is may be another.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from zerosum.gateway.guards.request_guard import HEADER_BYTES_MAX
from zerosum.gateway.limits.client_address import counted_as
from zerosum.gateway.request_state import BeginTrace
from zerosum.gateway.routing import BodyKind, Call, Policy
from zerosum.gateway.trace_context import brings_trace

Headers = list[tuple[bytes, bytes]]

KEY, LENGTH = b"idempotency-key", b"content-length"

SIZE_KEPT_FREE = 1024
"""Of what a head may have, for a longer key: no head is remembered that the next one could be too large for."""

_OTHERS_OWN = frozenset({b"x-request-id"})
_OF_THE_HEAD = (
    "type", "asgi", "http_version", "server", "client", "scheme", "root_path", "headers", "method", "path", "raw_path",
    "query_string",
)  # fmt: skip
_END = b"\r\n\r\n"
_ID = r"[a-z]{2,4}_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""As we write them: no other route has a path with such a segment, and nothing in it is written otherwise."""
_BLANKS = b" \t"


class Told(NamedTuple):
    """What one request has told beside what all with this head tell."""

    key: bytes
    length: bytes
    body: bytes
    path: bytes | None
    """Where it may be another each time."""


class KnownHead:
    """What a head came to that was judged as a whole; `read` tells whether another one would come to the same.

    The principal is not part of it: that a credential is good has to be found anew for each request.
    """

    __slots__ = (
        "_headers",
        "_key_at",
        "_length_at",
        "_line",
        "_parts",
        "_scope",
        "address",
        "authorization",
        "begin_trace",
        "brings_trace",
        "counted_address",
        "policy",
        "subject",
    )

    def __init__(
        self, scope: dict[str, Any], policy: Policy, call: Call, authorization: bytes, begin_trace: BeginTrace | None
    ) -> None:
        # Not what belongs to this one request: its extensions hold it, body and all.
        self._scope = {name: scope[name] for name in _OF_THE_HEAD if name in scope}
        self._headers: Headers = scope["headers"]
        names = [name for name, _ in self._headers]
        self._key_at, self._length_at = names.index(KEY), names.index(LENGTH)
        self._parts: tuple[bytes, bytes, bytes] | None = None
        self._line = None if policy.template == call.path else _line_with_id(scope["method"], policy.template)
        self.policy = policy
        self.authorization = authorization
        self.address, self.subject = call.address, call.certificate_subject
        self.counted_address = counted_as(call.address)
        self.begin_trace = begin_trace
        self.brings_trace = brings_trace(self._headers)

    @classmethod
    def of(
        cls, scope: dict[str, Any], policy: Policy, call: Call, authorization: bytes, begin_trace: BeginTrace | None
    ) -> KnownHead | None:
        headers: Headers = scope["headers"]
        names = [name for name, _ in headers]
        size = sum(len(name) + len(value) for name, value in headers)
        if names.count(KEY) != 1 or names.count(LENGTH) != 1 or not _OTHERS_OWN.isdisjoint(names):
            return None
        if size > HEADER_BYTES_MAX - SIZE_KEPT_FREE:
            return None
        if policy.body is BodyKind.OPTIONAL_JSON and scope["headers"][names.index(LENGTH)][1] == b"0":
            return None  # Nobody has asked it what a body would be.
        if policy.template != call.path and _line_with_id(scope["method"], policy.template) is None:
            return None
        return cls(scope, policy, call, authorization, begin_trace)

    def learn(self, data: bytes) -> bool:
        """Remember how it was written. False where `data` is not its request alone, or has not the whole of it."""
        begin = 0
        if self._line is not None:
            told_line = self._line.match(data)
            if told_line is None:
                return False
            begin = told_line.end()
        head, end, body = data.partition(_END)
        places = [place for name in (KEY, LENGTH) if (place := _value_of(head, name)) is not None]
        if not end or len(places) != 2:
            return False
        length = places[1]
        told = head[length[0] : length[1]]
        if told != b"%d" % len(body) and (body or not told.isdigit()):
            return False  # Nothing of the body may be missing, or all of it.
        first, second = sorted(places)
        self._parts = data[begin : first[0]], head[first[1] : second[0]], head[second[1] :] + _END
        return True

    def read(self, data: bytes) -> Told | None:
        """What is its own of a request, if it has the same head otherwise."""
        if self._parts is None:
            return None
        begin, path = 0, None
        if self._line is not None:
            line = self._line.match(data)
            if line is None:
                return None
            begin, path = line.end(), line[1]
        before, between, behind = self._parts
        if not data.startswith(before, begin):
            return None
        first_at = begin + len(before)
        first = data.find(b"\r\n", first_at)
        if first < 0 or not data.startswith(between, first):
            return None
        second_at = first + len(between)
        second = data.find(b"\r\n", second_at)
        if second < 0 or not data.startswith(behind, second):
            return None
        values = data[first_at:first], data[second_at:second]
        key, length = values if self._key_at < self._length_at else values[::-1]
        return Told(key, length, data[second + len(behind) :], path)

    def scope_with(self, told: Told, extensions: dict[str, Any]) -> dict[str, Any]:
        """The scope of a request with this head."""
        headers = self._headers.copy()
        headers[self._key_at], headers[self._length_at] = (KEY, told.key), (LENGTH, told.length)
        scope = {**self._scope, "headers": headers, "extensions": extensions, "state": {}}
        if told.path is not None:
            scope["raw_path"], scope["path"] = told.path, told.path.decode("ascii")
        return scope


@cache
def _line_with_id(method: str, template: str) -> re.Pattern[bytes] | None:
    """The first line of a request whose path names one thing by its id. None where the path is another."""
    parts = re.split(r"\{[^}]+\}", template)
    if len(parts) != 2:
        return None
    path = _ID.join(map(re.escape, parts))
    return re.compile(rf"{method} ({path}) HTTP/1\.1\r\n".encode("ascii"))


def _value_of(head: bytes, wanted: bytes) -> tuple[int, int] | None:
    """Where the value of this field begins and ends; None unless it is there once, and nothing stands behind it."""
    found = None
    begin = head.find(b"\r\n") + 2
    for line in head[begin:].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == wanted:
            if found is not None or value != value.rstrip(_BLANKS):
                return None
            found = begin + len(line) - len(value.lstrip(_BLANKS)), begin + len(line)
        begin += len(line) + 2
    return found
