"""Checkpoints that were kept elsewhere, held against a restored database: is it only older, or is it another?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from zerosum.db.engine import Database
from zerosum.db.queries.signed_checkpoints import list_roots
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.proofs.kept_checkpoints import compare_checkpoints, kept_notes, ledger_of
from zerosum.services.proofs.report import Report

SEALED_BEFORE = timedelta(minutes=1)
"""A checkpoint is committed a moment after the time in it: so much later it must have been there."""


@dataclass(frozen=True, slots=True)
class KeptAge:
    """`held` are the notes of the file up to the size that the database has."""

    report: Report
    size: int
    held: str
    later: tuple[tuple[int, datetime], ...]
    """Size and time of those that were kept and are not in the database."""

    @property
    def missing_leaves(self) -> int:
        return self.later[-1][0] - self.size if self.later else 0


async def age_of(database: Database, content: str, reached_at: datetime | None) -> KeptAge:
    """`reached_at`: when the last was committed that the database holds. Raises CheckpointsUnreadable."""
    notes = sorted(dict.fromkeys(kept_notes(content)), key=_size)  # Files put together may have one twice.
    ledger_id = ledger_of(notes[0])
    async with database.work(ledger_id, SERVICE_LEDGER) as connection:
        roots = await list_roots(connection, ledger_id, after=None, limit=1, is_ascending=False)
    size = roots[0].size if roots else 0
    held = "".join(f"{note}\n" for note in notes if _size(note) <= size)
    later = tuple((_size(note), _sealed_at(note)) for note in notes if _size(note) > size)
    report = await compare_checkpoints(database, held) if held else Report(ledger_id)
    for kept_size, sealed_at in later:
        if reached_at is not None and sealed_at + SEALED_BEFORE < reached_at:
            report.note(f"the kept checkpoint of size {kept_size} was sealed before that and is not there")
    return KeptAge(report, size, held, later)


def _size(note: str) -> int:
    return int(note.split("\n", 2)[1])


def _sealed_at(note: str) -> datetime:
    return datetime.fromisoformat(note.split("\n")[3].removeprefix("sealed_at "))
