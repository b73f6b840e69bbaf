"""Lines and entries that have no match yet, found by reference, by amount and by day without looking at all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from heapq import merge
from itertools import islice
from uuid import UUID

LOOKED_AT_MAX = 1_000
"""Of one amount, or of the days around one: so many are looked at for one item."""


class ItemKind(StrEnum):
    """On which side an item stands."""

    LINE = "line"
    """Of an outside record."""
    ENTRY = "entry"
    """A posting to the account that is reconciled."""


@dataclass(frozen=True)
class OpenItem:
    """A line is known by its file and its number in it, an entry by its account and its version there.

    `units` are smallest units of the currency: above zero what comes in for us, below what goes out. `is_new` is a line
    that the file in hand tells of, or tells again where nobody has looked at it.
    """

    kind: ItemKind
    holder_id: UUID
    number: int
    on: date
    units: int
    references: frozenset[str] = frozenset()
    entry_id: UUID | None = None
    is_new: bool = False

    @cached_property
    def key(self) -> tuple[UUID, int]:
        return self.holder_id, self.number

    @cached_property
    def day(self) -> int:
        return self.on.toordinal()


class OpenItems:
    """Of one kind, in the order of their keys."""

    def __init__(self, items: Iterable[OpenItem]) -> None:
        self._items = {item.key: item for item in sorted(items, key=lambda item: item.key)}
        self._by_reference: dict[str, dict[tuple[UUID, int], OpenItem]] = {}
        self._by_amount: dict[int, dict[int, dict[tuple[UUID, int], OpenItem]]] = {}
        self._by_day: dict[int, dict[tuple[UUID, int], OpenItem]] = {}
        for item in self._items.values():
            for reference in item.references:
                self._by_reference.setdefault(reference, {})[item.key] = item
            self._by_amount.setdefault(item.units, {}).setdefault(item.day, {})[item.key] = item
            self._by_day.setdefault(item.day, {})[item.key] = item
        self._amounts = sorted(self._by_amount)

    def __contains__(self, item: OpenItem) -> bool:
        return item.key in self._items

    def all(self) -> list[OpenItem]:
        return list(self._items.values())

    def take(self, item: OpenItem) -> None:
        """It has a match."""
        del self._items[item.key]
        for reference in item.references:
            del self._by_reference[reference][item.key]
        days = self._by_amount[item.units]
        del days[item.day][item.key]
        if not days[item.day]:
            del days[item.day]
        if not days:
            del self._amounts[bisect_left(self._amounts, item.units)]
        del self._by_day[item.day][item.key]

    def of(self, reference: str) -> list[OpenItem]:
        return list(self._by_reference.get(reference, {}).values())

    def number_of(self, reference: str) -> int:
        return len(self._by_reference.get(reference, {}))

    def has_reference_of(self, other: OpenItem) -> bool:
        return any(self._by_reference.get(reference) for reference in other.references)

    def sharing(self, other: OpenItem, maximum: int) -> list[OpenItem]:
        """A reference with another one: the first so many of each."""
        found: dict[tuple[UUID, int], OpenItem] = {}
        for reference in sorted(other.references):
            found.update(islice(self._by_reference.get(reference, {}).items(), maximum))
        return list(found.values())

    def amounts_around(self, units: int, tolerance: int) -> Iterator[int]:
        """The nearest first; of two that are equally near the lower one."""
        above = bisect_left(self._amounts, units)
        below = above - 1
        while True:
            has_above = above < len(self._amounts) and self._amounts[above] - units <= tolerance
            has_below = below >= 0 and units - self._amounts[below] <= tolerance
            if has_below and (not has_above or units - self._amounts[below] <= self._amounts[above] - units):
                yield self._amounts[below]
                below -= 1
            elif has_above:
                yield self._amounts[above]
                above += 1
            else:
                return

    def of_amount(self, units: int, day: int, window: int) -> Iterator[OpenItem]:
        """The nearest day first."""
        return _nearest_first(self._by_amount.get(units, {}), day, window)

    def around(self, day: int, window: int) -> Iterator[OpenItem]:
        """The nearest day first."""
        return _nearest_first(self._by_day, day, window)


def _nearest_first(by_day: dict[int, dict[tuple[UUID, int], OpenItem]], day: int, window: int) -> Iterator[OpenItem]:
    def found() -> Iterator[OpenItem]:
        for distance in range(window + 1):
            here = [by_day.get(place, {}).values() for place in sorted({day - distance, day + distance})]
            yield from merge(*here, key=lambda item: item.key)

    return islice(found(), LOOKED_AT_MAX)
