"""What is measured: cases, their readings, and medians over the rounds in which all cases took turns."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.cpu import Spent
from zerosum.cli.load import Histogram

DISTURBED_CORES = 0.25
"""With more than this taken by others, a reading says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One run of one case. Times in seconds, processor time in microseconds an item."""

    items_per_second: float
    seconds: float
    items: int
    p50: float
    p99: float
    longest: float
    cpu_microseconds: Mapping[str, float] = field(default_factory=dict)
    foreign_cores: float = 0.0
    """How many processors others have kept busy meanwhile."""
    steps_microseconds: Mapping[str, float] = field(default_factory=dict)
    """Waiting time an item by step, where the case knows steps."""

    @property
    def is_disturbed(self) -> bool:
        return self.foreign_cores > DISTURBED_CORES

    @classmethod
    def of(
        cls,
        *,
        items: int,
        seconds: float,
        latencies: Histogram,
        spent: Spent,
        steps: Mapping[str, float] | None = None,
    ) -> Reading:
        count = max(1, items)
        return cls(
            items_per_second=items / seconds,
            seconds=seconds,
            items=items,
            p50=latencies.seconds_at(0.5),
            p99=latencies.seconds_at(0.99),
            longest=latencies.max_seconds,
            cpu_microseconds={name: used / count * 1e6 for name, used in spent.seconds.items()},
            foreign_cores=spent.foreign_seconds / seconds,
            steps_microseconds={name: used / count * 1e6 for name, used in (steps or {}).items()},
        )


class Case(Protocol):
    """Something to measure, again and again."""

    @property
    def part(self) -> str: ...

    @property
    def name(self) -> str: ...

    def run(self) -> Reading: ...


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the lowest and highest beside it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, pattern: str = "{:,.0f}") -> str:
        if self.low == self.high:
            return pattern.format(self.median)
        return f"{pattern.format(self.median)} ({pattern.format(self.low)}..{pattern.format(self.high)})"


@dataclass(slots=True)
class Results:
    """All readings, by case and in the order of the rounds."""

    readings: dict[tuple[str, str], list[Reading]] = field(default_factory=dict)

    def add(self, case: Case, reading: Reading) -> None:
        self.readings.setdefault((case.part, case.name), []).append(reading)

    def of(self, part: str, name: str) -> list[Reading]:
        return self.readings.get((part, name), [])

    def spread(self, part: str, name: str, of: str = "items_per_second") -> Spread | None:
        found = self.of(part, name)
        return Spread.of([float(getattr(reading, of)) for reading in found]) if found else None

    def to_plain(self) -> list[dict[str, Any]]:
        return [
            {"part": part, "case": name, "readings": [_plain(reading) for reading in readings]}
            for (part, name), readings in self.readings.items()
        ]


def _plain(reading: Reading) -> dict[str, Any]:
    return {
        "items_per_second": round(reading.items_per_second, 1),
        "seconds": round(reading.seconds, 3),
        "items": reading.items,
        "p50_seconds": reading.p50,
        "p99_seconds": reading.p99,
        "longest_seconds": reading.longest,
        "cpu_microseconds": {name: round(value, 1) for name, value in reading.cpu_microseconds.items()},
        "foreign_cores": round(reading.foreign_cores, 2),
        "steps_microseconds": {name: round(value, 1) for name, value in reading.steps_microseconds.items()},
    }
