"""A look at the records that a batch stands on, before it holds any: what it sees is compared under their locks.

Not all is looked at by each batch. What commands only read and of which the newest counts is remembered as one has seen
it, and payments and holds as one has left them: most of what is captured, and much of what is given back, was made a
moment ago. All that is remembered is compared where the next batch is written, as what is looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from zerosum.db.batch.loading import Fetch
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.ledger.records import ChangedRecords, Need, RecordKey, only_read

REMEMBERED_MAX = 10_000
"""Ledgers, nearly always: of each its newest house rules. When there are more all are looked at anew."""

LEFT_MAX = 20_000
"""Payments and holds, at most some 60 MB when full. Then those that were written longest ago are forgotten."""

Left = Sequence[tuple[RecordKey, Any]]
"""Records as a batch leaves them."""


class Looked(NamedTuple):
    """`row_versions` are those at which records must still be when the batch is written (`posting.py`), or the numbers
    by which they are the newest."""

    records: Mapping[RecordKey, Any]
    row_versions: Mapping[RecordKey, int]
    only_read: frozenset[RecordKey]

    @property
    def needed(self) -> frozenset[RecordKey]:
        """All that it was about."""
        return self.only_read.union(self.row_versions)

    def with_those(self, seen: Looked) -> Looked:
        records, row_versions = {**self.records, **seen.records}, {**self.row_versions, **seen.row_versions}
        return Looked(records, row_versions, self.only_read | seen.only_read)


NOTHING = Looked({}, {}, frozenset())
"""Of a batch that stands on accounts alone."""


def may_look(needs: Collection[Need]) -> bool:
    return all(RECORD_SETS[need.key.kind].is_looked_at for need in needs)


async def look(fetch: Fetch, needs: Collection[Need]) -> Looked | None:
    """A transaction for each kind. None where one is not there that was to be locked: its absence cannot be held."""
    read = only_read(needs)
    by_kind: dict[str, list[RecordKey]] = {}
    for key in {need.key for need in needs}:
        by_kind.setdefault(key.kind, []).append(key)
    records: dict[RecordKey, Any] = {}
    row_versions: dict[RecordKey, int] = {}
    for kind, keys in by_kind.items():
        record_set, ledgers = RECORD_SETS[kind], [key.ledger_id for key in keys]
        opened = f"{{{','.join(map(str, set(ledgers)))}}}"
        for row in await fetch(_statement(kind), ledgers, [key.id for key in keys], opened):
            key = keys[row[0] - 1]
            records[key] = record_set.read(row[2:])
            if key not in read:
                row_versions[key] = row[1]
    is_whole = all(key in read or key in records for keys in by_kind.values() for key in keys)
    return Looked(records, row_versions, read) if is_whole else None


class RememberedNewest:
    """Of one lane: records of which the newest counts, as they were last seen. None: there was none."""

    def __init__(self) -> None:
        self._found: dict[RecordKey, Any] = {}

    def unknown(self, needs: Collection[Need]) -> list[Need]:
        if len(self._found) > REMEMBERED_MAX:
            self.forget_all()
        return [need for need in needs if need.key not in self._found]

    def learn(self, asked: Iterable[Need], looked: Looked) -> None:
        for need in asked:
            if RECORD_SETS[need.key.kind].newest is not None:
                self._found[need.key] = looked.records.get(need.key)

    def beside(self, looked: Looked, needs: Collection[Need]) -> Looked | None:
        """With what is remembered of these. None where that was forgotten meanwhile."""
        records, row_versions = {**looked.records}, {**looked.row_versions}
        for key in {need.key for need in needs}:
            newest = RECORD_SETS[key.kind].newest
            if newest is None:
                continue
            if key not in self._found:
                return None
            record = self._found[key]
            row_versions[key] = newest.number(record)
            if record is not None:
                records[key] = record
        return Looked(records, row_versions, only_read(needs))

    def forget_all(self) -> None:
        self._found.clear()


class RememberedRecords:
    """Of one lane, while it speaks to one server: records as its batches have left them, and in which transaction.

    Whoever takes one and does not write it anew leaves it unknown: so what somebody else has changed since makes one
    batch go the usual way, and no second one.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[RecordKey, tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, needs: Collection[Need]) -> Looked:
        """Those of them that are known here and are to be locked: what is only read would be compared by nobody."""
        if not self._left:
            return NOTHING
        records: dict[RecordKey, Any] = {}
        row_versions: dict[RecordKey, int] = {}
        for key in {need.key for need in needs} - only_read(needs):
            found = self._left.pop(key, None)
            if found is not None:
                records[key], row_versions[key] = found
        return Looked(records, row_versions, frozenset())

    def learn(self, left: Left, number: int) -> None:
        """They are as the transaction of this number has left them."""
        for key, record in left:
            self._left[key] = (record, number)
        while len(self._left) > LEFT_MAX:
            self._left.popitem(last=False)

    def forget_all(self) -> None:
        self._left.clear()


def left_by(posted: Iterable[Posted], records: ChangedRecords) -> Left:
    """What may be stood on later, of what a batch makes and changes."""
    return [*_left_by(posted, records)]


def _left_by(posted: Iterable[Posted], records: ChangedRecords) -> Iterator[tuple[RecordKey, Any]]:
    kinds = _kinds_left()
    for outcome in posted:
        if type(outcome) is PostedPair:
            for made in outcome.pair.records:
                if made[0].kind in kinds and kinds[made[0].kind](made[1]):
                    yield made
    for key, record in records.changed.items():
        if key.kind in kinds and kinds[key.kind](record):
            yield key, record


@cache
def _kinds_left() -> Mapping[str, Callable[[Any], bool]]:
    """Payments and holds: what batches lock by a look, and write. With what says of one whether it is small enough."""
    return {kind: found.is_small for kind, found in RECORD_SETS.items() if found.is_looked_at and found.newest is None}


@cache
def _statement(kind: str) -> str:
    return RECORD_SETS[kind].look_statement()
