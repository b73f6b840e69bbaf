"""Answers that are made while they are read: few at once, so that many slow readers leave room for everybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from zerosum.domain.errors import Overloaded

OF_A_LEDGER_MAX = 2
OF_ALL_MAX = 8
"""In this process."""

FOLLOWERS_OF_A_LEDGER_MAX = 8
FOLLOWERS_MAX = 64
"""The same of answers that go on as long as something happens."""

STREAM_SECONDS_MAX = 3600.0
"""No such answer takes longer. A reader who does not read at all is left sooner, by the server."""


class Streams:
    """Counts those that are on their way. Nobody waits here."""

    def __init__(self, of_a_ledger_max: int = OF_A_LEDGER_MAX, of_all_max: int = OF_ALL_MAX) -> None:
        self._of_a_ledger_max = of_a_ledger_max
        self._of_all_max = of_all_max
        self._running = Counter[UUID]()

    @property
    def running(self) -> int:
        return self._running.total()

    @contextmanager
    def place(self, ledger_id: UUID) -> Iterator[None]:
        """Raises Overloaded."""
        if self._running[ledger_id] >= self._of_a_ledger_max or self.running >= self._of_all_max:
            raise Overloaded("Others of this ledger are still being read; nothing was done.", retry_after=5)
        self._running[ledger_id] += 1
        try:
            yield
        finally:
            self._running[ledger_id] -= 1
            if not self._running[ledger_id]:
                del self._running[ledger_id]
