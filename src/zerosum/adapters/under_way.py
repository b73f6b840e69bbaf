"""Accounts that a process of this machine may have changed already, and whose cached balances do not show it yet.

From before the commit until the cache is true again whoever reads such an account asks PostgreSQL. So what one caller
is told, or sees in PostgreSQL, nobody reads as not yet done afterwards, at whatever account and process of the machine
he looks. Told in memory that was shared before the processes were forked: each counts in a row of its own, and looks
at all of them.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection
from time import monotonic
from uuid import UUID

PLACES = 1 << 16
"""Accounts that meet in one place are under way together: a few of a million, for milliseconds."""

COUNT_BYTES = 2

LEFT_SECONDS = 5.0
"""What a process that died was at is under way for so long: nothing from before lies in Redis for longer."""


class SharedUnderWay:
    """Made before the processes are forked."""

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self.counts = memoryview(mmap.mmap(-1, processes * PLACES * COUNT_BYTES)).cast("H")

    def of(self, process: int) -> UnderWay:
        """For the process of that number, from 0, in the place of one that has ended."""
        return UnderWay(self, process)


class UnderWay:
    """As one process counts and sees them. Nobody else writes to its row."""

    def __init__(self, shared: SharedUnderWay | None = None, process: int = 0) -> None:
        shared = shared or SharedUnderWay()
        self._counts = shared.counts
        self._row = process * PLACES
        self._rows = range(0, shared.processes * PLACES, PLACES)
        self._left = {place: count for place in self._own_places() if (count := self._counts[place])}
        self._left_until = monotonic() + LEFT_SECONDS

    def begins(self, account_ids: Collection[UUID]) -> None:
        """As often as it begins it has to end."""
        self._forget_left()
        for account_id in account_ids:
            self._counts[self._row + account_id.int % PLACES] += 1

    def ends(self, account_ids: Collection[UUID]) -> None:
        for account_id in account_ids:
            self._counts[self._row + account_id.int % PLACES] -= 1

    def has(self, account_id: UUID) -> bool:
        self._forget_left()
        place = account_id.int % PLACES
        return any(self._counts[row + place] for row in self._rows)

    def _forget_left(self) -> None:
        """By the one that died, whose row this is now."""
        if not self._left or monotonic() < self._left_until:
            return
        for place, count in self._left.items():
            self._counts[place] -= count
        self._left = {}

    def _own_places(self) -> range:
        return range(self._row, self._row + PLACES)
