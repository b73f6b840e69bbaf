"""Sends webhooks: to addresses that were judged, within bounds of time and size, and nowhere else.

A name is asked for once, each of its addresses is judged, and the connection goes to one of exactly these: whoever
changes the name meanwhile changes nothing. TLS and the Host header are those of the name. No redirects are followed, no
proxies taken from the environment.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult

import httpx

from zerosum.adapters.address_guard import Address, AddressGuard, UrlNotAllowed, literal_address
from zerosum.adapters.name_resolver import Resolver, ResolversBusy
from zerosum.adapters.webhook_connection import NoAnswer, WebhookConnection

CONNECT_SECONDS_MAX = 5.0
TOTAL_SECONDS_MAX = 15.0
DRAIN_SECONDS_MAX = 1.0

ADDRESSES_TRIED_MAX = 2
IDLE_SECONDS_MAX = 15.0
IDLE_MAX = 256
"""Connections that wait for another request, in all."""

URLS_KEPT = 1_000

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""The addresses of a name. Raises OSError where it has none."""

Connect = Callable[[str, int, ssl.SSLContext | None, str], Awaitable[WebhookConnection]]
"""To an address and port, with TLS of a name. Raises OSError."""

_Place = tuple[str, str]
"""Scheme, and host with its port."""


class SendFailed(Exception):
    """No answer came. `code` says why in a word: unreachable, timeout, tls_failed, name_unknown, url_not_allowed,
    protocol_error; names_busy says nothing of the receiver."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    retry_after: str


async def connect(address: str, port: int, tls: ssl.SSLContext | None, host: str) -> WebhookConnection:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_SECONDS_MAX):
        _, connection = await loop.create_connection(
            WebhookConnection, address, port, ssl=tls, server_hostname=None if tls is None else host
        )
    return connection


class WebhookClient:
    """Keeps connections that have done well, for a while. How many are used at once is the caller's business."""

    def __init__(
        self,
        guard: AddressGuard,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        connect: Connect = connect,
        seconds_max: float = TOTAL_SECONDS_MAX,
    ) -> None:
        self._guard = guard
        self._check_url = lru_cache(URLS_KEPT)(guard.check_url)
        """What a URL is judged by does not change; its addresses are judged whenever a connection is made."""
        self._resolver = Resolver()
        self._resolve = resolve or self._resolver
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._connect = connect
        self._seconds_max = seconds_max
        self._idle: dict[_Place, deque[WebhookConnection]] = {}
        self._idle_number = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises SendFailed."""
        try:
            parts = self._check_url(url)
            return await self._post(parts, _request(parts, headers, body))
        except UrlNotAllowed:
            raise SendFailed("url_not_allowed") from None
        except TimeoutError:
            raise SendFailed("timeout") from None
        except NoAnswer:
            raise SendFailed("protocol_error") from None
        except ResolversBusy:
            raise SendFailed("names_busy") from None
        except socket.gaierror:
            raise SendFailed("name_unknown") from None
        except ssl.SSLError:
            raise SendFailed("tls_failed") from None
        except (OSError, ValueError):
            raise SendFailed("unreachable") from None

    async def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        self._resolver.close()

    async def _post(self, parts: SplitResult, request: bytes) -> Answered:
        place, clock = (parts.scheme, parts.netloc), asyncio.get_running_loop().time
        deadline = clock() + self._seconds_max
        kept = self._taken(place)
        if kept is not None:
            try:
                return await self._ask(place, kept, request, self._seconds_max)
            except NoAnswer as failure:
                if not failure.is_unused:
                    raise
                # It was closed while nobody looked.
        async with asyncio.timeout_at(deadline):
            connection = await self._connected(parts)
        return await self._ask(place, connection, request, deadline - clock())

    async def _ask(self, place: _Place, connection: WebhookConnection, request: bytes, seconds_max: float) -> Answered:
        try:
            status = await connection.ask(request, seconds_max)
            await connection.drain(DRAIN_SECONDS_MAX)
            answered = Answered(status, connection.retry_after)
        except BaseException:
            connection.close()
            raise
        self._keep(place, connection)
        return answered

    async def _connected(self, parts: SplitResult) -> WebhookConnection:
        host, tls = parts.hostname or "", self._tls if parts.scheme == "https" else None
        port = parts.port or (80 if tls is None else 443)
        addresses = self._guard.check_addresses(await addresses_of(host, self._resolve))
        failed: OSError = ConnectionError("the name has no address")
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                return await self._connect(str(address), port, tls, host)
            except ssl.SSLError:
                raise
            except OSError as error:
                failed = error
        raise failed

    def _taken(self, place: _Place) -> WebhookConnection | None:
        """The one used last, of those that wait."""
        waiting = self._idle.get(place)
        while waiting:
            connection = waiting.pop()
            self._idle_number -= 1
            if connection.idle_timer is not None:
                connection.idle_timer.cancel()
            if connection.is_reusable:
                return connection
        self._idle.pop(place, None)
        return None

    def _keep(self, place: _Place, connection: WebhookConnection) -> None:
        if not connection.is_reusable or self._idle_number >= IDLE_MAX:
            connection.close()
            return
        self._idle.setdefault(place, deque()).append(connection)
        self._idle_number += 1
        connection.idle_timer = asyncio.get_running_loop().call_later(IDLE_SECONDS_MAX, self._let_go, place, connection)

    def _let_go(self, place: _Place, connection: WebhookConnection) -> None:
        waiting = self._idle.get(place)
        if waiting is not None and connection in waiting:
            waiting.remove(connection)
            self._idle_number -= 1
            if not waiting:
                del self._idle[place]
        connection.close()


class UrlCheck:
    """What a URL is judged by when it is saved: itself, and where its name leads now.

    A name that nobody knows at this moment passes: it is judged again whenever something is sent.
    """

    def __init__(self, guard: AddressGuard, resolve: Resolve | None = None) -> None:
        self._guard = guard
        self._resolve = resolve or Resolver()

    async def __call__(self, url: str) -> None:
        """Raises UrlNotAllowed."""
        host = self._guard.check_url(url).hostname or ""
        try:
            addresses = await addresses_of(host, self._resolve)
        except (OSError, ValueError):
            return
        self._guard.check_addresses(addresses)


async def addresses_of(host: str, resolve: Resolve) -> Sequence[Address]:
    """Raises OSError."""
    literal = literal_address(host)
    return [literal] if literal is not None else await resolve(host)


def jitter_percent(most: int) -> int:
    """100 give or take."""
    return random.randint(100 - most, 100 + most)  # noqa: S311 - spreads load, protects nothing


def _request(parts: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    """Names and values were checked when they were given: nothing in them ends a line."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    # What comes back could be small on the way and huge in memory: it is never unpacked.
    lines.append("accept-encoding: identity")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a line of the head ends where it must not")
    return f"{head}\r\n\r\n".encode("ascii") + body
