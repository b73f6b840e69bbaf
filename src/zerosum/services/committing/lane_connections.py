"""A lane's connections: one for all it does, and one more for a batch that is sent while another is on its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from zerosum.db.batch import BatchConnection

SECOND_SECONDS_MAX = 1.0
"""Works may wait while it is opened. A pooler that has no more to give would let them wait until their deadlines."""

REOPENED_AFTER_SECONDS = 1.0
REOPENED_AFTER_SECONDS_MAX = 60.0
"""A second one that was lost alone, or could not be had, is tried again so much later, and twice as late each time."""

_log = logging.getLogger(__name__)


class LaneConnections:
    """Both speak to the same server, or there is one only: another server numbers its transactions otherwise."""

    def __init__(self, connect: Callable[[], Awaitable[BatchConnection]]) -> None:
        self._connect = connect
        self.first: BatchConnection | None = None
        self._second: BatchConnection | None = None
        self._has_two = False
        self._reopening: asyncio.Task[None] | None = None

    async def open(self, *, with_second: bool) -> BatchConnection:
        """Anew. Raises what connecting raises; a second one that cannot be had is done without."""
        self.terminate()
        self.first = first = await self._connect()
        if with_second:
            self._second = await self._open_second(first)
        self._has_two = with_second
        return first

    async def _open_second(self, first: BatchConnection) -> BatchConnection | None:
        try:
            async with asyncio.timeout(SECOND_SECONDS_MAX):
                second = await self._connect()
        except Exception as failure:
            _log.warning("a lane goes on with one connection (%s)", failure or type(failure).__name__)
            return None
        if second.server == first.server:
            return second
        second.terminate()
        return None

    def free(self, taken: Collection[BatchConnection]) -> BatchConnection | None:
        """One that is none of these. A second one that is missing is opened meanwhile: nobody waits for it."""
        if self._has_two and (self._second is None or self._second.is_closed):
            self._begin_reopening()
        for connection in (self.first, self._second):
            if connection is not None and connection not in taken and not connection.is_closed:
                return connection
        return None

    def _begin_reopening(self) -> None:
        first = self.first
        if self._reopening is None and first is not None and not first.is_closed:
            self._reopening = asyncio.create_task(self._reopen(first), name="a lane's second connection")

    async def _reopen(self, first: BatchConnection) -> None:
        """As long as the first one is the same."""
        seconds = REOPENED_AFTER_SECONDS
        second: BatchConnection | None = None
        while second is None:
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, REOPENED_AFTER_SECONDS_MAX)
            if first.is_closed or (second := await self._open_second(first)) is not None:
                break
        self._second, self._reopening = second, None

    def drop(self, connection: BatchConnection) -> None:
        connection.terminate()
        if connection is self.first:
            self.first = None
        elif connection is self._second:
            self._second = None

    def terminate(self) -> None:
        self._end_reopening()
        for connection in (self.first, self._second):
            if connection is not None:
                connection.terminate()
        self.first = self._second = None

    def _end_reopening(self) -> None:
        self._has_two = False
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    async def close(self) -> None:
        self._end_reopening()
        for connection in (self.first, self._second):
            if connection is not None:
                await connection.close()
