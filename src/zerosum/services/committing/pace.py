"""How fast commands are carried out, and so how long a new one would wait."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from zerosum.services.committing.fair_queue import FairQueue

MEMORY = 0.9
"""What a batch counts when the next one has landed: the last ten or twenty say how fast it goes."""


class Pace:
    """Of all lanes together."""

    def __init__(self) -> None:
        self._commands = 0.0
        self._seconds = 0.0
        self._landed_at = 0.0

    def landed(self, commands: int, begun: float, now: float) -> None:
        """Those that were carried out meanwhile share the time; nothing counts in which nobody was at work."""
        self._commands = MEMORY * self._commands + commands
        self._seconds = MEMORY * self._seconds + now - max(begun, self._landed_at)
        self._landed_at = now

    def seconds_for(self, commands: int) -> float:
        return commands * self._seconds / self._commands if self._commands else 0.0


class Pressure:
    """Whether what a ledger hands over now would wait for too long.

    Small callers of it do not suffer for large ones: `works_min` requests may wait whatever they ask for, and what the
    next batch has room for is never too much.
    """

    def __init__(
        self, queue: FairQueue, pace: Pace, *, seconds_max: float, works_min: int, batch_commands: int
    ) -> None:
        self._queue, self._pace = queue, pace
        self._seconds_max, self._works_min, self._batch_commands = seconds_max, works_min, batch_commands

    def is_too_much(self, ledger_id: UUID) -> bool:
        queue = self._queue
        if queue.commands <= self._batch_commands or queue.waiting(ledger_id).works < self._works_min:
            return False
        ahead = queue.commands_ahead(ledger_id)
        return ahead > self._batch_commands and self._pace.seconds_for(ahead) > self._seconds_max


IsTooMuch = Callable[[UUID], bool]
