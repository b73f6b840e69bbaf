"""A lane's connections: one for all it does, and one more for a batch that is sent while another is on its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from zerosum.db.batch import BatchConnection

SECOND_SECONDS_MAX = 1.0
"""Works may wait while it is opened. A pooler that has no more to give would let them wait until their deadlines."""

_log = logging.getLogger(__name__)


class LaneConnections:
    """Both speak to the same server, or there is one only: another server numbers its transactions otherwise."""

    def __init__(self, connect: Callable[[], Awaitable[BatchConnection]]) -> None:
        self._connect = connect
        self.first: BatchConnection | None = None
        self._second: BatchConnection | None = None

    async def open(self, *, with_second: bool) -> BatchConnection:
        """Anew. Raises what connecting raises; a second one that cannot be had is done without."""
        self.terminate()
        self.first = first = await self._connect()
        if with_second:
            self._second = await self._open_second(first)
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
        """One that is none of these."""
        for connection in (self.first, self._second):
            if connection is not None and connection not in taken and not connection.is_closed:
                return connection
        return None

    def drop(self, connection: BatchConnection) -> None:
        connection.terminate()
        if connection is self.first:
            self.first = None
        elif connection is self._second:
            self._second = None

    def terminate(self) -> None:
        for connection in (self.first, self._second):
            if connection is not None:
                connection.terminate()
        self.first = self._second = None

    async def close(self) -> None:
        for connection in (self.first, self._second):
            if connection is not None:
                await connection.close()
