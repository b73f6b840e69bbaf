"""Reads that make the database work take turns, so that one ledger's reports do not slow down another's payments."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from zerosum.domain.errors import Overloaded

WAITING_MAX = 16
"""Reads of one ledger that wait for their turn in this process; those beyond are refused at once."""

WAIT_SECONDS_MAX = 2.0


@dataclass(slots=True)
class _Line:
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class CostlyReads:
    """At most `running_max` of a ledger at once in this process. Who waits too long is refused, and may come again."""

    def __init__(self, running_max: int) -> None:
        self._running_max = running_max
        self._lines: dict[UUID, _Line] = {}

    @asynccontextmanager
    async def turn(self, ledger_id: UUID) -> AsyncIterator[None]:
        """Raises Overloaded."""
        line = self._lines.setdefault(ledger_id, _Line())
        try:
            await self._wait(line)
            try:
                yield
            finally:
                self._pass_on(line)
        finally:
            if not line.running and not line.waiting:
                self._lines.pop(ledger_id, None)

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
