"""Subjects: people, each by a reference that a caller has for them, and what was said about them with an entry.

What is said about a subject is sealed under a key of its own, and the entry bears a commitment to the sealed text among
its metadata: so it is in the fingerprint, in the hash chain and in events, and the clear text is in none of them. With
the key what was said is gone, and everything that proves the books is as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.domain.errors import SubjectErased
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.moments import render_time

SUBJECT = "subject"
"""Of which kind subjects are among the records, each known by its reference."""

PERSONAL_MEMBERS = "personal_members"
"""What was said about a subject with an entry, known by the id of that."""

REFERENCE_PATTERN_TEXT = "[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"
"""It stays in the clear for ever, so an address of a mail is none."""

SUBJECT_MEMBER = "zerosum.subject"
COMMITMENT_MEMBER = "zerosum.commitment"

RESERVED_MEMBERS = frozenset({SUBJECT_MEMBER, COMMITMENT_MEMBER})
"""Members of the metadata of an entry that no caller writes himself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Who has had a subject erased, when, and why. `id` is that of the command."""

    id: UUID
    erased_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """It has a key or was erased."""

    ledger_id: LedgerId
    reference: str
    created_at: datetime
    sealed_key: str | None = field(default=None, repr=False)
    erasure: Erasure | None = None

    @property
    def key(self) -> RecordKey:
        return subject_key(self.ledger_id, self.reference)


@dataclass(frozen=True, slots=True)
class SealedMembers:
    """What is said about a subject, as a command brings it: sealed, and what commits to that."""

    subject: str
    sealed: str = field(repr=False)

    def need(self, ledger_id: LedgerId) -> Need:
        """Whoever erases the subject waits for who says something about it, and the other way round."""
        return Need(subject_key(ledger_id, self.subject))


@dataclass(frozen=True, slots=True)
class KeptMembers:
    """The same, beside the entry that it was said with."""

    id: UUID
    members: SealedMembers


def subject_key(ledger_id: LedgerId, reference: str) -> RecordKey:
    return RecordKey(ledger_id, SUBJECT, reference)


def check_there(members: SealedMembers, ledger_id: LedgerId, records: Mapping[RecordKey, Any]) -> None:
    """Raises SubjectErased: its key is gone, and with it whatever was sealed under it."""
    subject: Subject | None = records.get(subject_key(ledger_id, members.subject))
    if subject is not None and subject.erasure is not None:
        raise erased(subject.reference)


def kept_members(ledger_id: LedgerId, entry_id: UUID, members: SealedMembers) -> tuple[RecordKey, KeptMembers]:
    return RecordKey(ledger_id, PERSONAL_MEMBERS, entry_id), KeptMembers(entry_id, members)


def erased(reference: str) -> SubjectErased:
    return SubjectErased("This subject was erased.", pointer="/personal/subject", subject=reference)


def said_of(subject: str, commitment: str) -> Mapping[str, str]:
    """What an entry says of it among its metadata."""
    return {SUBJECT_MEMBER: subject, COMMITMENT_MEMBER: commitment}


def erasure_facts(subject: Subject) -> dict[str, Any]:
    """What its erasure is answered with, and what the feed tells of it. Why is told by the security log alone."""
    erasure = subject.erasure
    if erasure is None:
        raise LookupError("this subject was not erased")
    return {
        "subject": subject.reference,
        "created_at": render_time(subject.created_at),
        "erased_at": render_time(erasure.erased_at),
    }
