"""The record sets of subjects, and of what was said about them with an entry."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.subjects import PERSONAL_MEMBERS, SUBJECT, Erasure, KeptMembers, SealedMembers, Subject


def stored_subject(row: Sequence[Any]) -> Subject:
    erasure = None if row[4] is None else Erasure(id=row[4], erased_at=row[5], actor=row[6], reason=row[7])
    return Subject(ledger_id=LedgerId(row[0]), reference=row[1], sealed_key=row[2], created_at=row[3], erasure=erasure)


def _of_erasure(name: str, type_: str, member: str) -> Column:
    return Column(name, type_, lambda subject: subject.erasure and getattr(subject.erasure, member))


SUBJECTS = RecordSet(
    kind=SUBJECT,
    table="subjects",
    columns=(
        Column("reference", "text", lambda subject: subject.reference),
        Column("sealed_key", "text", lambda subject: subject.sealed_key),
        Column("created_at", "timestamptz", lambda subject: subject.created_at),
        _of_erasure("erasure_id", "uuid", "id"),
        _of_erasure("erased_at", "timestamptz", "erased_at"),
        _of_erasure("erased_by", "text", "actor"),
        _of_erasure("reason", "text", "reason"),
    ),
    changing=("sealed_key", "erasure_id", "erased_at", "erased_by", "reason"),
    read=stored_subject,
)
"""Made before the first command that says something about one (`services/subjects.py`), and changed by its erasure."""

MEMBERS = RecordSet(
    kind=PERSONAL_MEMBERS,
    table="personal_members",
    columns=(
        Column("id", "uuid", lambda kept: kept.id),
        Column("subject", "text", attrgetter("members.subject")),
        Column("sealed", "text", attrgetter("members.sealed")),
    ),
    changing=(),
    read=lambda row: KeptMembers(row[1], SealedMembers(row[2], row[3])),
)
"""Written and never changed."""
