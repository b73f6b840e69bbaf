"""What a page is told as it happens: server-sent events, for those who have it open before their eyes.

Bounded for each session and in all. Whoever gets no place, and whom a proxy cuts off, asks again and again instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from zerosum.api.server_sent_events import FOLLOWED_SECONDS_MAX, MEDIA_TYPE, UNGATHERED, come_again
from zerosum.api.static_content import header
from zerosum.domain.errors import DomainError, InvalidRequest, Overloaded
from zerosum.gateway.limits.streams import Streams
from zerosum.gateway.routing import Call, HttpAnswer
from zerosum.services.credentials.console_sessions import SessionRecord

STREAM_HEADERS = (
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (UNGATHERED[0].encode(), UNGATHERED[1].encode()),
)

OF_A_SESSION_MAX = 4
"""Pages that one person has open side by side. Hidden ones follow nothing."""

OF_ALL_MAX = 64
"""In this process."""

LOOK_EVERY_SECONDS = 2.0
CONFIRM_EVERY_SECONDS = 6.0
"""So soon after a session has ended nothing is told to it any more."""

RETRY_MILLISECONDS = 2_000
NO_PLACE = b"event: full\ndata:\n\n"
ALIVE = b"event: alive\ndata:\n\n"
"""Nothing is new. A page cannot see comments, and has to know a service that hangs from one that has nothing to say."""

Tell = Callable[[], Awaitable[bytes]]
"""All that there is to tell now, as messages."""

Confirm = Callable[[], Awaitable[SessionRecord | None]]


@dataclass(slots=True)
class StreamedAnswer(HttpAnswer):
    """One that goes on: its body is what `parts` give."""

    parts: AsyncIterator[bytes] | None = None


class LiveStreams:
    """`is_ending` tells that the process is to stop: pages are let go then, and come again elsewhere."""

    def __init__(self, is_ending: Callable[[], bool], look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
        self._is_ending = is_ending
        self._look_every_seconds = look_every_seconds
        self._places = Streams(OF_A_SESSION_MAX, OF_ALL_MAX)

    @property
    def running(self) -> int:
        return self._places.running

    def answer(self, call: Call, session: SessionRecord, confirm: Confirm, tell: Tell) -> HttpAnswer:
        """Raises InvalidRequest for who does not say that it follows."""
        if MEDIA_TYPE not in header(call, b"accept"):
            raise InvalidRequest("This address is followed by the overview: it gives text/event-stream.")
        if call.is_head:
            return HttpAnswer(200, b"", STREAM_HEADERS)
        return StreamedAnswer(200, b"", STREAM_HEADERS, self._written(session, confirm, tell))

    async def _written(self, session: SessionRecord, confirm: Confirm, tell: Tell) -> AsyncIterator[bytes]:
        """A place is taken here: who has gone away before the first word never had one."""
        try:
            with self._places.place(session.id):
                yield come_again(RETRY_MILLISECONDS)
                async for part in self._told(confirm, tell):
                    yield part
        except Overloaded:
            yield NO_PLACE
        except DomainError:
            return  # What lasts the page is told when it comes again.

    async def _told(self, confirm: Confirm, tell: Tell) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        ends_at, confirmed_at, last = clock() + FOLLOWED_SECONDS_MAX, clock(), b""
        while clock() < ends_at and not self._is_ending():
            if clock() - confirmed_at >= CONFIRM_EVERY_SECONDS:
                if await confirm() is None:
                    return
                confirmed_at = clock()
            told = await tell()
            yield ALIVE if told == last else told
            last = told
            await asyncio.sleep(self._look_every_seconds)
