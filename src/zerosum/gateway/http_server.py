"""uvicorn's HTTP/1.1 protocol with what it lacks: an end to every request that does not arrive, late or endless."""

from __future__ import annotations

import asyncio
import functools
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from zerosum.domain.errors import DomainError, HeadersTooLarge, InvalidRequest, RequestTimeout, UriTooLong
from zerosum.gateway.exchange import WHOLE_ANSWER
from zerosum.gateway.request_guard import HEADER_BYTES_MAX, TARGET_BYTES_MAX, harmless_request_id
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX

ARRIVAL_SECONDS_MAX = 10.0
"""A request has this long to arrive whole, from the opening of the connection or its own first byte."""

HEAD_BYTES_MAX = 2 * (TARGET_BYTES_MAX + HEADER_BYTES_MAX)
"""A head that has not ended by here never will. One that ends is judged, more strictly, by the gateway layer."""

MESSAGE_BYTES_MAX = 2 * BULK_BODY_BYTES_MAX
"""On the wire, with all chunk sizes and extensions: more of it than of body is an attack."""


class GuardedProtocol(HttpToolsProtocol):
    """Closes silent, trickling and endless connections. A request that arrives at once costs no timer."""

    arrival_seconds_max: ClassVar[float] = ARRIVAL_SECONDS_MAX

    _arrival_timer: asyncio.TimerHandle | None = None
    _is_incomplete = False
    _has_head = False
    _bytes_so_far = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_incomplete:
            self._stop_timer()
        elif not self.transport.is_closing():
            if self._arrival_timer is None:
                self._start_timer()
            self._bytes_so_far += len(data)
            self._check_size()

    def on_message_begin(self) -> None:
        self._is_incomplete = True
        self._has_head = False
        self._bytes_so_far = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_head = True
        super().on_headers_complete()
        self.scope["extensions"] = {WHOLE_ANSWER: functools.partial(_write_whole, self.cycle)}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        self._is_incomplete = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, not ours
        self._refuse_in_turn(400, InvalidRequest("The request is not well-formed HTTP/1.1."))

    def _check_size(self) -> None:
        if not self._has_head and self._bytes_so_far > HEAD_BYTES_MAX:
            if len(self.url) > TARGET_BYTES_MAX:
                self._refuse_in_turn(414, UriTooLong(f"The address has at most {TARGET_BYTES_MAX} bytes."))
            else:
                self._refuse_in_turn(431, HeadersTooLarge(f"The header has at most {HEADER_BYTES_MAX} bytes."))
        elif self._bytes_so_far > MESSAGE_BYTES_MAX:
            self._refuse_in_turn(400, InvalidRequest("The body is wrapped in too much framing."))

    def _on_late(self) -> None:
        self._arrival_timer = None
        if self.transport.is_closing():
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if not self._is_incomplete or (self._has_head and self.cycle.response_started):
            self.transport.close()  # Silent from the beginning, or still sending what was refused long ago.
        elif self._has_head or is_idle:
            self._refuse(408, RequestTimeout("The request did not arrive in time; send it again, whole."))
        else:
            self._start_timer()  # The answer to the request before comes first.

    def _refuse_in_turn(self, status: int, error: DomainError) -> None:
        """A request before it, whose answer is still to come, must not be given this one."""
        is_latest_its_own = self._has_head and self._is_incomplete
        if self.cycle is None or self.cycle.response_complete or (is_latest_its_own and not self.pipeline):
            self._refuse(status, error)
            return
        self.flow.pause_reading()
        if not is_latest_its_own:
            self.cycle.keep_alive = False  # The connection ends with the last answer that is due.
        # Else the request waits for its turn, and then for the rest of itself, until its time is up.

    def _refuse(self, status: int, error: DomainError) -> None:
        """The last words on this connection, outside of any application, in the form of all problems."""
        request_id = self._request_id()
        target = self.url.partition(b"?")[0] if getattr(self, "url", b"") else b"/"
        body = orjson.dumps(
            {
                "type": f"urn:zerosum:problem:{error.code}",
                "title": error.title,
                "status": status,
                "detail": error.detail,
                "instance": target[:TARGET_BYTES_MAX].decode("ascii", "replace"),
                "code": error.code,
                "request_id": request_id,
                "retryable": error.retryable,
            }
        )
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"content-type: application/problem+json\r\nx-request-id: {request_id}\r\n"
            "x-content-type-options: nosniff\r\ncache-control: no-store\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _request_id(self) -> str:
        for name, value in self.headers or ():
            if name == b"x-request-id":
                return harmless_request_id(value) or secrets.token_hex(12)
        return secrets.token_hex(12)

    def _start_timer(self) -> None:
        self._arrival_timer = self.loop.call_later(self.arrival_seconds_max, self._on_late)

    def _stop_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None


def _write_whole(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes) -> bool:
    """Send a whole answer in one write, as `send` would in two. False where that needs more thought: use `send`.

    `head` is lines that end in CRLF, free of what a header must not hold.
    """
    if (
        cycle.response_started
        or cycle.disconnected
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.default_headers
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"%bcontent-length: %d\r\n%b\r\n%b" % (STATUS_LINE[status], len(body), head, body))
    cycle.message_event.set()
    cycle.on_response()
    return True


def tls_options(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """Both or neither."""
    return {} if certificate is None else {"ssl_certfile": certificate, "ssl_keyfile": key}


def server_options(**options: Any) -> dict[str, Any]:
    """The options of `uvicorn.Config` every server of ours has."""
    return {
        "http": GuardedProtocol,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        # Whose X-Forwarded-For is believed is the gateway layer's to judge.
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
        "timeout_keep_alive": 60,
        "log_config": None,
        **options,
    }
