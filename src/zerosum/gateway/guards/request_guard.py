"""Judges the outside of a request: its line, its headers, the size, kind and pace of its body."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from zerosum.domain.errors import (
    BodyTooLarge,
    HeadersTooLarge,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    InvalidRequest,
    MethodNotAllowed,
    UnsupportedMediaType,
    UriTooLong,
)
from zerosum.gateway.routing import BodyKind, Policy, allowed

TARGET_BYTES_MAX = 8 * 1024
HEADER_BYTES_MAX = 16 * 1024
HEADERS_MAX = 100
CONTENT_LENGTH_DIGITS_MAX = 18
KEY_MAX = 255

Receive = Callable[[], Awaitable[Any]]
Headers = Sequence[tuple[bytes, bytes]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:@/+=-]{1,128}")
KEY_PATTERN_TEXT = r"^[\x21-\x7e]{1,255}$"
_KEY = re.compile(KEY_PATTERN_TEXT.encode())
_JSON_TYPES = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
FILE_TYPES = (b"text/csv", b"application/xml", b"text/xml", b"application/octet-stream")
_FORM_TYPE = b"application/x-www-form-urlencoded"
_PARAMETER = re.compile(rb';\s*([^\s=;"]*)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;"]*))?')
_BLANKS = re.compile(b" +")
_UTF_8 = (b"utf-8", b"utf8")


def accepts(headers: Headers, media_type: bytes) -> bool:
    """Whether a caller asks for it by name."""
    return any(name == b"accept" and media_type in value.lower() for name, value in headers)


class HeaderView:
    """The headers the gateway needs, picked in one pass. Lists where a second one matters."""

    __slots__ = (
        "authorization",
        "content_encoding",
        "content_length",
        "content_type",
        "forwarded_for",
        "host",
        "idempotency_key",
        "is_chunked",
        "is_odd",
        "request_id",
        "te",
        "transfer_coding",
    )

    def __init__(self, headers: Headers) -> None:
        self.authorization: list[bytes] = []
        self.idempotency_key: list[bytes] = []
        self.host: list[bytes] = []
        self.content_type: list[bytes] = []
        self.content_encoding: bytes | None = None
        self.content_length: bytes | None = None
        self.request_id: bytes | None = None
        self.forwarded_for: bytes | None = None
        self.transfer_coding: list[bytes] = []
        self.te = b""
        self.is_chunked = False
        self.is_odd = False
        """Framed in a way that `check_framing` has to look at."""
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"authorization":
                # One or more blanks part a scheme from its credential (RFC 9110 section 11.4): one from here on.
                self.authorization.append(value if b"  " not in value else _BLANKS.sub(b" ", value, count=1))
            elif name == b"idempotency-key":
                self.idempotency_key.append(value)
            elif name == b"host":
                self.host.append(value)
            elif name == b"content-type":
                self.content_type.append(value)
            elif name == b"content-length":
                self.content_length = value
            elif name == b"content-encoding":
                self.content_encoding = value
            elif name == b"x-request-id":
                self.request_id = value
            elif name == b"x-forwarded-for":
                self.forwarded_for = value
            elif name == b"transfer-encoding":
                self.transfer_coding.append(value)
                self.is_chunked = self.is_odd = True
            elif name == b"te":
                self.te += value.lower()
                self.is_odd = True
        if size > HEADER_BYTES_MAX or len(headers) > HEADERS_MAX:
            raise HeadersTooLarge(f"At most {HEADERS_MAX} header fields of {HEADER_BYTES_MAX} bytes in all.")

    @property
    def has_body(self) -> bool:
        return self.is_chunked or self.content_length not in (None, b"0")

    def caller_request_id(self) -> str | None:
        """The caller's own id of this request, where it is harmless to repeat."""
        return None if self.request_id is None else harmless_request_id(self.request_id)


def harmless_request_id(value: bytes) -> str | None:
    """What a caller calls its request, unless it would do harm in a log."""
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else None


def check_target(path: str, raw_path: bytes, query_string: bytes) -> None:
    """The address is short, and nothing invisible hides in its path."""
    if len(raw_path) + len(query_string) > TARGET_BYTES_MAX:
        raise UriTooLong(f"The address has at most {TARGET_BYTES_MAX} bytes.")
    if not path.isprintable():
        raise InvalidRequest("The path holds a control character.")


def check_framing(headers: HeaderView, version: str) -> None:
    """For a request that is not plain HTTP/1.1 with a length: what two parsers could read differently is refused.

    Its only transfer coding is `chunked`, once, and not in HTTP/1.0, which does not know it (RFC 9112 section 6.1).
    """
    if version not in ("1.1", "1.0"):
        raise InvalidRequest("This service speaks HTTP/1.1.")
    coding = headers.transfer_coding
    if coding and (version == "1.0" or len(coding) > 1 or coding[0].lower() != b"chunked"):
        raise InvalidRequest("The only Transfer-Encoding is chunked, once, in HTTP/1.1.")
    if b"chunked" in headers.te:
        raise InvalidRequest("TE does not name chunked, which needs no asking for.")


def check_host(headers: HeaderView, allowed: frozenset[bytes]) -> None:
    """Exactly one Host (RFC 9112 section 3.2), and one of ours where that is configured."""
    if len(headers.host) != 1 or (allowed and _host_name(headers.host[0]) not in allowed):
        raise InvalidRequest("The Host header must be there once and name this service.")


def _host_name(host: bytes) -> bytes:
    """Without its port; an IPv6 address keeps its brackets (RFC 3986 section 3.2.2)."""
    name, bracket, _ = host.partition(b"]")
    return (name + bracket if bracket else host.partition(b":")[0]).lower()


def check_no_body(policy: Policy, headers: HeaderView) -> None:
    """A GET has no body: what hides in one must not be taken for a request of its own somewhere on the way."""
    if policy.is_read and headers.has_body:
        raise MethodNotAllowed("A GET takes no body.", allow=allowed([policy.method]))


def check_media_type(policy: Policy, headers: HeaderView) -> None:
    """The body is JSON in UTF-8 (a form at the token endpoint, a file where one is wanted), not compressed."""
    if headers.content_encoding is not None and headers.content_encoding.lower() != b"identity":
        raise UnsupportedMediaType("Compressed bodies are not taken.")
    if len(headers.content_type) != 1:
        raise UnsupportedMediaType("The body needs exactly one Content-Type.")
    given = headers.content_type[0]
    if policy.body is BodyKind.FILE:
        if given.partition(b";")[0].strip().lower() not in FILE_TYPES:
            wanted_types = ", ".join(kind.decode() for kind in FILE_TYPES)
            raise UnsupportedMediaType(f"The body must be one of {wanted_types}.")
        return
    if policy.body is not BodyKind.FORM:
        if given in _JSON_TYPES:
            return
        wanted = _JSON_TYPES[0]
    else:
        wanted = _FORM_TYPE
    kind, _, _ = given.partition(b";")
    if kind.strip().lower() != wanted or not all(value in _UTF_8 for value in _charsets(given[len(kind) :])):
        raise UnsupportedMediaType(f"The body must be {wanted.decode()} in UTF-8.")


def _charsets(parameters: bytes) -> list[bytes]:
    """Every one that is named; other parameters of a media type say nothing to us (RFC 9110 section 8.3.1)."""
    found = (match.groups(b"") for match in _PARAMETER.finditer(parameters))
    return [value.strip().strip(b'"').lower() for name, value in found if name.lower() == b"charset"]


def check_length(policy: Policy, headers: HeaderView) -> None:
    if headers.content_length is not None:
        check_content_length(policy, headers.content_length)


def check_content_length(policy: Policy, length: bytes) -> None:
    if not length.isdigit():
        raise InvalidRequest("The Content-Length is not a number.")
    if len(length) > CONTENT_LENGTH_DIGITS_MAX or int(length) > policy.body_bytes_max:
        raise BodyTooLarge(f"The body has at most {policy.body_bytes_max} bytes.")


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body, however it is chunked. The server closes the connection of one that does not come in time.

    Raises BodyTooLarge, and InvalidRequest when the caller goes away in the middle.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("The body ended early.")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise BodyTooLarge(f"The body has at most {bytes_max} bytes.")
        is_last = not message.get("more_body", False)
        if is_last and not parts:
            return part
        parts.append(part)
        if is_last:
            return b"".join(parts)


def idempotency_key(headers: HeaderView) -> str:
    """The key, quoted (RFC 9651 string) or bare: both are the same key. Raises IdempotencyKeyMissing or …Invalid."""
    values = headers.idempotency_key
    if not values:
        raise IdempotencyKeyMissing("This call moves money: send an Idempotency-Key header.")
    if len(values) > 1:
        raise IdempotencyKeyInvalid("There is more than one Idempotency-Key header.")
    return parse_key(values[0])


def keys_in(scope: dict[str, Any]) -> Iterator[str]:
    """Those that a request brings in its head and that can be keys, whatever else is wrong with it."""
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            with contextlib.suppress(IdempotencyKeyInvalid):
                yield parse_key(value)


def parse_key(raw: bytes) -> str:
    if len(raw) >= 2 and raw[:1] == raw[-1:] == b'"':
        raw = raw[1:-1]
    if not _KEY.fullmatch(raw):
        raise IdempotencyKeyInvalid(f"A key is 1 to {KEY_MAX} visible ASCII characters.")
    return raw.decode("ascii")
