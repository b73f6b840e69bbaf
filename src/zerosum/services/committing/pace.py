"""How fast commands are carried out, and so how long a new one would wait."""

from __future__ import annotations

from collections import deque
from math import inf
from uuid import UUID

from zerosum.services.committing.fair_queue import FairQueue

MEMORY = 0.9
"""What a batch counts when the next one has landed: the last ten or twenty say how fast it goes."""

LAST = 3
STALL_ENDED = 2.0
"""Where the last three together went so much faster than all of them, whatever made those slow is over: a pause of
PostgreSQL of a second would make the next ten look slow. Three, for two may be on their way and land together."""


class Pace:
    """Of all lanes together."""

    def __init__(self) -> None:
        self._commands = 0.0
        self._seconds = 0.0
        self._landed_at = 0.0
        self._last: deque[tuple[int, float]] = deque(maxlen=LAST)

    def landed(self, commands: int, begun: float, now: float) -> None:
        """Those that were carried out meanwhile share the time; nothing counts in which nobody was at work."""
        seconds = now - max(begun, self._landed_at)
        self._commands = MEMORY * self._commands + commands
        self._seconds = MEMORY * self._seconds + seconds
        self._landed_at = now
        self._last.append((commands, seconds))
        last_commands = sum(number for number, _ in self._last)
        last_seconds = sum(one for _, one in self._last)
        if STALL_ENDED * last_seconds * self._commands < last_commands * self._seconds and len(self._last) == LAST:
            self._commands, self._seconds = last_commands, last_seconds

    def seconds_for(self, commands: int) -> float:
        return commands * self._seconds / self._commands if self._commands else 0.0

    def commands_in(self, seconds: float) -> float:
        """Endless before the first batch: nothing is known to be slow."""
        return seconds * self._commands / self._seconds if self._seconds else inf


class Pressure:
    """Whether what a ledger hands over now would wait for too long.

    Few are no flood: `works_min` requests of a ledger may wait whatever they ask for, and `commands_min` commands
    of any.
    """

    def __init__(self, queue: FairQueue, pace: Pace, *, seconds_max: float, works_min: int, commands_min: int) -> None:
        self._queue, self._pace = queue, pace
        self._seconds_max, self._works_min, self._commands_min = seconds_max, works_min, commands_min

    def is_too_much(self, ledger_id: UUID) -> bool:
        queue = self._queue
        if queue.commands <= self._commands_min or queue.waiting(ledger_id).works < self._works_min:
            return False
        ahead = queue.commands_ahead(ledger_id)
        return ahead > self._commands_min and self._pace.seconds_for(ahead) > self._seconds_max
