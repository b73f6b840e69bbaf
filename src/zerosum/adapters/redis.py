"""The way to Redis: a reply within 50 ms or none, no retries, and a breaker. Redis is never the truth about money."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from hiredis import ReplyError

from zerosum.adapters.redis_address import RedisAddress
from zerosum.adapters.redis_wire import RedisWire, open_wire

CONNECT_SECONDS_MAX = 1.0
"""Nobody waits for it but the start of the process."""

PAUSE_SECONDS_MIN = 0.05
PAUSE_SECONDS_MAX = 1.0
"""Before Redis is tried again: longer after each failure, and short again once it has been well for a while."""

STEADY_SECONDS = 10.0

_log = logging.getLogger(__name__)


class RedisAway(Exception):
    """Redis did not answer in time, or not as it should. The caller goes on without it."""


class Script:
    """A Lua script, called by its digest. It returns a table that begins with ARGV[1], the number of the call."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class RedisLink:
    """Runs scripts in Redis or says quickly that it is away.

    Any failure ends the connection and opens the breaker: calls raise RedisAway at once, until a new connection stands.
    `on_break` acts run at the moment of the failure, before anybody is told of it. `on_return` acts run on the new
    connection, and if they fail, so has the connection.
    """

    def __init__(self, url: str) -> None:
        self.breaks = 0
        self._address = RedisAddress.parse(url)
        self._tls = self._address.tls()
        self._wire: RedisWire | None = None
        self._on_break: list[Callable[[], None]] = []
        self._on_return: list[Callable[[], Awaitable[None]]] = []
        self._is_lost = asyncio.Event()
        self._is_known_away = False
        self._pause_seconds = PAUSE_SECONDS_MIN
        self._connected_at = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._process = secrets.token_hex(6)
        self._numbers = count()

    def on_break(self, act: Callable[[], None]) -> None:
        self._on_break.append(act)

    def on_return(self, act: Callable[[], Awaitable[None]]) -> None:
        self._on_return.append(act)

    @property
    def is_away(self) -> bool:
        return self._wire is None

    async def start(self) -> None:
        """Connect before the first payment comes, if Redis is there; and from now on whenever it is back."""
        await self._connect()
        self._keeper = asyncio.create_task(self._keep_connected(), name="redis")

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.lose(ConnectionError("closed"))

    async def run(self, script: Script, keys: tuple[str, ...], *arguments: str | int | bytes) -> list[Any]:
        """What the script returns after the number of the call. Raises RedisAway."""
        wire = self._wire
        if wire is None:
            raise RedisAway
        number = f"{self._process}{next(self._numbers):x}"
        words = (len(keys), *keys, number, *arguments)
        try:
            try:
                reply = await wire.call("EVALSHA", script.digest, *words)
            except ReplyError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
                reply = await wire.call("EVAL", script.source, *words)  # it has not run yet, so this is no retry
            if not isinstance(reply, list) or not reply or reply[0] != number.encode():
                raise ConnectionError("a reply to another call")
        except (ReplyError, OSError) as error:
            wire.lose(error)
            raise RedisAway from error
        return reply[1:]

    def _break(self, wire: RedisWire, error: Exception) -> None:
        if wire is not self._wire:
            return
        self._wire = None
        self.breaks += 1
        for act in self._on_break:
            act()
        if asyncio.get_running_loop().time() - self._connected_at > STEADY_SECONDS:
            self._pause_seconds = PAUSE_SECONDS_MIN
        self._say_away(error)
        self._is_lost.set()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                wire = await open_wire(self._address, self._tls, self._break)
        except (ReplyError, OSError) as error:
            self._say_away(error)
            self._is_lost.set()
            return
        self._wire = wire
        self._is_lost.clear()
        self._connected_at = asyncio.get_running_loop().time()
        if wire.is_lost:
            # Between the last word of the greeting and now, when nobody held it yet and so nobody could be told.
            self._break(wire, ConnectionError("lost at once"))
            return
        try:
            for act in self._on_return:
                await act()
        except RedisAway:
            return
        if self._is_known_away:
            self._is_known_away = False
            _log.warning("redis is back")

    async def _keep_connected(self) -> None:
        while True:
            await self._is_lost.wait()
            await asyncio.sleep(self._pause_seconds)
            self._pause_seconds = min(2 * self._pause_seconds, PAUSE_SECONDS_MAX)
            await self._connect()

    def _say_away(self, error: Exception) -> None:
        if not self._is_known_away:
            self._is_known_away = True
            _log.warning("redis is away (%s); payments and reads go on without it", error or type(error).__name__)
