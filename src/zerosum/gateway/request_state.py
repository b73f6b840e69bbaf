"""One request and its answer, as far as they have come."""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from zerosum.domain.errors import DomainError
from zerosum.gateway.guards.request_guard import Receive
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.routing import HttpAnswer
from zerosum.gateway.trace_context import brings_trace, carry_trace

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

WHOLE_ANSWER = "zerosum.whole_answer"
"""Our server's extension of ASGI: a call that sends status, headers and body at once, if it can.

(status, lines of headers, body) -> whether it was sent."""

REST = "zerosum.rest"
"""Our server's extension of ASGI: a call that lets the connection rest for some seconds after this answer."""

current_request_state: ContextVar[RequestState | None] = ContextVar("exchange", default=None)
"""For what is done and logged meanwhile, also in tasks that are begun then."""


class RequestTrace(Protocol):
    """What is told of one request to whoever collects traces."""

    def enter(self) -> None:
        """What is done from here on is done for this request, until one leaves it in the same context."""

    def leave(self) -> None: ...

    def end(self) -> None:
        """The request is over, whatever became of it."""


BeginTrace = Callable[["RequestState"], RequestTrace | None]
"""Told of every request as it begins. None: nobody would be told of it."""

KNOWN_LINES_MAX = 256

REQUEST_ID_BYTES, REQUEST_IDS_AT_ONCE = 12, 128

_NONE: dict[str, Any] = {}
_STANDARD_HEADERS: Headers = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_WITHOUT_LENGTH = frozenset({204, 304})
"""Answers that have no body, and say nothing of its length."""


def standard_headers(hsts_seconds: int = 0) -> Headers:
    """What every answer carries unless it says otherwise itself. With a time, that it comes by TLS so long."""
    hsts = ((b"strict-transport-security", b"max-age=%d" % hsts_seconds),) if hsts_seconds else ()
    return (*_STANDARD_HEADERS, *hsts)


class RequestState:
    """`is_dispatched` says that the endpoint was called, `is_started` that the answer is on its way.

    `is_charged` says that it has been held against the rate limits.
    """

    __slots__ = (
        "address",
        "answered",
        "began_at",
        "body_is_read",
        "body_is_short",
        "brings_trace",
        "caller_address",
        "is_charged",
        "is_dispatched",
        "is_recorded",
        "is_started",
        "keys_in_body",
        "path",
        "principal",
        "rate_headers",
        "receive",
        "refusal",
        "refused_as",
        "request_id",
        "scope",
        "send",
        "standard_headers",
        "status",
        "template",
        "trace_id",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, standard_headers: Headers = _STANDARD_HEADERS
    ) -> None:
        self.scope = scope
        self.began_at = time.perf_counter()
        self.standard_headers = standard_headers
        self.receive = receive
        self.send = send
        self.request_id = ""
        self.path: str = scope["path"]
        """As it was asked for; `scope` holds it as it is routed."""
        self.address = ""
        """Where it comes from as it is counted, once that has been asked."""
        self.caller_address = ""
        """The same to the last bit."""
        self.template = ""
        self.brings_trace = True
        """It may: of a head that is known it is known that it does not."""
        self.trace_id = ""
        self.is_recorded = False
        """There is a span of it, by which its trace can be found."""
        self.status = 0
        self.principal: Principal | None = None
        """Who calls, once that is known."""
        self.refusal: DomainError | None = None
        """Why it was refused, where that was here."""
        self.refused_as = ""
        """The code of its refusal, wherever that was."""
        self.answered = b""
        """What has left in one write."""
        self.rate_headers: Headers = ()
        self.body_is_read = False
        self.body_is_short = False
        """It has a length, and so small a one that the server may read past it."""
        self.keys_in_body = False
        """Its commands bring a key each."""
        self.is_charged = False
        self.is_dispatched = False
        self.is_started = False

    @classmethod
    def over(cls, scope: Scope) -> RequestState:
        """One in which there is nothing more to receive, and nobody to send to."""

        async def nothing(*_: Any) -> None:
            return None

        return cls(scope, nothing, nothing)

    def extension(self, name: str) -> Any:
        """What our server offers besides ASGI; None under another server."""
        return self.scope.get("extensions", _NONE).get(name)

    def answer_at_once(self, answer: HttpAnswer) -> bool:
        """In one write, if our server can do that now. If not, nothing was sent: `answer` is the way."""
        self.status, self.answered = answer.status, answer.body
        write_whole = self.scope.get("extensions", _NONE).get(WHOLE_ANSWER)
        head = self._head(answer.headers) if write_whole and answer.status not in _WITHOUT_LENGTH else None
        if head is not None and write_whole(answer.status, head, answer.body):
            self.is_started = True
        return self.is_started

    async def answer(self, answer: HttpAnswer) -> None:
        if self.answer_at_once(answer):
            return
        self.is_started = True
        headers = [*answer.headers, *self.headers(answer.headers)]
        if answer.status not in _WITHOUT_LENGTH:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})

    def headers(self, present: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """What every answer carries, beside the headers it has already."""
        request_id = (b"x-request-id", self.request_id.encode("ascii"))
        return [request_id, *_beside(present, self.standard_headers), *self.rate_headers]

    def _head(self, present: Headers) -> bytes | None:
        """All of these as lines. None where the connection ends with the answer, or a header is more than a line."""
        lines = _known_lines(present, self.standard_headers)
        if lines is None:
            return None
        before, after, count = lines
        rates = b"".join([b"%b: %b\r\n" % header for header in self.rate_headers])
        head = b"%bx-request-id: %b\r\n%b%b" % (before, self.request_id.encode("ascii"), after, rates)
        return head if head.count(b"\n") == count + 1 + len(self.rate_headers) else None


def request_ids() -> Iterator[str]:
    """Nobody can guess one. The system is asked for many at once: each time costs as much as all the rest of it."""
    while True:
        text = secrets.token_hex(REQUEST_ID_BYTES * REQUEST_IDS_AT_ONCE)
        for first in range(0, len(text), 2 * REQUEST_ID_BYTES):
            yield text[first : first + 2 * REQUEST_ID_BYTES]


def begins_trace(begin_trace: BeginTrace | None, exchange: RequestState) -> BeginTrace | None:
    """Where nobody collects traces, what a caller says of its own is carried on all the same."""
    return begin_trace if begin_trace is not None or not brings_trace(exchange.scope["headers"]) else _carried


def _carried(exchange: RequestState) -> RequestTrace | None:
    trace = carry_trace(exchange.scope["headers"])
    if trace is not None:
        exchange.trace_id = trace.trace_id
    return trace


@contextmanager
def traced(begin_trace: BeginTrace | None, exchange: RequestState) -> Iterator[Callable[[], None] | None]:
    """What is done or logged meanwhile is for this request. What comes of it ends its trace, once it is over."""
    begins = begins_trace(begin_trace, exchange)
    trace = None if begins is None else begins(exchange)
    outer = current_request_state.set(exchange)
    if trace is not None:
        trace.enter()
    try:
        yield None if trace is None else trace.end
    finally:
        if trace is not None:
            trace.leave()
        current_request_state.reset(outer)


def _beside(present: Sequence[tuple[bytes, bytes]], standard: Headers) -> Headers:
    names = {name for name, _ in present}
    return tuple(header for header in standard if header[0] not in names)


@functools.lru_cache(KNOWN_LINES_MAX)
def _known_lines(present: Headers, standard: Headers) -> tuple[bytes, bytes, int] | None:
    """The lines of an answer's own headers, and of what it carries beside them; and how many that are.

    Most answers have the same few. None where the connection ends with the answer.
    """
    if any(name == b"connection" for name, _ in present):
        return None
    rest = _beside(present, standard)
    before, after = (b"".join([b"%b: %b\r\n" % header for header in headers]) for headers in (present, rest))
    return before, after, len(present) + len(rest)
