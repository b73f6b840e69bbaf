"""Takes connections from a listening socket, no more of them than there is room for, in all and from one address.

The framework's own listener takes whatever comes, and counts nothing before the TLS handshake is done: silent callers
could use up every descriptor. Here a connection counts from the moment it is accepted until its socket is closed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from zerosum.gateway.client_address import client_address
from zerosum.services.addresses import Network, is_within

ACCEPTS_MAX = 64
"""Taken in one go, before the event loop gets its turn again."""

HANDSHAKE_SECONDS_MAX = 10.0
PAUSE_SECONDS = 0.2
"""Nothing is taken for so long when the machine has no descriptor left for it."""

EVICTIONS_MAX = 16
EVICTION_SECONDS = 0.1
"""So often at most idle connections are looked for, so that a flood of new ones costs no search each."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Of one process. The peers in `trusted_proxies` carry many callers each and are counted in all only."""

    in_all: int = 4000
    per_address: int = 256
    trusted_proxies: tuple[Network, ...] = ()


class Guest(Protocol):
    """A connection's protocol, as far as the door is concerned."""

    on_lost: Callable[[], None] | None

    @property
    def idle_since(self) -> float | None:
        """When its last request was answered; None while there is one under way, or has been none."""

    def close_idle(self) -> None: ...


class FrontDoor:
    """Behaves like the `asyncio.Server` that it stands in for. `make_guest` makes a protocol for each connection."""

    def __init__(
        self,
        listening: socket.socket,
        make_guest: Callable[[], asyncio.Protocol],
        limits: ConnectionLimits,
        tls: ssl.SSLContext | None,
        *,
        handshake_seconds_max: float = HANDSHAKE_SECONDS_MAX,
    ) -> None:
        self._listening = listening
        self._make_guest = make_guest
        self._limits = limits
        self._tls = tls
        self._handshake_seconds_max = handshake_seconds_max
        self._loop = asyncio.get_running_loop()
        self._guests: set[Guest] = set()
        self._by_address: Counter[str] = Counter()
        self._welcoming: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._evicted_at = 0.0
        self._is_open = False
        self.in_all = 0
        self.turned_away = 0

    def open(self) -> None:
        self._listening.setblocking(False)
        self._is_open = True
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def is_serving(self) -> bool:
        return self._is_open

    def close(self) -> None:
        """Take no more. Those that are in stay."""
        if self._is_open:
            self._is_open = False
            if self._resuming is not None:
                self._resuming.cancel()
            else:
                self._loop.remove_reader(self._listening.fileno())

    async def wait_closed(self) -> None:
        for task in self._welcoming:
            task.cancel()
        await asyncio.gather(*self._welcoming, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                accepted, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(error)
                return
            self._meet(accepted, peer[0] if isinstance(peer, tuple) else "unknown")

    def take(self, accepted: socket.socket, peer: str) -> None:
        """A connection that somebody else has accepted."""
        self._meet(accepted, peer)

    def _meet(self, accepted: socket.socket, peer: str) -> None:
        address = client_address(peer, None, ())
        is_counted = not is_within(peer, self._limits.trusted_proxies)
        if is_counted and self._by_address[address] >= self._limits.per_address:
            self._turn_away(accepted)
            return
        if self.in_all >= self._limits.in_all:
            self._evict_idle()
            if self.in_all >= self._limits.in_all:
                self._turn_away(accepted)
                return
        self.in_all += 1
        if is_counted:
            self._by_address[address] += 1
        task = self._loop.create_task(self._welcome(accepted, address if is_counted else None))
        self._welcoming.add(task)
        task.add_done_callback(self._welcoming.discard)

    def _turn_away(self, accepted: socket.socket) -> None:
        self.turned_away += 1
        accepted.close()

    async def _welcome(self, accepted: socket.socket, address: str | None) -> None:
        guests: list[Guest] = []

        def make_guest() -> asyncio.Protocol:
            made = self._make_guest()
            guests.append(made)  # type: ignore[arg-type]
            return made

        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            seconds = None if self._tls is None else self._handshake_seconds_max
            await self._loop.connect_accepted_socket(make_guest, accepted, ssl=self._tls, ssl_handshake_timeout=seconds)
        except (OSError, ssl.SSLError, TimeoutError, asyncio.CancelledError):
            accepted.close()
            self._forget(address)
            return
        (guest,) = guests
        self._guests.add(guest)

        def leave() -> None:
            self._guests.discard(guest)
            self._forget(address)

        if getattr(guest, "is_lost", False):
            leave()
        else:
            guest.on_lost = leave

    def _forget(self, address: str | None) -> None:
        self.in_all -= 1
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _evict_idle(self) -> None:
        """Those idle for longest make room: who comes back finds the door, and who is new must not wait for them."""
        now = time.monotonic()
        if now < self._evicted_at + EVICTION_SECONDS:
            return
        self._evicted_at = now
        idle = sorted((guest.idle_since, id(guest), guest) for guest in self._guests if guest.idle_since is not None)
        for _, _, guest in idle[:EVICTIONS_MAX]:
            guest.close_idle()

    def _pause(self, error: OSError) -> None:
        _log.error("no connection can be taken: %s", error)
        self._loop.remove_reader(self._listening.fileno())
        self._evict_idle()
        self._resuming = self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._resuming = None
        self._loop.add_reader(self._listening.fileno(), self._accept)


def accept_waiting(listening: socket.socket, at_most: int) -> Sequence[tuple[socket.socket, str]]:
    """Connections that wait in the queue of a socket that will be closed."""
    found: list[tuple[socket.socket, str]] = []
    listening.setblocking(False)
    for _ in range(at_most):
        try:
            accepted, peer = listening.accept()
        except OSError:
            break
        found.append((accepted, peer[0] if isinstance(peer, tuple) else "unknown"))
    return found
