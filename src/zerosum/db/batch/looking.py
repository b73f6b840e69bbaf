"""A look at the records that a batch stands on, before it holds any: what it sees is compared under their locks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, NamedTuple

from zerosum.db.batch.loading import Fetch
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.domain.ledger.records import Need, RecordKey, only_read


class Looked(NamedTuple):
    """`row_versions` are those at which records must still be when the batch is written (`posting.py`)."""

    records: Mapping[RecordKey, Any]
    row_versions: Mapping[RecordKey, int]
    only_read: frozenset[RecordKey]


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


@cache
def _statement(kind: str) -> str:
    return RECORD_SETS[kind].look_statement()
