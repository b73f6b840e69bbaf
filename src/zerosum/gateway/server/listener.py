"""Takes connections from a listening socket, as long as there is room for them.

Done here and not by the loop: the loop takes whatever comes, TLS handshakes that never end as well, and stops
listening for ever when the process has no file left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from zerosum.domain.errors import Overloaded
from zerosum.gateway.server.connection_register import ConnectionRegister
from zerosum.gateway.server.http_server import ARRIVAL_SECONDS_MAX, UNREAD_SECONDS_MAX, GuardedProtocol
from zerosum.gateway.server.last_words import last_words

HANDSHAKE_SECONDS_MAX = ARRIVAL_SECONDS_MAX
ACCEPTED_AT_ONCE_MAX = 16
"""Then the connections that are there already have a turn."""

QUEUED_MAX = 4096
"""Of those who are still taken when listening ends: more than the system lets wait."""

PAUSE_SECONDS = 0.1
"""Nobody is accepted for so long after the system could not give us another file."""

_GIVEN_UP = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO)
"""By its peer, or refused by the system's own rules, while it waited: the next one may be better."""

_UNREAD_BYTES_MAX = 65_536

NOT_SENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
UNSENT_BYTES = 64 * 1024
"""What the system takes of an answer before its peer takes any: else it is megabytes, where nobody counts them."""

_log = logging.getLogger(__name__)


class Listener:
    """Has the methods that uvicorn calls of an asyncio server."""

    def __init__(
        self,
        listening: socket.socket,
        register: ConnectionRegister,
        make_protocol: Callable[[], GuardedProtocol],
        tls: ssl.SSLContext | None,
        handshake_seconds_max: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._register = register
        self._make_protocol = make_protocol
        self._transport_options: dict[str, Any] = {}
        if tls is not None:
            self._transport_options = {
                "ssl": tls,
                "ssl_handshake_timeout": handshake_seconds_max,
                "ssl_shutdown_timeout": UNREAD_SECONDS_MAX,
            }
        self._is_serving = False
        self._retry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._listening.setblocking(False)
        self._is_serving = True
        self._loop.add_reader(self._listening.fileno(), self._on_ready)

    def is_serving(self) -> bool:
        return self._is_serving

    def close(self) -> None:
        """Whoever waits in the queue is still taken: closing the socket would reset their connections."""
        if not self._is_serving:
            return
        self._is_serving = False
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listening.fileno())
        for _ in range(QUEUED_MAX):
            if not self._accept_one():
                break
        self._listening.close()

    async def wait_closed(self) -> None:
        return

    def _on_ready(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE_MAX):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
        """False: nobody waits, or nobody can be taken now."""
        try:
            accepted, address = self._listening.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in _GIVEN_UP:
                return True
            self._pause(error)
            return False
        # Of a Unix socket there is no address; all who come by it are one.
        peer = address[0] if isinstance(address, tuple) else ""
        if self._register.comes_too_fast(peer):
            accepted.close()  # Without a word: this is to cost us as little as can be.
            return True
        accepted.setblocking(False)
        if self._register.find_room(peer):
            self._take(accepted, peer)
        else:
            self._turn_away(accepted)
        return True

    def _take(self, accepted: socket.socket, peer: str) -> None:
        if accepted.family in (socket.AF_INET, socket.AF_INET6):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if NOT_SENT_LOWAT is not None:
                accepted.setsockopt(socket.IPPROTO_TCP, NOT_SENT_LOWAT, UNSENT_BYTES)
        protocol = self._make_protocol()
        protocol.belong_to(self._register, peer)
        opening = self._loop.connect_accepted_socket(lambda: protocol, accepted, **self._transport_options)
        protocol.opening = self._loop.create_task(opening, name="connection")
        protocol.opening.add_done_callback(functools.partial(self._opened, protocol, accepted))

    def _opened(self, protocol: GuardedProtocol, accepted: socket.socket, opening: asyncio.Task[Any]) -> None:
        protocol.opening = None
        error = None if opening.cancelled() else opening.exception()
        if opening.cancelled() or error is not None:
            # It gave way to another, its handshake failed or took too long, or it went away.
            self._register.leave(protocol)
            accepted.close()
        if error is not None and not isinstance(error, OSError):
            _log.error("a connection could not be opened", exc_info=error)

    def _turn_away(self, accepted: socket.socket) -> None:
        with accepted:
            if self._transport_options:
                return
            with contextlib.suppress(OSError):
                accepted.recv(_UNREAD_BYTES_MAX)  # or closing it would take our answer away from the peer
            with contextlib.suppress(OSError):
                accepted.send(last_words(503, Overloaded("There are too many connections; nothing was done.")))

    def _pause(self, error: OSError) -> None:
        """Without a file for it, a connection stays in the queue, and asking again at once would find the same."""
        if not self._is_serving:
            return
        _log.warning("no connection can be accepted", extra={"why": error.strerror})
        self._register.make_room()
        self._loop.remove_reader(self._listening.fileno())
        self._retry = self._loop.call_later(PAUSE_SECONDS, self.start)
