"""What one process has counted so far, and what comes out when several are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zerosum.metrics.declaration import Metric, Summed
from zerosum.metrics.declared import BY_NAME

Labels = tuple[str, ...]


@dataclass(slots=True)
class Exemplar:
    """One of those that were counted, and the trace in which it can be looked at."""

    trace_id: str
    value: float
    at: float


@dataclass(slots=True)
class Buckets:
    """Of a histogram: how many fell into each bucket, and the sum of all. `exemplars` by the number of the bucket."""

    numbers: list[int]
    total: float
    exemplars: dict[int, Exemplar] = field(default_factory=dict)

    def __add__(self, other: Buckets) -> Buckets:
        exemplars = dict(self.exemplars)
        for place, one in other.exemplars.items():
            if place not in exemplars or exemplars[place].at < one.at:
                exemplars[place] = one
        numbers = [mine + others for mine, others in zip(self.numbers, other.numbers, strict=True)]
        return Buckets(numbers, self.total + other.total, exemplars)

    def as_json(self) -> list[Any]:
        exemplars = [[place, one.trace_id, one.value, one.at] for place, one in self.exemplars.items()]
        return [self.numbers, self.total, exemplars]

    @classmethod
    def from_json(cls, given: list[Any]) -> Buckets:
        numbers, total, exemplars = given
        return cls(numbers, total, {place: Exemplar(*rest) for place, *rest in exemplars})


Value = float | Buckets
Series = Mapping[Labels, Value]


@dataclass(frozen=True, slots=True)
class Told:
    """The levels of one metric, all that there are: what is not among them is not so any more."""

    at: float
    levels: Mapping[Labels, float]


@dataclass(slots=True)
class Snapshot:
    """Of one process, or of several. Totals and levels are by the name of their metric."""

    told_at: float = 0.0
    totals: dict[str, Series] = field(default_factory=dict)
    levels: dict[str, Told] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)
    """The files that are in it, where it is of processes that have ended."""

    def without_levels(self) -> Snapshot:
        return replace(self, levels={})

    def as_json(self) -> dict[str, Any]:
        return {
            "told_at": self.told_at,
            "totals": {name: [[labels, _plain(one)] for labels, one in of.items()] for name, of in self.totals.items()},
            "levels": {name: [told.at, list(told.levels.items())] for name, told in self.levels.items()},
            "includes": self.includes,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Snapshot:
        """What this version does not declare is left out: during an upgrade another may tell it."""
        return cls(
            given["told_at"],
            {
                name: {tuple(labels): _value(BY_NAME[name], one) for labels, one in of}
                for name, of in given["totals"].items()
                if name in BY_NAME
            },
            {
                name: Told(at, {tuple(labels): one for labels, one in levels})
                for name, (at, levels) in given["levels"].items()
                if name in BY_NAME
            },
            given["includes"],
        )


def _plain(value: Value) -> Any:
    return value.as_json() if isinstance(value, Buckets) else value


def _value(metric: Metric, given: Any) -> Value:
    return Buckets.from_json(given) if metric.buckets else float(given)


def added(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Totals are added up; levels as each is declared."""
    whole = Snapshot()
    for snapshot in snapshots:
        for name, series in snapshot.totals.items():
            whole.totals[name] = _summed(whole.totals.get(name, {}), series)
        for name, told in snapshot.levels.items():
            before = whole.levels.get(name)
            whole.levels[name] = told if before is None else _together(BY_NAME[name].summed, before, told)
    return whole


def _summed(one: Mapping[Labels, Any], other: Mapping[Labels, Any]) -> dict[Labels, Any]:
    summed = dict(one)
    for labels, value in other.items():
        summed[labels] = summed[labels] + value if labels in summed else value
    return summed


def _together(how: Summed, one: Told, other: Told) -> Told:
    if how is Summed.NEWEST:
        return max(one, other, key=lambda told: told.at)
    at = max(one.at, other.at)
    if how is Summed.LARGEST:
        labels = {**one.levels, **other.levels}
        return Told(at, {each: max(t.levels[each] for t in (one, other) if each in t.levels) for each in labels})
    return Told(at, _summed(one.levels, other.levels))
