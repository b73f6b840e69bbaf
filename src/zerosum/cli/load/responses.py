"""Cuts what arrives on a connection into HTTP/1.1 responses: as little work as will do, and strict about the rest."""

from __future__ import annotations

HEAD_BYTES_MAX = 64 * 1024

_HEAD = -1
_CHUNKED = -2
_UNTIL_END = -3
"""What is missing, where it is not a number of bytes."""

_NO_BODY = frozenset({204, 304})
_COMMON: dict[bytes, int] = {
    str(status).encode(): status for status in (*range(200, 204), *range(205, 304), *range(400, 600))
}


class MalformedResponse(Exception):
    """What arrived is not an HTTP/1.1 response."""


class ResponseReader:
    """One response after the other, for requests that are not pipelined and never HEAD.

    `feed` returns the status when a response is whole, else 0. Until the next call `body` is its body and `is_last`
    says whether the server is about to close.
    """

    __slots__ = ("_buffer", "_closes", "_missing", "_parts", "_status", "body", "is_last")

    def __init__(self) -> None:
        self.body = b""
        self.is_last = False
        self._buffer = b""
        self._status = 0
        self._missing = _HEAD
        self._closes = False
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> int:
        """Raises MalformedResponse."""
        if self._missing == _HEAD:
            if self._buffer:
                data = self._buffer + data
            # Nearly every response: all of it at once, with its length.
            end = data.find(b"\r\n\r\n")
            at = data.find(b"\r\ncontent-length: ", 0, end)
            if at > 0 and data.startswith(b"HTTP/1.1 "):
                begin = end + 4
                length = data[at + 18 : data.find(b"\r", at + 18)]
                if length.isdigit() and int(length) == len(data) - begin and data[9:12] in _COMMON:
                    self._buffer = b""
                    self.body = data[begin:]
                    self.is_last = data.find(b"\r\nconnection: close", 0, end) > 0
                    return _COMMON[data[9:12]]
            return self._read_head(data, end)
        if self._missing > 0:
            return self._take(data)
        if self._missing == _CHUNKED:
            return self._read_chunks(self._buffer + data)
        self._parts.append(data)
        return 0

    def finish(self) -> int:
        """The connection has ended: the status of a response that was to last so long, else 0."""
        if self._missing == _UNTIL_END:
            return self._complete()
        return 0

    def _read_head(self, data: bytes, end: int) -> int:
        if end < 0:
            if len(data) > HEAD_BYTES_MAX or not b"HTTP/1.".startswith(data[:7]):
                raise MalformedResponse("no HTTP/1.1 response")
            self._buffer = data
            return 0
        lines = data[:end].split(b"\r\n")
        headers = [line.partition(b":")[::2] for line in lines[1:]]
        known = {name.strip().lower(): value.strip().lower() for name, value in headers}
        try:
            status = int(lines[0].split(b" ", 2)[1])
            length = int(known.get(b"content-length", b"0"))
        except (ValueError, IndexError):
            raise MalformedResponse("a bad status line or length") from None
        if not lines[0].startswith(b"HTTP/1.") or length < 0 or not 100 <= status <= 999:
            raise MalformedResponse("a bad status line or length")
        self._buffer = b""
        rest = data[end + 4 :]
        if status < 200:  # 100 Continue and its like come before the response proper.
            return self.feed(rest) if rest else 0
        self._status = status
        self._closes = b"close" in known.get(b"connection", b"") or lines[0].startswith(b"HTTP/1.0")
        if status in _NO_BODY:
            return self._take_exactly(0, rest)
        if b"chunked" in known.get(b"transfer-encoding", b""):
            self._missing = _CHUNKED
            return self._read_chunks(rest)
        if b"content-length" in known:
            return self._take_exactly(length, rest)
        self._missing = _UNTIL_END
        self._parts.append(rest)
        return 0

    def _take_exactly(self, length: int, rest: bytes) -> int:
        self._missing = length
        return self._complete() if length == 0 and not rest else self._take(rest)

    def _take(self, data: bytes) -> int:
        self._missing -= len(data)
        self._parts.append(data)
        if self._missing < 0:
            raise MalformedResponse("more than the announced length")
        return self._complete() if self._missing == 0 else 0

    def _read_chunks(self, data: bytes) -> int:
        """Chunks as far as they are there. Trailers are passed over."""
        at = 0
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            try:
                size = int(data[at:end].partition(b";")[0], 16)
            except ValueError:
                raise MalformedResponse("a bad chunk") from None
            if size == 0:
                # The last chunk, then trailers, each a line, and an empty line.
                finish = data.find(b"\r\n\r\n", end)
                if finish < 0:
                    break
                if finish + 4 != len(data):
                    raise MalformedResponse("more than one response")
                self._buffer = b""
                return self._complete()
            if len(data) < end + 2 + size + 2:
                break
            self._parts.append(data[end + 2 : end + 2 + size])
            at = end + 2 + size + 2
        self._buffer = data[at:]
        return 0

    def _complete(self) -> int:
        self.body = b"".join(self._parts)
        self.is_last = self._closes or self._missing == _UNTIL_END
        self._parts = []
        self._missing = _HEAD
        return self._status
