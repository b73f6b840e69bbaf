"""The way to Redis: short time-outs, no hidden retries, and a breaker. Redis is never the truth about money."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

TIMEOUT_SECONDS = 0.05
"""The longest a payment or a read waits for Redis before it goes on without."""

LATE_READ_SECONDS = 0.01
"""Granted once more after a time-out: the reply may lie in the socket while this very process was busy."""

CONNECT_SECONDS_MAX = 1.0
"""At the start of a process, when nobody waits yet."""

PROBE_SECONDS = 1.0
CONNECTIONS_MAX = 64

_log = logging.getLogger(__name__)


class RedisAway(Exception):
    """Redis did not answer in time, or not as it should. The caller goes on without it."""


class Script:
    """A Lua script, called by its digest and sent again where the server does not know it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest: str | None = None


class RedisLink:
    """Calls Redis or says quickly that it is away.

    After a failure the breaker is open: calls raise RedisAway at once until a probe, once a second, gets through. Each
    time before it closes, `on_return` runs, so that nothing written before the gap is trusted again.
    """

    def __init__(self, url: str) -> None:
        # The client's own time-outs and retries are off: they would add up to seconds on the request path.
        self._client: Redis = Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=TIMEOUT_SECONDS,
            max_connections=CONNECTIONS_MAX,
            protocol=3,
        )
        self._is_open = False
        self._on_return: list[Callable[[], Awaitable[None]]] = []
        self._prober: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect before the first payment does: it has no time to wait for that."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await self._client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            self._open(error)

    @property
    def is_away(self) -> bool:
        return self._is_open

    def on_return(self, act: Callable[[], Awaitable[None]]) -> None:
        self._on_return.append(act)

    async def run(self, script: Script, keys: list[str], *arguments: str | int | bytes) -> Any:
        """The script's reply. Raises RedisAway."""
        if self._is_open:
            raise RedisAway
        return await self._guarded(self._run(script, keys, arguments))

    async def close(self) -> None:
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)
        await self._client.aclose()

    async def call_while_open(self, *command: str | int) -> Any:
        """A single command that also runs while the breaker is open: for `on_return` acts only."""
        return await _bounded(self._client.execute_command(*command))  # type: ignore[no-untyped-call]

    async def _run(self, script: Script, keys: list[str], arguments: tuple[str | int | bytes, ...]) -> Any:
        if script.digest is None:
            script.digest = await self._client.script_load(script.source)
        try:
            return await self._client.evalsha(script.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            script.digest = await self._client.script_load(script.source)
            return await self._client.evalsha(script.digest, len(keys), *keys, *arguments)

    async def _guarded(self, call: Awaitable[Any]) -> Any:
        try:
            return await _bounded(call)
        except (RedisError, OSError, TimeoutError, ValueError, UnicodeError) as error:
            self._open(error)
            raise RedisAway from error

    def _open(self, error: Exception) -> None:
        if not self._is_open:
            _log.warning("redis is away (%s); payments and reads go on without it", type(error).__name__)
            self._is_open = True
            self._prober = asyncio.create_task(self._probe(), name="redis probe")

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                await _bounded(self._client.ping())
                for act in self._on_return:
                    await act()
            except (RedisError, OSError, TimeoutError, ValueError, UnicodeError):
                continue
            self._is_open = False
            _log.warning("redis is back")
            return


async def _bounded(call: Awaitable[Any]) -> Any:
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=TIMEOUT_SECONDS)
        if not task.done():
            await asyncio.wait({task}, timeout=LATE_READ_SECONDS)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
