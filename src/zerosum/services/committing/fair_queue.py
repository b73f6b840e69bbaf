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


NOTHING = Waiting(0, 0)


class FairQueue:
    """Empty, it remembers nothing."""

    def __init__(self) -> None:
        self.commands = 0
        self._heap: list[tuple[int, int, Work]] = []
        """By when their turn begins, then in the order of their coming."""
        self._number = 0
        self._turn = 0
        """When that of the last one began which was taken, in commands served to each ledger that wanted them."""
        self._served_until: dict[UUID, int] = {}
        """When the next turn of a ledger begins."""
        self._waiting: dict[UUID, Waiting] = {}

    def __bool__(self) -> bool:
        return bool(self._heap)

    def __iter__(self) -> Iterator[Work]:
        """In no order that means anything."""
        return (work for _, _, work in self._heap)

    @property
    def next_commands(self) -> int:
        """How many the next work has. Raises IndexError where none waits."""
        return len(self._heap[0][2].commands)

    def append(self, work: Work) -> None:
        ledger_id, count = work.ledger_id, len(work.commands)
        begins = max(self._turn, self._served_until.get(ledger_id, 0))
        self._served_until[ledger_id] = begins + count
        works, commands = self._waiting.get(ledger_id, NOTHING)
        self._waiting[ledger_id] = Waiting(works + 1, commands + count)
        self.commands += count
        self._number += 1
        heappush(self._heap, (begins, self._number, work))

    def take(self) -> Work:
        self._turn, _, work = heappop(self._heap)
        ledger_id, count = work.ledger_id, len(work.commands)
        works, commands = self._waiting[ledger_id]
        self.commands -= count
        if works > 1:
            self._waiting[ledger_id] = Waiting(works - 1, commands - count)
        else:
            del self._waiting[ledger_id]
            if not self._heap:
                self._begin_anew()
            elif len(self._served_until) > SERVED_LEDGERS_MAX + len(self._waiting):
                self._served_until = {key: self._served_until[key] for key in self._waiting}
        return work

    def _begin_anew(self) -> None:
        """Nobody waits: nobody has had too much."""
        self._turn = 0
        self._served_until.clear()

    def waiting(self, ledger_id: UUID) -> Waiting:
        return self._waiting.get(ledger_id, NOTHING)

    def commands_ahead(self, ledger_id: UUID) -> int:
        """At most so many are served before what this ledger hands over next."""
        return min(self.commands, self.waiting(ledger_id).commands * len(self._waiting))
