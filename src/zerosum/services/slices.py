"""Many things a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

_One = TypeVar("_One")


def slices(items: Iterable[_One], at_once: int) -> Iterator[list[_One]]:
    """Lists of so many, in their order; the last may be shorter."""
    every = list(items)
    for first in range(0, len(every), at_once):
        yield every[first : first + at_once]
