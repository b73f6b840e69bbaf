"""uvicorn's HTTP/1.1 protocol with what it lacks: an end to every request that does not arrive, late or endless.

What a connection is doing, until what, and how long it may:

| state | until | at most |
| --- | --- | --- |
| new: nothing has come, or empty lines | its first request begins | `arrival_seconds_max` |
| arriving: a request has begun | it is there whole | `arrival_seconds_max`, but for its turns |
| in work: a whole request waits | the answer is written | what the application gives itself |
| waiting for its turn: more has come at once than can be begun | it is its turn (`turns.py`) | what all others take |
| idle: all is answered | the next request begins | `idle_seconds_max` |
| unread: answers wait for the peer | it has read them | `unread_seconds_max`; `drain_seconds_max` while it reads |
| resting: it has asked too often | nothing; nothing is read either | `REST_SECONDS_MAX` |
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import socket
import struct
from typing import Any, ClassVar

import httptools

from zerosum.domain.errors import DomainError, HeadersTooLarge, InvalidRequest, RequestTimeout, UriTooLong
from zerosum.gateway.guards.request_guard import HEADER_BYTES_MAX, TARGET_BYTES_MAX
from zerosum.gateway.request_state import REST, WHOLE_ANSWER
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX
from zerosum.gateway.server.client_certificate import TLS, tls_extension
from zerosum.gateway.server.connection_register import ARRIVING, IDLE, UNPROVED, ConnectionRegister, Standing
from zerosum.gateway.server.last_words import last_words
from zerosum.gateway.server.outlet import Outlet, write_whole
from zerosum.gateway.server.takes_turns import TakesTurns

ARRIVAL_SECONDS_MAX = 10.0
"""A request has this long to arrive whole, from the opening of the connection or its own first byte."""

IDLE_SECONDS_MAX = 60.0
UNREAD_SECONDS_MAX = 10.0
DRAIN_SECONDS_MAX = 60.0
REST_SECONDS_MAX = 2.0

LINGER_SECONDS_MAX = 1.0
LINGER_BYTES_MAX = 256 * 1024
"""So long, and so much of what it still sends, a peer is listened to after our last words.

From one that has sent a whole request before, a message is taken to its end: its caller is to read that it was too
large.
"""

UNREAD_BYTES_HIGH = 64 * 1024
"""While more of its answers than this wait for the peer to read them, its next request is not begun."""

PIPELINED_MAX = 128
"""Requests that wait behind the one in work. Those beyond are not answered: the connection ends before them."""

OFFERS = (b"upgrade", b"http2-settings")
"""What belongs to an offer of another protocol, as fields and as tokens of Connection."""

HEAD_BYTES_MAX = 2 * (TARGET_BYTES_MAX + HEADER_BYTES_MAX)
"""A head that has not ended by here never will. One that ends is judged, more strictly, by the gateway layer."""

MESSAGE_BYTES_MAX = 2 * BULK_BODY_BYTES_MAX
"""On the wire, with all chunk sizes and extensions: more of it than of body is an attack."""

_AT_ONCE = struct.pack("ii", 1, 0)


class GuardedProtocol(TakesTurns):
    """Closes silent, trickling, deaf and endless connections. A request that arrives at once costs no timer."""

    arrival_seconds_max: ClassVar[float] = ARRIVAL_SECONDS_MAX
    idle_seconds_max: ClassVar[float] = IDLE_SECONDS_MAX
    unread_seconds_max: ClassVar[float] = UNREAD_SECONDS_MAX
    drain_seconds_max: ClassVar[float] = DRAIN_SECONDS_MAX

    address: str
    number: int
    opening: asyncio.Task[Any] | None = None
    """From the moment it is accepted until it can be read: over TLS, the handshake."""

    _register: ConnectionRegister
    _is_open = False
    _is_lingering = False
    """All is said; what still comes is not looked at."""
    _is_unwanted = False
    _tls: dict[str, Any] | None = None
    _has_proved = False
    """A whole request has come."""
    _is_incomplete = False
    _has_head = False
    _is_offered_another_protocol = False
    _bytes_so_far = 0
    _rest_seconds = 0.0
    _rest_timer: asyncio.TimerHandle | None = None
    _unread_bytes = 0
    _unread_from: float | None = None
    _unread_since = 0.0

    def belong_to(self, register: ConnectionRegister, peer: str) -> None:
        """Called when it is accepted."""
        self._register, self.turns = register, register.turns
        register.enter(self, peer)

    # --- The transport ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_open = True
        self._outlet = Outlet(self.transport, self.end)
        transport.set_write_buffer_limits(high=UNREAD_BYTES_HIGH)
        self._since = self._register.now
        if self._is_unwanted:
            transport.abort()
        elif self.scheme == "https":
            self._tls = tls_extension(transport.get_extra_info("ssl_object"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._register.leave(self)
        if self._rest_timer is not None:
            self._rest_timer.cancel()
        super().connection_lost(exc)

    def _take(self, data: bytes) -> None:
        if self._is_lingering:
            self._bytes_so_far += len(data)
            if self._bytes_so_far > (MESSAGE_BYTES_MAX if self._has_proved else LINGER_BYTES_MAX):
                self.transport.close()
            return
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse_in_turn(400, InvalidRequest("The request is not well-formed HTTP/1.1."))
            return
        if self._is_incomplete:
            self._bytes_so_far += len(data)
            self._check_size()
        elif self.cycle is None or self.cycle.response_complete:
            self._bytes_so_far += len(data)  # Of empty lines, which belong to no request.
            if self._bytes_so_far > HEAD_BYTES_MAX:
                self.transport.close()

    def _feed(self, data: bytes) -> None:
        """An offer of another protocol is not taken up, and what carries it is a request like any other.

        The parser would leave its body unread, which RFC 9110 section 7.8 lets nobody do. It is given the same head
        again, without the offer, and then the rest.
        """
        for _ in range(PIPELINED_MAX):
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as paused:
                if not self._is_offered_another_protocol:
                    raise httptools.HttpParserError("CONNECT") from None
                data = self._head_without_offer() + data[paused.args[0] :]
                self._is_offered_another_protocol = False
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
            else:
                return
        raise httptools.HttpParserError("too many offers at once")

    def _head_without_offer(self) -> bytes:
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in OFFERS)  # noqa: PLW2901
            if name not in OFFERS:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def pause_writing(self) -> None:
        super().pause_writing()
        self._register.is_unread(self, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._register.is_read(self)
        self._unread_from = None
        if self._is_held and not self.transport.is_closing():
            self._go_on()

    # --- The parser ---

    def on_message_begin(self) -> None:
        if self.pipeline and len(self.pipeline) >= PIPELINED_MAX:
            raise ValueError("more requests at once than are answered")
        self._is_incomplete = True
        self._has_head = False
        self._bytes_so_far = 0
        self._since = self._register.now
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # Behind the body: a trailer is never taken for a header (RFC 9110 section 6.5.1).
        name = name.lower()
        value = value.strip(b" \t")  # The parser leaves on what stands behind it (RFC 9112 section 5.1).
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_head = True
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_offered_another_protocol = True
            return
        extensions = self.scope["extensions"] = self._extensions()
        super().on_headers_complete()
        self.cycle.transport = self._outlet  # type: ignore[assignment]
        extensions[WHOLE_ANSWER] = functools.partial(write_whole, self.cycle)

    def _extensions(self) -> dict[str, Any]:
        """What this connection offers to each of its requests beside ASGI."""
        return {REST: self._rest} if self._tls is None else {REST: self._rest, TLS: self._tls}

    def on_message_complete(self) -> None:
        if self._is_offered_another_protocol:
            return  # The request begins anew in a moment.
        self._is_incomplete = False
        self._has_proved = True
        self._bytes_so_far = 0
        super().on_message_complete()

    # --- The application ---

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._is_lingering:
            return
        self._since = self._register.now
        if self.pipeline or self._rest_seconds or self.flow.read_paused or self.flow.write_paused:
            self._go_on()

    def _go_on(self) -> None:
        """To the next request, in a context of its own: what has answered the one before may be what calls this.

        A proxy's connection carries many callers, and whose trace it is stands in the context.
        """
        contextvars.Context().run(self._begin_next)

    def _begin_next(self) -> None:
        """Not while the connection rests, nor while its answers are not read."""
        if self._rest_seconds:
            self._rest_timer = self.loop.call_later(self._rest_seconds, self._end_rest)
            self._rest_seconds = 0.0
        self._is_held = self._rest_timer is not None or self.flow.write_paused
        if self._is_held:
            self.flow.pause_reading()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def _rest(self, seconds: float) -> None:
        """Read nothing for a while after the answer to the request in work, or from now if it is given."""
        self._rest_seconds = min(seconds, REST_SECONDS_MAX)
        if self.cycle.response_complete and not self.pipeline and not self.transport.is_closing():
            self._go_on()

    def _end_rest(self) -> None:
        self._rest_timer = None
        self._since = self._register.now
        if self._is_held and not self.transport.is_closing():
            self._go_on()

    # --- The register ---

    def standing(self) -> Standing | None:
        if self._pieces_waiting:
            return None
        if not self._has_proved or self._is_lingering:
            return UNPROVED, 0.0
        if self._is_in_work():
            return None
        return (ARRIVING if self._is_incomplete else IDLE), self._since

    def give_way(self) -> None:
        self._is_unwanted = True
        if self._is_open:
            self._abort()
        elif self.opening is not None and self.config.is_ssl:
            self.opening.cancel()
        # Without a handshake it opens in a moment, and a loop that is stopped in that moment forgets to close it.

    def check_time(self, now: float) -> None:
        if not self._is_open or self._rest_timer is not None or self._pieces_waiting:
            return
        if self.flow.write_paused or self.transport.is_closing():
            self._check_reader(now)
        elif self._is_lingering:
            if now - self._since > LINGER_SECONDS_MAX:
                self.transport.close()
        elif not self._is_in_work():
            is_idle = self._has_proved and not self._is_incomplete
            if now - self._since > (self.idle_seconds_max if is_idle else self.arrival_seconds_max):
                self._on_late()

    def _is_at_rest(self) -> bool:
        """Nothing is on its way, and nothing stands in the way of the next request."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not (self._is_incomplete or self._is_held or self._is_lingering or self._bytes_so_far)
            and not self.transport.is_closing()
        )

    def _is_in_work(self) -> bool:
        if self.pipeline:
            return True
        if self.cycle is None or self.cycle.response_complete:
            return False
        return not (self._is_incomplete and self._has_head)

    def _check_reader(self, now: float) -> None:
        unread = self.transport.get_write_buffer_size()
        if self._unread_from is None:
            self._unread_from = self._unread_since = now
            self._unread_bytes = unread
        elif unread < self._unread_bytes:
            self._unread_since = now
            self._unread_bytes = unread
        is_deaf = now - self._unread_since > self.unread_seconds_max
        if is_deaf or now - self._unread_from > self.drain_seconds_max:
            self._abort()

    def _abort(self) -> None:
        if self.transport.get_write_buffer_size():
            # What the system holds of the answer goes too, instead of waiting for the peer without us.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _on_late(self) -> None:
        if self._is_incomplete and not (self._has_head and self.cycle.response_started):
            self._refuse(408, RequestTimeout("The request did not arrive in time; send it again, whole."))
        else:
            self.transport.close()  # Silent, or still sending what was refused long ago.

    # --- Refusals ---

    def _check_size(self) -> None:
        if not self._has_head and self._bytes_so_far > HEAD_BYTES_MAX:
            if len(self.url) > TARGET_BYTES_MAX:
                self._refuse_in_turn(414, UriTooLong(f"The address has at most {TARGET_BYTES_MAX} bytes."))
            else:
                self._refuse_in_turn(431, HeadersTooLarge(f"The header has at most {HEADER_BYTES_MAX} bytes."))
        elif self._bytes_so_far > MESSAGE_BYTES_MAX:
            self._refuse_in_turn(400, InvalidRequest("The body is wrapped in too much framing."))

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
        if self.transport.is_closing() or self._is_lingering:
            return
        headers = self.headers or []
        self.transport.write(last_words(status, error, getattr(self, "url", b"") or b"/", headers))
        self._close_gently()
        count = getattr(self.app, "count_refused", None)
        if count is not None:
            scope = {"type": "http", "method": "", "path": "", "client": self.client, "headers": headers}
            task = self.loop.create_task(count(scope, status), name="refusal")
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def end(self) -> None:
        """With the answer that was written last; gently where more of its request is on its way."""
        if self._is_incomplete:
            self._close_gently()
        else:
            self.transport.close()

    def _close_gently(self) -> None:
        """Closing while more comes in would take our last words away from the peer (RFC 9112 section 9.6)."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._is_lingering = True
        self._register.was_in_vain(self)
        self._since = self._register.now
        self._bytes_so_far = 0
        self.transport.write_eof()
        self.flow.resume_reading()
