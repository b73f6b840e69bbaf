"""One request and its answer, as far as they have come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

from zerosum.domain.errors import DomainError
from zerosum.gateway.principal import Principal
from zerosum.gateway.request_guard import Receive
from zerosum.gateway.routing import Answer

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

WHOLE_ANSWER = "zerosum.whole_answer"
"""Our server's extension of ASGI: a call that sends status, headers and body at once, if it can.

(status, lines of headers, body) -> whether it was sent."""

REST = "zerosum.rest"
"""Our server's extension of ASGI: a call that lets the connection rest for some seconds after this answer."""

current_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""Set where requests are traced, for what is done and logged meanwhile."""

_NONE: dict[str, Any] = {}
_STANDARD_HEADERS: Headers = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_WITHOUT_LENGTH = frozenset({204, 304})
"""Answers that have no body, and say nothing of its length."""


def standard_headers(hsts_seconds: int = 0) -> Headers:
    """What every answer carries unless it says otherwise itself. With a time, that it comes by TLS so long."""
    hsts = ((b"strict-transport-security", b"max-age=%d" % hsts_seconds),) if hsts_seconds else ()
    return (*_STANDARD_HEADERS, *hsts)


class Exchange:
    """`is_dispatched` says that the endpoint was called, `is_started` that the answer is on its way.

    `is_charged` says that it has been held against the rate limits.
    """

    __slots__ = (
        "address",
        "body_is_read",
        "body_is_short",
        "caller_address",
        "is_charged",
        "is_dispatched",
        "is_started",
        "path",
        "principal",
        "rate_headers",
        "receive",
        "refusal",
        "request_id",
        "scope",
        "send",
        "span",
        "standard_headers",
        "status",
        "template",
        "trace_id",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, standard_headers: Headers = _STANDARD_HEADERS
    ) -> None:
        self.scope = scope
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
        self.trace_id = ""
        self.span: object = None
        """Where requests are traced: what the work done for this one refers to."""
        self.status = 0
        self.principal: Principal | None = None
        """Who calls, once that is known."""
        self.refusal: DomainError | None = None
        """Why it was refused, where that was here."""
        self.rate_headers: Headers = ()
        self.body_is_read = False
        self.body_is_short = False
        """It has a length, and so small a one that the server may read past it."""
        self.is_charged = False
        self.is_dispatched = False
        self.is_started = False

    @classmethod
    def over(cls, scope: Scope) -> Exchange:
        """One in which there is nothing more to receive, and nobody to send to."""

        async def nothing(*_: Any) -> None:
            return None

        return cls(scope, nothing, nothing)

    def extension(self, name: str) -> Any:
        """What our server offers besides ASGI; None under another server."""
        return self.scope.get("extensions", _NONE).get(name)

    async def answer(self, answer: Answer) -> None:
        self.status = answer.status
        self.is_started = True
        headers = [*answer.headers, *self.headers(answer.headers)]
        connection_ends = any(name == b"connection" for name, _ in answer.headers)
        write_whole = self.extension(WHOLE_ANSWER)
        has_length = answer.status not in _WITHOUT_LENGTH
        if write_whole is not None and has_length and not connection_ends:
            head = b"".join([b"%b: %b\r\n" % header for header in headers])
            if head.count(b"\n") == len(headers) and write_whole(answer.status, head, answer.body):
                return
        if has_length:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})

    def headers(self, present: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """What every answer carries, beside the headers it has already."""
        names = {name for name, _ in present}
        headers = [(b"x-request-id", self.request_id.encode("ascii"))]
        headers += [header for header in self.standard_headers if header[0] not in names]
        headers += self.rate_headers
        return headers
