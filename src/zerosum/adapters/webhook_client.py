"""Sends webhooks: to addresses that were judged, within bounds of time and size, and nowhere else.

A name is asked for once, each of its addresses is judged, and the connection goes to one of exactly these: whoever
changes the name meanwhile changes nothing. TLS and the Host header are those of the name. No redirects are followed, no
proxies taken from the environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpcore
import httpx

from zerosum.adapters.address_guard import Address, AddressGuard, UrlNotAllowed, literal_address

CONNECT_SECONDS_MAX = 5.0
TOTAL_SECONDS_MAX = 15.0
RESOLVE_SECONDS_MAX = 3.0

ANSWER_BYTES_MAX = 64 * 1024
DRAIN_SECONDS_MAX = 1.0
"""An answer's status decides. Its body is read so that the connection can be used again, for no longer than this."""

IDLE_SECONDS_MAX = 15.0
RESOLVERS = 16
"""Names that are asked for at once: one that is slow keeps no other from it."""

_SECONDS = re.compile("[0-9]{1,9}", re.ASCII)

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""The addresses of a name. Raises OSError where it has none."""


class SendFailed(Exception):
    """No answer came. `code` says why in a word: unreachable, timeout, tls_failed, name_unknown, url_not_allowed,
    protocol_error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    retry_after_seconds: int | None


class Resolver:
    """Asks the system, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")

    async def __call__(self, host: str) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(RESOLVE_SECONDS_MAX):
            return await loop.run_in_executor(self._threads, _addresses_of, host)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only. All connections of the client go through here."""

    def __init__(self, guard: AddressGuard, resolve: Resolve, plain: httpcore.AsyncNetworkBackend) -> None:
        self._guard = guard
        self._resolve = resolve
        self._plain = plain

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = self._guard.check_addresses(await addresses_of(host, self._resolve))
        failed: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses[:2]:
            try:
                return await self._plain.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WebhookClient:
    """One pool of connections. `connections_max` is as many as may be sent at once."""

    def __init__(
        self,
        guard: AddressGuard,
        *,
        connections_max: int,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        plain: httpcore.AsyncNetworkBackend | None = None,
        seconds_max: float = TOTAL_SECONDS_MAX,
    ) -> None:
        self._guard = guard
        self._resolver = Resolver()
        self._seconds_max = seconds_max
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(trust_env=False),
            max_connections=connections_max,
            keepalive_expiry=IDLE_SECONDS_MAX,
            retries=0,
            network_backend=GuardedBackend(guard, resolve or self._resolver, plain or httpcore.AnyIOBackend()),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Raises SendFailed."""
        try:
            host = self._guard.check_url(url).netloc
            async with asyncio.timeout(self._seconds_max):
                return await self._post(url, host, headers, body)
        except UrlNotAllowed:
            raise SendFailed("url_not_allowed") from None
        except (TimeoutError, httpcore.TimeoutException):
            raise SendFailed("timeout") from None
        except socket.gaierror:
            raise SendFailed("name_unknown") from None
        except httpcore.ConnectError as error:
            raise SendFailed("tls_failed" if _is_of_tls(error) else "unreachable") from None
        except httpcore.NetworkError:
            raise SendFailed("unreachable") from None
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            raise SendFailed("protocol_error") from None
        except (OSError, ValueError):
            raise SendFailed("unreachable") from None

    async def close(self) -> None:
        await self._pool.aclose()
        self._resolver.close()

    async def _post(self, url: str, host: str, headers: Mapping[str, str], body: bytes) -> Answered:
        request = httpcore.Request(
            "POST",
            url,
            headers=[
                (b"host", host.encode("ascii")),
                (b"content-length", b"%d" % len(body)),
                # What the receiver sends back could be small on the way and huge in memory: it is never unpacked.
                *((name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()),
                (b"accept-encoding", b"identity"),
            ],
            content=body,
            extensions={"timeout": {"connect": CONNECT_SECONDS_MAX, "pool": CONNECT_SECONDS_MAX}},
        )
        response = await self._pool.handle_async_request(request)
        try:
            with contextlib.suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
                async with asyncio.timeout(DRAIN_SECONDS_MAX):
                    await _drain(response.aiter_stream())
        finally:
            await response.aclose()
        return Answered(response.status, _retry_after(response.headers))


async def addresses_of(host: str, resolve: Resolve) -> Sequence[Address]:
    """Raises OSError."""
    literal = literal_address(host)
    return [literal] if literal is not None else await resolve(host)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            return


def _addresses_of(host: str) -> list[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(place[0]).partition("%")[0] for _, _, _, _, place in found)
    return [ipaddress.ip_address(text) for text in addresses]


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name.lower() == b"retry-after" and _SECONDS.fullmatch(text):
            return int(text)
    return None


def _is_of_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def jitter_percent(most: int) -> int:
    """100 give or take."""
    return random.randint(100 - most, 100 + most)  # noqa: S311 - spreads load, protects nothing


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
