"""The record sets of closed periods: a ledger's newest closing, which is only read here, and late entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.ledger.periods import CLOSING, LATE_ENTRY, Closing, LatePolicy

NEWEST_CLOSING = """(
    select ledger.ledger_id, ledger.ledger_id as id, coalesce(closing.number, 0) as number, closing.period,
           closing.ends_at, seal.recorded_until, ledger.late_entries
    from ledgers ledger
    left join lateral (
        select * from period_closings own where own.ledger_id = ledger.ledger_id order by own.number desc limit 1
    ) closing on true
    left join period_seals seal on seal.ledger_id = closing.ledger_id and seal.number = closing.number
)"""


def _closing(row: Sequence[Any]) -> Closing:
    number, period, ends_at, recorded_until, late_entries = row[2:7]
    return Closing(number, period, ends_at, recorded_until, LatePolicy(late_entries))


CLOSINGS = RecordSet(
    kind=CLOSING,
    table=f"{NEWEST_CLOSING} newest",
    columns=(
        Column("id", "uuid"),
        Column("number", "bigint"),
        Column("period", "text"),
        Column("ends_at", "timestamptz"),
        Column("recorded_until", "timestamptz"),
        Column("late_entries", "text"),
    ),
    changing=(),
    read=_closing,
    is_stored=False,
)
"""Of each ledger one. Whoever closes a period waits for those who may have read it before (`services/periods.py`)."""

LATE_ENTRIES = RecordSet(
    kind=LATE_ENTRY,
    table="late_entries",
    columns=(
        Column("id", "uuid", lambda late: late.id),
        Column("closing", "bigint", lambda late: late.closing),
        Column("way", "text", lambda late: late.way.value),
        Column("requested_at", "timestamptz", lambda late: late.requested_at),
        Column("reason", "text", lambda late: late.reason),
    ),
    changing=(),
    read=lambda row: row[1],
)
"""Written with their entries, and never changed."""
