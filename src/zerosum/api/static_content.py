"""What never changes while the service runs: made once, compressed once, and sent from memory ever after."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from zerosum.gateway.routing import Call, HttpAnswer

Headers = tuple[tuple[bytes, bytes], ...]

SECONDS_FRESH = 60
"""So long a copy may be used without asking again: an upgrade shows soon after."""

FOR_EVER = b"public, max-age=31536000, immutable"
"""For an address that names the version of its content."""

COMPRESSED_SHARE_MAX = 0.9
"""What does not become smaller than this is sent as it is."""


@dataclass(frozen=True, slots=True)
class _Made:
    body: bytes
    compressed: bytes | None
    version: str

    def etag(self, *, is_compressed: bool) -> bytes:
        return f'"{self.version}{"-gzip" if is_compressed else ""}"'.encode()


class StaticContent:
    """`make` gives the bytes. It may take a moment: it is called once, in a thread, when somebody asks first."""

    def __init__(self, make: Callable[[], bytes], media_type: str, headers: Headers = (), *, vary: str = "") -> None:
        self._make = make
        self._made: _Made | None = None
        self._making: asyncio.Future[_Made] | None = None
        varying = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
        self._headers: Headers = ((b"vary", varying.encode()), *headers)
        self._type: Headers = ((b"content-type", media_type.encode()),)

    async def answer(self, call: Call) -> HttpAnswer:
        """In the encoding the caller takes; 304 without a body where it has the content already."""
        made = self._made or await self._first()
        is_compressed = made.compressed is not None and accepts_gzip(header(call, b"accept-encoding"))
        etag = made.etag(is_compressed=is_compressed)
        is_named = call.query_string == b"v=" + made.version.encode()
        fresh = FOR_EVER if is_named else b"public, max-age=%d" % SECONDS_FRESH
        headers: Headers = (*self._headers, (b"etag", etag), (b"cache-control", fresh))
        if has_it(header(call, b"if-none-match"), etag):
            return HttpAnswer(304, b"", headers)
        if is_compressed and made.compressed is not None:
            return HttpAnswer(200, made.compressed, (*self._type, (b"content-encoding", b"gzip"), *headers))
        return HttpAnswer(200, made.body, (*self._type, *headers))

    def version(self) -> str:
        """Another one for every other content."""
        return self._finished().version

    async def _first(self) -> _Made:
        """Whoever else asks meanwhile waits for the same."""
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(self._finished))
        try:
            return await asyncio.shield(self._making)
        except Exception:
            self._making = None  # The next one tries again.
            raise

    def _finished(self) -> _Made:
        if self._made is None:
            body = self._make()
            compressed = gzip.compress(body, mtime=0)
            is_worth_it = len(compressed) < COMPRESSED_SHARE_MAX * len(body)
            self._made = _Made(body, compressed if is_worth_it else None, sha256(body).hexdigest()[:16])
        return self._made


def header(call: Call, name: bytes) -> str:
    """All values of a header that is a list, as one; empty where there is none."""
    return ",".join(value.decode("latin-1") for given, value in call.headers if given == name)


def accepts_gzip(accept_encoding: str) -> bool:
    """RFC 9110 section 12.5.3. Said by name, it counts more than `*`."""
    weights = weights_of(accept_encoding)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def weights_of(field: str) -> dict[str, float]:
    """What a header like Accept lists, each with its weight; what cannot be read weighs nothing."""
    weights: dict[str, float] = {}
    for part in field.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            weights[name] = 0.0
    return weights


def has_it(if_none_match: str, etag: bytes) -> bool:
    """RFC 9110 section 13.1.2, compared weakly: a proxy may have weakened the tag."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag.decode() in tags or tags == ["*"]
