"""Several inputs in one order: that of the messages' own times, within a window of waiting.

| who goes next | |
| --- | --- |
| the earliest of what all lines have first | at once, where each line has one: nothing earlier can come |
| the same, where a line has none | when it, or a later one, has waited for the window |
| what comes later than its turn | at once, and is counted: it is late |

A line, which is a partition, keeps its own order: a message is never taken before the one in front of it, whatever time
it bears. One line at a time carries a batch out, so that the effects have the order, too.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from zerosum.domain.messages import Message

TURN_SECONDS = 0.1
"""So long a line waits for its turn; then its input is looked at again."""


class _Place(NamedTuple):
    key: float
    came_at: float
    is_behind: bool
    """It bears an earlier time than one in front of it."""


class Line:
    """What one partition has in memory, by time. `owner` is its input."""

    def __init__(self, owner: object, rank: int) -> None:
        self.owner = owner
        self.rank = rank
        self.places: deque[_Place] = deque()
        self.is_aside = False
        """It cannot go on for a reason of its own: nobody waits for it."""
        self._highest = -math.inf

    def put(self, moment: float | None, now: float) -> None:
        """Without a time of its own it stays behind the one in front of it."""
        is_behind = moment is not None and moment < self._highest
        self._highest = self._highest if moment is None else max(moment, self._highest)
        self.places.append(_Place(self._highest, now, is_behind))

    def drop(self, number: int) -> None:
        for _ in range(number):
            self.places.popleft()


class TimeOrder:
    """Shared by all inputs of a process."""

    def __init__(
        self,
        window_seconds: float,
        moment_of: Callable[[Message], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`moment_of` tells the own time of a message; None where it has none that can be read."""
        self.late = 0
        self._moment_of = moment_of
        self._window = window_seconds
        self._clock = clock
        self._inputs: set[object] = set()
        self._lines: list[Line] = []
        self._ranks = 0
        self._turn: Line | None = None
        self._taken = -math.inf
        self._changed = asyncio.Event()

    def expect(self, owner: object) -> None:
        """Of this input something may come."""
        self._inputs.add(owner)

    def end(self, owner: object) -> None:
        """Nothing more comes of it than what is in memory."""
        self._inputs.discard(owner)
        self._wake()

    def line(self, owner: object) -> Line:
        self._ranks += 1
        made = Line(owner, self._ranks)
        self._lines.append(made)
        return made

    def leave(self, line: Line) -> None:
        if line in self._lines:
            self._lines.remove(line)
        self.give_back(line)

    def put(self, line: Line, message: Message) -> None:
        line.put(self._moment_of(message), self._clock())
        self._wake()

    async def turn(self, line: Line) -> bool:
        """Whether it is this line's now, until it gives it back."""
        end = self._clock() + TURN_SECONDS
        while not self.free(line, 1):
            left = min(end, self._next_due()) - self._clock()
            if self._clock() >= end:
                return False
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), max(left, 0.001))
            except TimeoutError:
                continue
        self._turn = line
        return True

    def give_back(self, line: Line) -> None:
        if self._turn is line:
            self._turn = None
            self._wake()

    def free(self, line: Line, most: int) -> int:
        """How many of the first of this line may be taken now."""
        if self._turn not in (None, line):
            return 0
        now, counting = self._clock(), [one for one in self._lines if not one.is_aside or one is line]
        others = [(one.places[0].key, one.rank) for one in counting if one is not line and one.places]
        first = min(others, default=(math.inf, 0))
        due = max(
            (one.places[0].key for one in counting if one.places and self._is_due(one.places[0], now)), default=None
        )
        is_whole = self._is_whole(counting)
        number = 0
        for place in islice(line.places, most):
            is_free = is_whole or place.key < self._taken or self._is_due(place, now)
            if (place.key, line.rank) > first or not (is_free or (due is not None and place.key <= due)):
                break
            number += 1
        return number

    def take(self, line: Line, number: int) -> None:
        """The first of this line are carried out now."""
        for place in islice(line.places, number):
            self.late += place.is_behind or place.key < self._taken
            self._taken = max(self._taken, place.key)
        line.drop(number)

    def _is_whole(self, counting: list[Line]) -> bool:
        """Whether each line has something first."""
        owners = {one.owner for one in self._lines}
        return owners >= self._inputs and all(one.places or one.owner not in self._inputs for one in counting)

    def _is_due(self, place: _Place, now: float) -> bool:
        return now - place.came_at >= self._window

    def _next_due(self) -> float:
        return min((one.places[0].came_at + self._window for one in self._lines if one.places), default=math.inf)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
