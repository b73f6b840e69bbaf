"""What an entry was dated to where that lay in a closed period, beside whatever is read of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Label, Row, Select, and_

from zerosum.db.schema.tables import journal_entries, late_entries
from zerosum.domain.identifiers import JournalEntryId, LedgerId
from zerosum.domain.ledger.periods import LateEntry, LateWay

_LATE = late_entries.alias("late")

LATE_COLUMNS: tuple[Label[Any], ...] = tuple(
    _LATE.c[name].label(f"late_{name}") for name in ("closing", "way", "requested_at", "reason")
)
_OF_ENTRY: ColumnElement[bool] = and_(
    _LATE.c.ledger_id == journal_entries.c.ledger_id, _LATE.c.id == journal_entries.c.id
)


def with_late_dates(statement: Select[Any]) -> Select[Any]:
    """A statement that selects `LATE_COLUMNS`, and has journal entries in it."""
    return statement.join(_LATE, _OF_ENTRY, isouter=True)


def late_in(row: Row[Any], ledger_id: UUID, entry_id: UUID) -> LateEntry | None:
    """None where it was not dated into closed time."""
    if row.late_way is None:
        return None
    return LateEntry(
        ledger_id=LedgerId(ledger_id),
        id=JournalEntryId(entry_id),
        closing=row.late_closing,
        way=LateWay(row.late_way),
        requested_at=row.late_requested_at,
        reason=row.late_reason,
    )
