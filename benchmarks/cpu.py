"""Processor time, read from /proc: whose it was, and how much of the machine others took meanwhile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

PARENT, USER_TICKS, CHILDREN_END, STARTED = 1, 11, 15, 19
"""Places in /proc/<pid>/stat, counted from the field after the name of the program."""

OURSELVES = "generator"


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor seconds by part, and those of processes that are none of ours."""

    seconds: Mapping[str, float]
    foreign_seconds: float


@dataclass(slots=True)
class Meter:
    """`trees` are root processes by the part they are counted for; their children, dead ones too, are included."""

    trees: Mapping[str, Sequence[int]]
    _before: dict[str, float] = field(default_factory=dict)
    _busy_before: float = 0.0

    def start(self) -> None:
        self._before = self._read()
        self._busy_before = busy_seconds()

    def stop(self) -> Spent:
        busy = busy_seconds() - self._busy_before
        after = self._read()
        seconds = {name: after[name] - self._before[name] for name in after}
        return Spent(seconds, max(0.0, busy - sum(seconds.values())))

    def _read(self) -> dict[str, float]:
        children = children_by_parent()
        read = {name: sum(_tree_seconds(root, children) for root in roots) for name, roots in self.trees.items()}
        read[OURSELVES] = _seconds_of(os.getpid(), with_children=False)
        return read


def busy_seconds() -> float:
    """Of all processors together, since boot. Stolen time counts: somebody else has had it."""
    numbers = [int(word) for word in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = numbers
    return (user + nice + system + interrupts + soft_interrupts + stolen) / TICKS_PER_SECOND


def children_by_parent() -> dict[int, list[int]]:
    """In the order in which they were started."""
    found: dict[int, list[tuple[int, int]]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            found.setdefault(int(fields[PARENT]), []).append((int(fields[STARTED]), int(entry.name)))
    return {parent: [pid for _, pid in sorted(children)] for parent, children in found.items()}


def program_of(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def resident_megabytes(pid: int) -> float:
    """What the process has in memory, what it shares with its parent included."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def proportional_megabytes(pid: int) -> float:
    """The same with shared pages divided among those who share them."""
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _tree_seconds(root: int, children: Mapping[int, Sequence[int]]) -> float:
    below = sum(_tree_seconds(child, children) for child in children.get(root, ()))
    return _seconds_of(root, with_children=True) + below


def _seconds_of(pid: int, *, with_children: bool) -> float:
    """User and system time; of children only those that have ended and were waited for."""
    fields = _stat(pid)
    end = CHILDREN_END if with_children else CHILDREN_END - 2
    return sum(int(ticks) for ticks in fields[USER_TICKS:end]) / TICKS_PER_SECOND if fields else 0.0


def _stat(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []
