"""The ratios that count: each of two figures of the same round, so that the drift of the machine falls out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.memory import MemoryReading
from benchmarks.readings import Reading, Results, Spread

RESIDENT_MEGABYTES_MAX = 250.0

Figure = Callable[[Reading], float]


@dataclass(frozen=True, slots=True)
class Ratio:
    name: str
    measured: Spread
    target: float
    is_upper_bound: bool

    @property
    def is_met(self) -> bool:
        return self.measured.median < self.target if self.is_upper_bound else self.measured.median >= self.target

    @property
    def target_text(self) -> str:
        return f"{'below' if self.is_upper_bound else 'at least'} {self.target:g}"

    def to_plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "median": round(self.measured.median, 3),
            "low": round(self.measured.low, 3),
            "high": round(self.measured.high, 3),
            "target": self.target_text,
            "is_met": self.is_met,
        }


def _rate(reading: Reading) -> float:
    return reading.items_per_second


def _p50(reading: Reading) -> float:
    return reading.p50


def _p99(reading: Reading) -> float:
    return reading.p99


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    upper: tuple[str, str]
    lower: Sequence[tuple[str, str]]
    """Of several the best: the highest rate, the lowest time."""
    target: float
    figure: Figure = _rate
    figure_below: Figure | None = None
    is_upper_bound: bool = False


SQL_1, SQL_2 = ("ceiling", "batch 1000, 1 connection"), ("ceiling", "batch 1000, 2 connections")

WANTED = (
    _Wanted("single @64 / bare FastAPI @64", ("single", "uniform @64"), [("bare", "FastAPI @64")], 0.6),
    _Wanted("single @256 / bare FastAPI @256", ("single", "uniform @256"), [("bare", "FastAPI @256")], 0.6),
    _Wanted("hot @64 / uniform @64", ("single", "hot @64"), [("single", "uniform @64")], 0.9),
    *(
        _Wanted(f"{verb} @64 / payment @64", ("verbs", f"{verb} @64"), [("single", "uniform @64")], 0.7)
        for verb in ("hold", "capture", "refund")
    ),
    _Wanted("committer, 1000 callers / set-wise SQL", ("committer", "1000 callers"), [SQL_1], 0.7),
    _Wanted("committer, commands of 1000 / set-wise SQL", ("committer", "commands of 1000"), [SQL_1], 0.7),
    _Wanted("bulk over HTTP @4 / set-wise SQL, the better", ("bulk", "1000 a call @4"), [SQL_1, SQL_2], 0.6),
    _Wanted(
        "p99 @16 / p99 of pgbench statements @16",
        ("single", "uniform @16"),
        [("pgbench", "statements @16")],
        5,
        _p99,
        is_upper_bound=True,
    ),
    _Wanted(
        "p99 / p50 at half load",
        ("single", "uniform @64 at half load"),
        [("single", "uniform @64 at half load")],
        5,
        _p99,
        _p50,
        is_upper_bound=True,
    ),
    _Wanted(
        "p50 alone / p50 of one function in pgbench",
        ("single", "uniform @1"),
        [("pgbench", "one function @1")],
        1.5,
        _p50,
        is_upper_bound=True,
    ),
)


def ratios(results: Results, memory: MemoryReading | None) -> list[Ratio]:
    """Those for which everything was measured."""
    found = [ratio for ratio in (_ratio(results, wanted) for wanted in WANTED) if ratio is not None]
    if memory is not None:
        largest = memory.largest_megabytes
        name = f"MB of an API process after {memory.last.payments:,} payments"
        found.append(Ratio(name, Spread.of([largest]), RESIDENT_MEGABYTES_MAX, is_upper_bound=True))
    return found


def _ratio(results: Results, wanted: _Wanted) -> Ratio | None:
    above = results.of(*wanted.upper)
    below = [results.of(*case) for case in wanted.lower]
    rounds = min([len(above), *map(len, below)])
    if rounds == 0:
        return None
    figure_below = wanted.figure_below or wanted.figure
    best = min if wanted.is_upper_bound else max
    values = [
        wanted.figure(above[turn]) / best(figure_below(readings[turn]) for readings in below) for turn in range(rounds)
    ]
    return Ratio(wanted.name, Spread.of(values), wanted.target, wanted.is_upper_bound)
