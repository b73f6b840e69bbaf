"""The command to erase a subject: its key is destroyed, and what was sealed under it can be opened by nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from zerosum.domain.audit import AuditRecord, AuditType
from zerosum.domain.errors import SubjectNotFound
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.account_commands import AUDIT_RECORD
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.subjects import Erasure, Subject, erasure_facts, subject_key


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseSubject(EntrylessCommand):
    """Once erased it stays as it was erased first. `address` and `request_id` are for the security log."""

    reference: str
    reason: str
    address: str | None = None
    request_id: str | None = None

    def needs(self) -> tuple[Need, ...]:
        return (Need(subject_key(self.ledger_id, self.reference)),)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        before: Subject | None = book.records.get(subject_key(self.ledger_id, self.reference))
        if before is None:
            raise SubjectNotFound("This ledger has no such subject.")
        if before.erasure is not None:
            return Posted(self.ledger_id, (), (), before, self._remembered(before))
        erasure = Erasure(id=self.id, erased_at=posted_at, actor=self.actor, reason=self.reason)
        after = replace(before, sealed_key=None, erasure=erasure)
        book.records[after.key] = after
        audit = self._audit_record(posted_at)
        book.records[RecordKey(self.ledger_id, AUDIT_RECORD, audit.id)] = audit
        told = Event(self.id, EventType.SUBJECT_ERASED, ResourceType.SUBJECT, None, erasure_facts(after))
        return Posted(self.ledger_id, (), (told,), after, self._remembered(after), told=(audit,))

    def _remembered(self, subject: Subject) -> Remembered:
        return Remembered(ResourceType.SUBJECT, self.id, erasure_facts(subject))

    def _audit_record(self, now: datetime) -> AuditRecord:
        return AuditRecord(
            ledger_id=self.ledger_id,
            id=self.further_id(1),
            recorded_at=now,
            type=AuditType.SUBJECT_ERASED,
            actor=self.actor,
            address=self.address,
            request_id=self.request_id,
            resource=self.reference,
            reason=self.reason,
        )
