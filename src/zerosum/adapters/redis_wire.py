"""One connection to Redis, shared by everything in a process: commands go out and replies come back in one order.

So nobody can be given another caller's reply: one who went away leaves his place in the queue, and whatever does not
fit (an error of the protocol, a reply nobody asked for, a reply that does not come) ends the connection. An awaited
command costs a fifth of what it costs through a pool of connections, and a lost connection is noticed at once, also
when nobody is calling. (docs/decisions/0005)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from typing import Any, cast

from hiredis import HiredisError, Reader, ReplyError, pack_command

from zerosum.adapters.redis_address import RedisAddress

TICK_SECONDS = 0.01
REPLY_TICKS_MAX = 5
"""A reply has 50 to 60 ms. They are counted in turns of the event loop, so that time in which this very process was
busy, and could not have read a reply, does not count against Redis."""

WAITING_MAX = 10_000
"""More calls than ever wait for replies at once while Redis keeps pace."""

_INCOMPLETE = object()


class RedisWire(asyncio.Protocol):
    """Made by `open_wire`. `on_lost` is called once, before anybody who waited for a reply goes on."""

    def __init__(self, on_lost: Callable[[RedisWire, Exception], None]) -> None:
        self.is_lost = False
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = Reader(notEnoughData=_INCOMPLETE)
        self._waiting: deque[tuple[asyncio.Future[Any], int]] = deque()
        self._ticks = 0
        self._ticking: asyncio.TimerHandle | None = None

    def call(self, *command: str | int | bytes) -> asyncio.Future[Any]:
        """Send a command; the reply. Error replies raise ReplyError, a lost connection raises ConnectionError."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        if not self.is_lost and len(self._waiting) >= WAITING_MAX:
            self.lose(ConnectionError("too many calls wait for replies"))
        if self.is_lost or self._transport is None:
            reply.set_exception(ConnectionError("the connection is lost"))
            return reply
        self._transport.write(pack_command(command))  # type: ignore[arg-type]  # its stub knows tuples of one only
        self._waiting.append((reply, self._ticks))
        if self._ticking is None:
            self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)
        return reply

    def lose(self, error: Exception) -> None:
        """End the connection at once. What was not sent yet is dropped; all who wait are told."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._ticking is not None:
            self._ticking.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._on_lost(self, error)
        while self._waiting:
            reply, _ = self._waiting.popleft()
            if not reply.done():
                reply.set_exception(ConnectionError(f"the connection was lost ({error})"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.is_lost:
            return
        try:
            self._reader.feed(data)
            while (content := self._reader.gets()) is not _INCOMPLETE:
                reply, _ = self._waiting.popleft()
                if reply.done():
                    continue  # its caller has gone away
                if isinstance(content, ReplyError):
                    reply.set_exception(content)
                else:
                    reply.set_result(content)
        except HiredisError as error:
            self.lose(error)
        except IndexError:
            self.lose(ConnectionError("a reply to no call"))

    def connection_lost(self, error: Exception | None) -> None:
        self.lose(error or ConnectionError("closed by Redis"))

    def _tick(self) -> None:
        self._ticks += 1
        self._ticking = None
        if not self._waiting:
            return
        if self._ticks - self._waiting[0][1] > REPLY_TICKS_MAX:
            self.lose(TimeoutError("no reply in time"))
        else:
            self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)


async def open_wire(
    address: RedisAddress, tls: SSLContext | None, on_lost: Callable[[RedisWire, Exception], None]
) -> RedisWire:
    """A connection on which Redis has answered. Raises OSError, or ReplyError where Redis refuses the caller."""
    loop = asyncio.get_running_loop()
    wire = RedisWire(on_lost)
    if address.path is not None:
        await loop.create_unix_connection(lambda: wire, address.path)
    else:
        await loop.create_connection(lambda: wire, address.host, address.port, ssl=tls)
    try:
        for command in address.greeting:
            await wire.call(*command)
    except BaseException as error:
        wire.lose(ConnectionError(f"no greeting ({error})"))
        raise
    return wire
