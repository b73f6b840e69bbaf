"""Reads that make the database work take turns, so that one ledger's reports do not slow down another's payments.

Lists and reports of a ledger wait in lines of their own. While others have requests in work, a line also rests after
each turn: it must not hold more of this process than `1 / (1 + REST_SHARE)`, however fast its readers come again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from zerosum.domain.errors import Overloaded

WAITING_MAX = 64
"""Reads of one ledger that wait for their turn in this process; those beyond are refused at once."""

WAIT_SECONDS_MAX = 2.0

REST_SHARE = 5.0
"""Of the time that the turn took."""

REST_SECONDS_MAX = 0.5


@dataclass(slots=True)
class _Line:
    running: int = 0
    """Those that rest among them."""
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


Key = tuple[UUID, bool]


class CostlyReads:
    """At most `running_max` of a line at once in this process. Who waits too long is refused, and may come again.

    `in_flight` tells how many requests are in work, those that have a turn or wait for one among them.
    """

    def __init__(self, running_max: int, in_flight: Callable[[], int]) -> None:
        self._running_max = running_max
        self._in_flight = in_flight
        self._lines: dict[Key, _Line] = {}

    @asynccontextmanager
    async def turn(self, ledger_id: UUID, *, is_report: bool) -> AsyncIterator[None]:
        """Raises Overloaded."""
        key = ledger_id, is_report
        line = self._lines.setdefault(key, _Line())
        try:
            await self._wait(line)
        except BaseException:
            self._forget(key, line)
            raise
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            yield
        finally:
            rest = min(REST_SECONDS_MAX, REST_SHARE * (loop.time() - began))
            if self._in_flight() > line.running + len(line.waiting):
                loop.call_later(rest, self._end, key, line)
            else:
                self._end(key, line)

    def _end(self, key: Key, line: _Line) -> None:
        self._pass_on(line)
        self._forget(key, line)

    def _forget(self, key: Key, line: _Line) -> None:
        if not line.running and not line.waiting:
            self._lines.pop(key, None)

    async def _wait(self, line: _Line) -> None:
        if line.running < self._running_max:
            line.running += 1
            return
        if len(line.waiting) >= WAITING_MAX:
            raise _too_many()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on(line)  # The turn came in the very moment of giving up.
            elif turn in line.waiting:
                line.waiting.remove(turn)
            raise (_too_many() if isinstance(error, TimeoutError) else error) from None

    def _pass_on(self, line: _Line) -> None:
        """The place goes to whoever waits longest, or is free."""
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        line.running -= 1


def _too_many() -> Overloaded:
    return Overloaded("This ledger's reports are waiting for each other; nothing was done.", retry_after=1)
