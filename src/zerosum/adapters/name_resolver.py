"""Asks the system for the addresses of names, in threads: a name that nobody answers for keeps no other from it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from zerosum.adapters.address_guard import Address

RESOLVE_SECONDS_MAX = 3.0

RESOLVERS = 64
"""Names that are asked for at once. The system may take half a minute for one, and cannot be told to stop."""


class ResolversBusy(OSError):
    """All of them wait for other names: nothing is said of this one."""


class Resolver:
    """Whoever asks for a name that is being asked for waits for the same answer."""

    def __init__(self, look_up: Callable[[str], Sequence[Address]] | None = None) -> None:
        self._look_up = look_up or _addresses_of
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")
        self._asked: dict[str, asyncio.Future[Sequence[Address]]] = {}

    async def __call__(self, host: str) -> Sequence[Address]:
        """Raises OSError, ResolversBusy."""
        asked = self._asked.get(host)
        if asked is None:
            if len(self._asked) >= RESOLVERS:
                raise ResolversBusy
            asked = asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host)
            self._asked[host] = asked
            asked.add_done_callback(lambda ended: self._end(host, ended))
        async with asyncio.timeout(RESOLVE_SECONDS_MAX):
            return await asyncio.shield(asked)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _end(self, host: str, ended: asyncio.Future[Sequence[Address]]) -> None:
        del self._asked[host]
        if not ended.cancelled():
            ended.exception()  # Whoever asked may have gone: then nobody takes it.


def _addresses_of(host: str) -> list[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(place[0]).partition("%")[0] for _, _, _, _, place in found)
    return [ipaddress.ip_address(text) for text in addresses]
