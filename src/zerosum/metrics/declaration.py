"""What a metric is: its name, what it says, its labels, and how it is summed over processes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "zerosum_"

_NAME = re.compile(r"zerosum_[a-z0-9]+(_[a-z0-9]+)*")


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Summed(StrEnum):
    """What is made of the levels that several processes tell."""

    LIVING = "the sum over the processes that live"
    NEWEST = "what was told last, whichever process told it"
    LARGEST = "the largest of the processes that live"
    TOTAL = "the sum over all processes, also those that have ended"
    """Counters and histograms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`where` says what must be there before it is told at all; None: it is there in every installation."""

    name: str
    says: str
    kind: Kind
    summed: Summed
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    where: str | None = None
    is_read: bool = False
    """It comes from the database, by readings."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None or not self.says.endswith("."):
            raise ValueError(f"{self.name}: a metric has a plain name, and says a sentence")
        if self.name.endswith("_total") != (self.kind is Kind.COUNTER):
            raise ValueError(f"{self.name}: counters and nothing else end in _total")
        if bool(self.buckets) != (self.kind is Kind.HISTOGRAM) or tuple(sorted(self.buckets)) != self.buckets:
            raise ValueError(f"{self.name}: histograms and nothing else have buckets, the smallest first")


def counter(name: str, says: str, *labels: str, where: str | None = None) -> Metric:
    return Metric(name=name, says=says, kind=Kind.COUNTER, summed=Summed.TOTAL, labels=labels, where=where)


def level(name: str, says: str, *labels: str, summed: Summed, where: str | None = None) -> Metric:
    return Metric(name=name, says=says, kind=Kind.GAUGE, summed=summed, labels=labels, where=where)


def reading(name: str, says: str, *labels: str, where: str | None = None) -> Metric:
    """A level that one worker reads from the database for all."""
    return Metric(name=name, says=says, kind=Kind.GAUGE, summed=Summed.NEWEST, labels=labels, where=where, is_read=True)


def histogram(name: str, says: str, buckets: tuple[float, ...], *labels: str, where: str | None = None) -> Metric:
    return Metric(
        name=name, says=says, kind=Kind.HISTOGRAM, summed=Summed.TOTAL, labels=labels, buckets=buckets, where=where
    )
