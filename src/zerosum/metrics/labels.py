"""Labels have few values by construction: whatever is sent, a metric cannot grow beyond what stands here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zerosum.metrics.declaration import Metric
from zerosum.metrics.declared.committer import HOT_ACCOUNTS_MAX
from zerosum.services.tallies import OTHER

OPEN_LABELS: Mapping[str, int] = {
    "account": HOT_ACCOUNTS_MAX,
    "currency": 32,
    "processor": 32,
    "standby": 8,
}
"""Values that come from outside. A process tells the first ones that it sees, of accounts those of each moment."""

SERIES_MAX = 4_000
"""Of one metric in one process; a route, method and status each would never come to so many."""

CHARACTERS_MAX = 120


class BoundedLabels:
    """What one process has seen so far, for all metrics alike."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {label: set() for label in OPEN_LABELS if label != "account"}

    def bounded(self, metric: Metric, series: Mapping[tuple[str, ...], Any]) -> dict[tuple[str, ...], Any]:
        """Further ones are added up as `other`."""
        if not metric.labels:
            return dict(series)
        told: dict[tuple[str, ...], Any] = {}
        for labels, value in self._first(metric, series):
            words = tuple(self._word(label, word) for label, word in zip(metric.labels, labels, strict=True))
            if words not in told and len(told) >= SERIES_MAX:
                words = (OTHER,) * len(words)
            told[words] = told[words] + value if words in told else value
        return told

    def _first(self, metric: Metric, series: Mapping[tuple[str, ...], Any]) -> Iterable[tuple[tuple[str, ...], Any]]:
        return list(series.items())[:HOT_ACCOUNTS_MAX] if "account" in metric.labels else series.items()

    def _word(self, label: str, word: str) -> str:
        word = word[:CHARACTERS_MAX].encode(errors="replace").decode()
        seen = self._seen.get(label)
        if seen is None or word in seen:
            return word
        if len(seen) >= OPEN_LABELS[label]:
            return OTHER
        seen.add(word)
        return word
