"""One connection to a receiver of webhooks: a request out, and of the answer its status, within bounds."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 64 * 1024
"""Of an answer. Its status decides; what is longer ends the connection."""

RETRY_AFTER_BYTES_MAX = 64


class NoAnswer(Exception):
    """The connection has ended, or what came is no HTTP. `is_unused`: nothing at all came."""

    def __init__(self, *, is_unused: bool) -> None:
        super().__init__("no answer")
        self.is_unused = is_unused


class WebhookConnection(asyncio.Protocol):
    """One request at a time. Connected, it can take another one as long as `is_reusable`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answered: asyncio.Future[int] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._size = 0
        self._is_complete = True
        self._keeps = True
        self.retry_after = ""
        """As it was said."""
        self.idle_timer: asyncio.TimerHandle | None = None

    @property
    def is_reusable(self) -> bool:
        return self._is_complete and self._keeps and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes, seconds_max: float) -> int:
        """The status that is answered. Raises NoAnswer, and TimeoutError where none comes in time."""
        if self._transport is None or self._transport.is_closing():
            raise NoAnswer(is_unused=True)
        self._parser = httptools.HttpResponseParser(self)
        self._answered, self._ended = self._loop.create_future(), self._loop.create_future()
        self._size, self._is_complete, self.retry_after = 0, False, ""
        # A timer of its own: `asyncio.timeout` takes as long as signing does.
        timer = self._loop.call_later(seconds_max, self._give_up)
        try:
            self._transport.write(request)
            return await self._answered
        finally:
            timer.cancel()

    async def drain(self, seconds_max: float) -> None:
        """Until the answer is whole, so that the connection can be used again; not for longer."""
        if self._ended is not None and not self._ended.done():
            await asyncio.wait([self._ended], timeout=seconds_max)

    def close(self) -> None:
        if self.idle_timer is not None:
            self.idle_timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    # --- What the transport tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._parser is None or self._is_complete:
            self._break()  # Nobody has asked.
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break()
            return
        is_answered = self._answered is not None and self._answered.done()
        if not self._is_complete and self._size > HEAD_BYTES_MAX + (BODY_BYTES_MAX if is_answered else 0):
            self._break()

    def connection_lost(self, _: Exception | None) -> None:
        self._break()

    # --- What the parser tells ---

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and len(value) <= RETRY_AFTER_BYTES_MAX:
            self.retry_after = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code() if self._parser is not None else 0
        if status >= 200 and self._answered is not None and not self._answered.done():
            self._answered.set_result(status)

    def on_message_complete(self) -> None:
        if self._parser is None or self._answered is None or not self._answered.done():
            return  # One that only says that the real one will come.
        self._keeps = self._parser.should_keep_alive()
        self._is_complete = True
        self._end()

    def _give_up(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(TimeoutError())

    def _break(self) -> None:
        """What is there counts; nothing more is taken."""
        self._keeps = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(NoAnswer(is_unused=self._size == 0))
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
