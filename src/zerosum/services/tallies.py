"""What is counted while it happens: plain numbers, read by whoever tells metrics. Nothing here grows without bound."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from uuid import UUID

KEYS_MAX = 500
"""Further ones are counted together: what a key is made of may come from outside."""

OTHER = "other"


class Counts:
    """How often, or how much, by key: a tuple of words."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], float] = {}

    def add(self, key: tuple[str, ...], number: float = 1) -> None:
        numbers = self._numbers
        if key in numbers:
            numbers[key] += number
        elif len(numbers) < KEYS_MAX:
            numbers[key] = number
        else:
            others = (OTHER,) * len(key)
            numbers[others] = numbers.get(others, 0) + number

    def read(self) -> Mapping[tuple[str, ...], float]:
        return dict(self._numbers)


class Spread:
    """How values are spread over buckets, each named by its upper bound; the last one has none."""

    __slots__ = ("bounds", "numbers", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.numbers = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> int:
        """The number of the bucket it has fallen into."""
        place = bisect_left(self.bounds, value)
        self.numbers[place] += 1
        self.total += value
        return place


class Spreads:
    """One for each key."""

    __slots__ = ("_bounds", "_spreads")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._spreads: dict[tuple[str, ...], Spread] = {}

    def observe(self, key: tuple[str, ...], value: float) -> None:
        spread = self._spreads.get(key)
        if spread is None:
            if len(self._spreads) >= KEYS_MAX:
                key = (OTHER,) * len(key)
            spread = self._spreads.setdefault(key, Spread(self._bounds))
        spread.observe(value)

    def read(self) -> Mapping[tuple[str, ...], Spread]:
        return dict(self._spreads)


class Hottest:
    """Which of many have had the most of something lately.

    It keeps `kept_max`; one that is new takes the place of the one with the least, and its number with it, so that who
    comes often enough is never lost. Everything halves each time it is asked to `cool`.
    """

    __slots__ = ("_kept_max", "_numbers")

    def __init__(self, kept_max: int = 200) -> None:
        self._kept_max = kept_max
        self._numbers: dict[UUID, float] = {}

    def add(self, one: UUID, number: float) -> None:
        numbers = self._numbers
        if one in numbers:
            numbers[one] += number
        elif len(numbers) < self._kept_max:
            numbers[one] = number
        else:
            least = min(numbers, key=numbers.__getitem__)
            numbers[one] = numbers.pop(least) + number

    def cool(self, least: float) -> None:
        """What is less than `least` by now is forgotten."""
        self._numbers = {one: number / 2 for one, number in self._numbers.items() if number / 2 >= least}

    def top(self, count: int) -> Iterator[tuple[UUID, float]]:
        yield from sorted(self._numbers.items(), key=lambda item: item[1], reverse=True)[:count]
