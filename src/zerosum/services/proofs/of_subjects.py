"""A part of a proof: what was said about people is what entries commit to, and nobody was erased but by an erasure.

Nothing is opened for it: a commitment binds the sealed text, and holds as well when its key is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.subject_proofs import members_after, subjects_after, told_and_not_erased
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

SUBJECTS_AT_ONCE = 1_000
MEMBERS_AT_ONCE = 1_000


class SubjectsProof:
    """`on_erasure` is told of each: the proof of events counts them."""

    def __init__(self, report: Report, on_erasure: Callable[[Any], None]) -> None:
        self._report = report
        self._on_erasure = on_erasure
        self._after = ""

    def position(self) -> dict[str, Any]:
        return {"after": self._after}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = str(position["after"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(SUBJECTS_AT_ONCE, share)
        rows = await subjects_after(connection, report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            is_erased = row.erasure_id is not None
            if row.has_key == is_erased:
                report.note(f"the subject {row.reference} has neither a key nor an erasure, or has both")
            if is_erased:
                if not row.is_told:
                    report.note(f"the erasure of the subject {row.reference} is not what the security log tells of it")
                self._on_erasure(_Announced(row))
            self._after = row.reference
        if len(rows) == limit:
            return False
        for reference in await told_and_not_erased(connection, report.ledger_id, limit=BREAKS_MAX):
            report.note(f"the security log tells that the subject {reference} was erased, and it was not")
        return True


class PersonalMembersProof(BehindIds):
    """What each was said with, and that it is what was said. Of entries `of_entries` asks whether it is there."""

    def __init__(self, report: Report) -> None:
        self._report = report

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(MEMBERS_AT_ONCE, share)
        rows = await members_after(connection, report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            report.personal += 1
            report.erased += row.is_erased
            fault = _fault_of(row)
            if fault is not None:
                name = render_id(Prefix.JOURNAL_ENTRY, row.id)
                report.note(f"what was said about a person with the journal entry {name} {fault}")
        if rows:
            self._after = rows[-1].id
        return len(rows) < limit


class _Announced:
    """An erasure, as the proof of events knows entries."""

    resource_type, resource_id, reason = "subject", None, "erased"

    def __init__(self, row: Any) -> None:
        self.id, self.posted_at = row.erasure_id, row.erased_at


def _fault_of(row: Any) -> str | None:
    if not row.has_entry:
        return "is of an entry that does not exist"
    if row.said_subject != row.subject:
        return "is about another one than the entry names"
    if sha256(b"zerosum.personal.v1 " + row.sealed.encode()).hexdigest() != row.commitment:
        return "is not what the entry commits to"
    return None if row.has_subject else "is about a subject that does not exist"
