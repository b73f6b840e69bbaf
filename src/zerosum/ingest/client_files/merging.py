"""Several inputs as one stream of rows, in an order that does not depend on how they were split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappush, heappushpop, merge
from operator import itemgetter
from typing import NamedTuple

from zerosum.ingest.client_files.rows import DEPOSIT, WITHDRAWAL, Row

_BEFORE_ALL_TIME = -(1 << 80)


class Placed(NamedTuple):
    """A row with its key in the merged order, and the input it comes from."""

    key: int
    source: int
    row: Row


def merged_by_tx(inputs: Sequence[Iterable[Row]]) -> Iterator[Placed]:
    """Each input is in order. A row's key is the highest tx that a deposit or withdrawal of its input has had so far.

    So a dispute stays behind the row before it. Ties go by the order of the inputs.
    """
    return merge(*[_keyed_by_tx(source, rows) for source, rows in enumerate(inputs)], key=itemgetter(0))


def _keyed_by_tx(source: int, rows: Iterable[Row]) -> Iterator[Placed]:
    highest = -1
    for row in rows:
        if row.fault is None and row.kind in (DEPOSIT, WITHDRAWAL) and row.tx > highest:
            highest = row.tx
        yield Placed(highest, source, row)


class MergeByTime:
    """By timestamp; rows that are out of order by up to `window` rows of their input are put right.

    A row that comes later than that is taken when it comes, and counted in `late`.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self.late = 0

    def merged(self, inputs: Sequence[Iterable[Row]]) -> Iterator[Placed]:
        return merge(*[self._in_order(source, rows) for source, rows in enumerate(inputs)], key=itemgetter(0))

    def _in_order(self, source: int, rows: Iterable[Row]) -> Iterator[Placed]:
        waiting: list[tuple[int, int, Row]] = []
        written = given = _BEFORE_ALL_TIME
        for number, row in enumerate(rows):
            # A row without a readable time stays behind the row before it.
            written = row.timestamp if row.timestamp is not None else written
            keyed = (written, number, row)
            if len(waiting) < self._window:
                heappush(waiting, keyed)
                continue
            key, _, next_row = heappushpop(waiting, keyed)
            given = self._not_before(given, key)
            yield Placed(given, source, next_row)
        for key, _, next_row in sorted(waiting):
            given = self._not_before(given, key)
            yield Placed(given, source, next_row)

    def _not_before(self, given: int, key: int) -> int:
        if key < given:
            self.late += 1
        return max(given, key)
