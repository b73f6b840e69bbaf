"""Latencies in buckets: a fixed amount of memory however long a run is, and histograms of several runs add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

LINEAR_BITS = 7
"""Each power of two is cut into 128 buckets, so a reading is at most 0.8 % off."""

LINEAR = 1 << LINEAR_BITS
OCTAVES = 25
"""Up to 2^32 µs, more than an hour."""

LONGEST_MICROSECONDS = (LINEAR << OCTAVES) - 1
BUCKETS = LINEAR * (OCTAVES + 1)


class Histogram:
    """Counts by microseconds."""

    __slots__ = ("counts", "longest", "shortest")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.shortest = LONGEST_MICROSECONDS
        self.longest = 0

    def record(self, seconds: float) -> None:
        microseconds = int(seconds * 1e6)
        if microseconds < LINEAR:
            microseconds = max(microseconds, 0)
            self.counts[microseconds] += 1
        else:
            microseconds = min(microseconds, LONGEST_MICROSECONDS)
            shift = microseconds.bit_length() - LINEAR_BITS - 1
            self.counts[(shift << LINEAR_BITS) + (microseconds >> shift)] += 1
        if microseconds > self.longest:  # noqa: PLR1730 - half the cost of a call of max
            self.longest = microseconds
        if microseconds < self.shortest:  # noqa: PLR1730
            self.shortest = microseconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def max_seconds(self) -> float:
        return self.longest / 1e6

    def seconds_at(self, share: float) -> float:
        """The latency that this share of all readings did not exceed; 0 where there is none."""
        wanted = share * self.count
        seen = 0
        for index, number in enumerate(self.counts):
            seen += number
            if number and seen >= wanted:
                return min(_upper_microseconds(index), self.longest) / 1e6
        return 0.0

    @property
    def mean_seconds(self) -> float:
        total = sum(number * _upper_microseconds(index) for index, number in enumerate(self.counts) if number)
        return total / self.count / 1e6 if total else 0.0

    def add(self, other: Histogram) -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.longest = max(self.longest, other.longest)
        self.shortest = min(self.shortest, other.shortest)

    def to_plain(self) -> dict[str, object]:
        """Only the buckets that hold something: for a pipe or a file."""
        kept = {str(index): number for index, number in enumerate(self.counts) if number}
        return {"buckets": kept, "longest": self.longest, "shortest": self.shortest}

    @classmethod
    def of(cls, readings: Sequence[float]) -> Self:
        made = cls()
        for seconds in readings:
            made.record(seconds)
        return made


def _upper_microseconds(index: int) -> int:
    """The longest latency that falls into the bucket."""
    if index < LINEAR << 1:
        return index
    shift = (index >> LINEAR_BITS) - 1
    return (((index & (LINEAR - 1)) + LINEAR + 1) << shift) - 1
