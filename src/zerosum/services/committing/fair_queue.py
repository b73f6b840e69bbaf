"""Works that wait for a lane: of one ledger in the order of their coming, of several ledgers by turns.

Start-time fair queueing (Goyal, Vin, Cheng 1996), a command being the unit: whichever ledger has had the least of late
is served next, so one that hands over more than its share waits behind itself and nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple
from uuid import UUID

from zerosum.services.committing.work import Work

SERVED_LEDGERS_MAX = 1_024
"""So many are remembered that have nothing waiting now; with one more all of these are forgotten."""


class Waiting(NamedTuple):
    """What a ledger has in the queue."""

    works: int
    commands: int


class _Line:
    """Of one ledger. It has had its share until the turn `served_until`."""

    __slots__ = ("commands", "served_until", "works")

    def __init__(self) -> None:
        self.works = self.commands = self.served_until = 0


_NOBODY = _Line()


class FairQueue:
    """Empty, it remembers nothing."""

    def __init__(self) -> None:
        self.commands = 0
        self._heap: list[tuple[int, int, int, Work, _Line]] = []
        """By when their turn begins, then in the order of their coming: with how many commands, and in which line."""
        self._number = 0
        self._turn = 0
        """When that of the last one began which was taken, in commands served to each ledger that wanted them."""
        self._lines: dict[UUID, _Line] = {}
        self._ledgers = 0
        """That have something waiting."""

    def __bool__(self) -> bool:
        return bool(self._heap)

    def __iter__(self) -> Iterator[Work]:
        """In no order that means anything."""
        return (entry[3] for entry in self._heap)

    @property
    def next_commands(self) -> int:
        """How many the next work has. Raises IndexError where none waits."""
        return self._heap[0][2]

    def append(self, work: Work) -> None:
        ledger_id, count = work.ledger_id, len(work.commands)
        line = self._lines.get(ledger_id)
        if line is None:
            line = self._lines[ledger_id] = _Line()
        begins = max(self._turn, line.served_until)
        line.served_until = begins + count
        self._ledgers += not line.works
        line.works += 1
        line.commands += count
        self.commands += count
        self._number += 1
        heappush(self._heap, (begins, self._number, count, work, line))

    def take(self) -> Work:
        self._turn, _, count, work, line = heappop(self._heap)
        self.commands -= count
        line.commands -= count
        line.works -= 1
        if not line.works:
            self._ledgers -= 1
            if not self._heap:
                self._begin_anew()
            elif len(self._lines) > SERVED_LEDGERS_MAX + self._ledgers:
                self._lines = {ledger_id: line for ledger_id, line in self._lines.items() if line.works}
        return work

    def _begin_anew(self) -> None:
        """Nobody waits: nobody has had too much."""
        self._turn = 0
        self._lines.clear()

    def waiting(self, ledger_id: UUID) -> Waiting:
        line = self._lines.get(ledger_id, _NOBODY)
        return Waiting(line.works, line.commands)

    def commands_ahead(self, ledger_id: UUID) -> int:
        """At most so many are served before what this ledger hands over next."""
        return min(self.commands, self.waiting(ledger_id).commands * self._ledgers)
