"""What a run of the load generator has counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from zerosum.cli.load.histogram import Histogram

UNKNOWN_STATUSES = frozenset({502, 504})
"""The server, or something before it, does not know what became of the request."""

TURNED_AWAY_STATUSES = frozenset({429, 503})


@dataclass(slots=True)
class Tally:
    """Answers by status, failures by kind, and how long the answers took."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    latencies: Histogram = field(default_factory=Histogram)
    """Of all but those that were turned away: how soon nothing was done says nothing of how soon something is."""
    turned_away: Histogram = field(default_factory=Histogram)
    acknowledged: int = 0
    """Items the server says are done: one a successful response, unless the caller counts otherwise."""

    @property
    def answered(self) -> int:
        return self.statuses.total()

    def tell(self, status: int, seconds: float) -> None:
        """Of one answer."""
        self.statuses[status] += 1
        (self.turned_away if status in TURNED_AWAY_STATUSES else self.latencies).record(seconds)

    def add(self, other: Tally) -> None:
        self.statuses.update(other.statuses)
        self.failures.update(other.failures)
        self.latencies.add(other.latencies)
        self.turned_away.add(other.turned_away)
        self.acknowledged += other.acknowledged


@dataclass(slots=True)
class LoadReport:
    """`window` is what was measured; `outside` is the warm-up before it and what was still under way at its end."""

    window: Tally
    outside: Tally
    seconds: float
    cpu_seconds: float
    """Of the generator itself, within the window."""

    @classmethod
    def empty(cls) -> Self:
        return cls(Tally(), Tally(), 0.0, 0.0)

    @property
    def requests_per_second(self) -> float:
        return self.window.answered / self.seconds if self.seconds else 0.0

    @property
    def items_per_second(self) -> float:
        return self.window.acknowledged / self.seconds if self.seconds else 0.0

    @property
    def cpu_microseconds(self) -> float:
        """Of the generator, per answer."""
        return self.cpu_seconds / self.window.answered * 1e6 if self.window.answered else 0.0

    @property
    def acknowledged(self) -> int:
        return self.window.acknowledged + self.outside.acknowledged

    @property
    def unknown(self) -> int:
        """Requests that were sent and may or may not have been carried out."""
        parts = (self.window, self.outside)
        unanswered = sum(part.failures.total() - part.failures[NOT_CONNECTED] for part in parts)
        return unanswered + sum(part.statuses[status] for part in parts for status in UNKNOWN_STATUSES)

    @property
    def statuses(self) -> Counter[int]:
        return self.window.statuses + self.outside.statuses

    @property
    def failures(self) -> Counter[str]:
        return self.window.failures + self.outside.failures

    def add(self, other: LoadReport) -> None:
        """Another generator's share of the same run."""
        self.window.add(other.window)
        self.outside.add(other.outside)
        self.seconds = max(self.seconds, other.seconds)
        self.cpu_seconds += other.cpu_seconds


NOT_CONNECTED = "not connected"
CLOSED = "closed"
TIMED_OUT = "timed out"
MALFORMED = "malformed"
