"""uvicorn's HTTP/1.1 protocol with what it lacks: an end to every request that does not arrive, late or endless.

A connection is always in one of four states, and each has an end that no bytes of the caller can put off:

| state | ends |
| --- | --- |
| no whole request yet | `arrival_seconds_max` after it began |
| a request in work | with its answer; the gateway layer bounds that |
| an answer that the caller does not take | `unread_seconds_max` after so little of it was taken last |
| between two requests | the keep-alive time after the last answer |
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

import httptools
import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from zerosum.domain.errors import DomainError, HeadersTooLarge, InvalidRequest, RequestTimeout, UriTooLong
from zerosum.gateway.exchange import REST, TLS, WHOLE_ANSWER
from zerosum.gateway.request_guard import HEADER_BYTES_MAX, TARGET_BYTES_MAX, harmless_request_id
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX

ARRIVAL_SECONDS_MAX = 10.0
"""A request has this long to arrive whole, from the opening of the connection or its own first byte."""

HEAD_BYTES_MAX = 2 * (TARGET_BYTES_MAX + HEADER_BYTES_MAX)
"""A head that has not ended by here never will. One that ends is judged, more strictly, by the gateway layer."""

MESSAGE_BYTES_MAX = 2 * BULK_BODY_BYTES_MAX
"""On the wire, with all chunk sizes and extensions: more of it than of body is an attack."""

UNREAD_SECONDS_MAX = 10.0
UNREAD_PROGRESS_BYTES = 32 * 1024
"""Who takes less of an answer than this within that time is given up, with all that is kept for it."""

PIPELINED_MAX = 128
"""Requests that wait for the answer to the one before. Who sends more without reading is given up."""

REST_SECONDS_MAX = 2.0


class RestingFlow(FlowControl):
    """Reading that is paused for a rest stays paused, whoever else wants it to go on."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.is_resting = False

    def resume_reading(self) -> None:
        if not self.is_resting:
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """Closes silent, trickling, endless and deaf connections. A request that arrives at once costs no timer."""

    arrival_seconds_max: ClassVar[float] = ARRIVAL_SECONDS_MAX
    unread_seconds_max: ClassVar[float] = UNREAD_SECONDS_MAX

    flow: RestingFlow
    on_lost: Callable[[], None] | None = None
    """For whoever counts connections."""

    is_lost = False

    _arrival_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None
    _is_incomplete = False
    _has_head = False
    _bytes_so_far = 0
    _coding: bytes | None = None
    _idle_since: float | None = None
    _tls: dict[str, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = RestingFlow(transport)
        self._tls = peer_certificate(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._stop_timer()
        for timer in (self._unread_timer, self._rest_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        """Not uvicorn's own: there any byte puts off the end of an idle connection, also one that begins nothing."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("")
            return
        except httptools.HttpParserUpgrade:
            pass  # Nothing is upgraded here; the request is answered as it is.
        if self._is_incomplete and not self.transport.is_closing():
            if self._arrival_timer is None:
                self._start_timer()
            self._bytes_so_far += len(data)
            self._check_size()

    def on_message_begin(self) -> None:
        self._unset_keepalive_if_required()
        self._idle_since = None
        self._is_incomplete = True
        self._has_head = False
        self._bytes_so_far = 0
        self._coding = None
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # A trailer (RFC 9110, 6.5): whatever it says was not there when the request was judged.
        name = name.lower()
        value = value.strip(b" \t")
        if name == b"transfer-encoding":
            self._coding = value.lower() if self._coding is None else b"more than one"
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise ValueError("not a version that is spoken here")
        if self._coding is not None and (self._coding != b"chunked" or version == "1.0"):
            raise ValueError("not a coding that is taken here")
        if len(self.pipeline) >= PIPELINED_MAX:
            self.transport.abort()
            return
        self._has_head = True
        super().on_headers_complete()
        extensions: dict[str, Any] = {WHOLE_ANSWER: functools.partial(_write_whole, self.cycle), REST: self.rest}
        if self._tls is not None:
            extensions[TLS] = self._tls
        self.scope["extensions"] = extensions

    def on_message_complete(self) -> None:
        self._is_incomplete = False
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._rest_timer is not None:
            return  # What comes next comes after the rest.
        super().on_response_complete()
        if not self.pipeline and not self._is_incomplete:
            self._idle_since = time.monotonic()

    def rest(self, seconds: float) -> None:
        """Read nothing more after the present answer, and begin nothing that was read already, for so long."""
        if self._rest_timer is None and not self.transport.is_closing():
            self.flow.pause_reading()
            self.flow.is_resting = True
            self._rest_timer = self.loop.call_later(min(seconds, REST_SECONDS_MAX), self._on_rested)

    def _on_rested(self) -> None:
        self._rest_timer = None
        self.flow.is_resting = False
        if self.cycle is None or self.cycle.response_complete or self.pipeline:
            self.on_response_complete()
        else:
            self.flow.resume_reading()

    @property
    def idle_since(self) -> float | None:
        return self._idle_since

    def close_idle(self) -> None:
        if self._idle_since is not None:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread_timer is None:
            self._watch_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _watch_unread(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._unread_timer = self.loop.call_later(self.unread_seconds_max, self._on_unread, unread)

    def _on_unread(self, unread_before: int) -> None:
        """The buffer only shrinks meanwhile: nothing is written to a connection that is full."""
        if unread_before - self.transport.get_write_buffer_size() < UNREAD_PROGRESS_BYTES:
            self.transport.abort()
        else:
            self._watch_unread()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, not ours
        if self.transport.is_closing():
            return
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


def peer_certificate(transport: asyncio.Transport) -> dict[str, Any] | None:
    """What the caller's verified certificate says (ASGI's TLS extension); None where there is none.

    `client_cert_name` is its subject (RFC 4514), `client_cert_sha256` its fingerprint.
    """
    tls = transport.get_extra_info("ssl_object")
    encoded = None if tls is None else tls.getpeercert(binary_form=True)
    if not encoded:
        return None
    certificate = x509.load_der_x509_certificate(encoded)
    return {
        "client_cert_name": certificate.subject.rfc4514_string(),
        "client_cert_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def tls_options(certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> dict[str, Any]:
    """Certificate and key: both or neither. With `client_ca` callers may show a certificate that it has signed."""
    if certificate is None:
        return {}
    options: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key}
    if client_ca is not None:
        options |= {"ssl_ca_certs": str(client_ca), "ssl_cert_reqs": ssl.CERT_OPTIONAL}
    return options


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
