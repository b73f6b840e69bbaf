"""The commands about account groups. They post nothing: each makes the next version of a name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.domain.audit import AuditRecord, AuditType
from zerosum.domain.errors import AccountGroupNotFound, QuotaExceeded
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account_commands import AUDIT_RECORD
from zerosum.domain.ledger.account_groups import GROUP_VERSIONS_MAX, AccountGroup, GroupLimit, read_group
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey

ACCOUNT_GROUP = "account_group"
"""A version of a group: written once, and never looked for by its key."""

NEWEST_ACCOUNT_GROUP = "newest_account_group"
"""The newest version of a name. It is written as a part of the versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _GroupCommand(EntrylessCommand):
    """The next version of a name. Which that is is looked at under no lock: the database has the last word.

    `address` and `request_id` are for the security log.
    """

    name: str
    address: str | None = None
    request_id: str | None = None

    regroups = True

    @property
    def _newest_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, NEWEST_ACCOUNT_GROUP, self.name)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self._newest_key, is_locked=False),)

    def _newest(self, book: Book) -> AccountGroup | None:
        """As it was found, or as commands before this one in the batch have left it."""
        newest: AccountGroup | None = book.records.get(self._newest_key)
        while (later := book.records.get(self._key_of(1 if newest is None else newest.version + 1))) is not None:
            newest = later
        return newest

    def _key_of(self, version: int) -> RecordKey:
        return RecordKey(self.ledger_id, ACCOUNT_GROUP, f"{self.name}@{version}")

    @abstractmethod
    def _after(self, before: AccountGroup | None, posted_at: datetime) -> AccountGroup:
        """The version that counts afterwards: `before` itself where nothing changes. Raises what stands against it."""

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        before = self._newest(book)
        after = self._after(before, posted_at)
        remembered = Remembered(ResourceType.ACCOUNT_GROUP, self.id, group_facts(after))
        if after is before:
            return Posted(self.ledger_id, (), (), after, remembered)
        if after.version > GROUP_VERSIONS_MAX:
            raise QuotaExceeded(f"A group has at most {GROUP_VERSIONS_MAX} versions.")
        book.records[self._key_of(after.version)] = after
        audit = self._audit_record(after)
        book.records[RecordKey(self.ledger_id, AUDIT_RECORD, audit.id)] = audit
        type_ = EventType.ACCOUNT_GROUP_DELETED if after.is_gone else EventType.ACCOUNT_GROUP_CHANGED
        told = Event(self.id, type_, ResourceType.ACCOUNT_GROUP, None, _told(after))
        return Posted(self.ledger_id, (), (told,), after, remembered, told=(audit,))

    def _next(
        self,
        before: AccountGroup | None,
        posted_at: datetime,
        description: str | None = None,
        members: Sequence[str] = (),
        limits: Sequence[GroupLimit] = (),
    ) -> AccountGroup:
        return AccountGroup(
            ledger_id=self.ledger_id,
            id=self.id,
            name=self.name,
            version=1 if before is None else before.version + 1,
            description=description,
            members=tuple(members),
            limits=tuple(limits),
            created_at=posted_at,
            actor=self.actor,
        )

    def _audit_record(self, made: AccountGroup) -> AuditRecord:
        return AuditRecord(
            ledger_id=self.ledger_id,
            id=self.further_id(1),
            recorded_at=made.created_at,
            type=AuditType.ACCOUNT_GROUP_CHANGED,
            actor=self.actor,
            address=self.address,
            request_id=self.request_id,
            resource=self.name,
            facts=_told(made),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAccountGroup(_GroupCommand):
    """The group is as it says from then on; the same again changes nothing. What it says is known to be right."""

    description: str | None
    members: Sequence[str]
    limits: Sequence[GroupLimit]

    def _after(self, before: AccountGroup | None, posted_at: datetime) -> AccountGroup:
        after = self._next(before, posted_at, self.description, self.members, self.limits)
        return before if before is not None and before.content == after.content else after


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAccountGroup(_GroupCommand):
    """Its accounts stay as they are, and its versions stay in the security log."""

    def _after(self, before: AccountGroup | None, posted_at: datetime) -> AccountGroup:
        if before is None or before.is_gone:
            raise AccountGroupNotFound("This ledger has no such account group.")
        return self._next(before, posted_at)


def _told(group: AccountGroup) -> dict[str, Any]:
    return {"name": group.name, "version": group.version, "content": group.content}


def group_facts(group: AccountGroup) -> dict[str, Any]:
    """What its key is answered with again."""
    return {
        **_told(group),
        "id": str(group.id),
        "created_at": group.created_at.isoformat(),
        "actor": group.actor,
    }


def group_of_facts(ledger_id: LedgerId, facts: Mapping[str, Any]) -> AccountGroup:
    return read_group(
        ledger_id,
        UUID(facts["id"]),
        facts["name"],
        facts["version"],
        facts["content"],
        datetime.fromisoformat(facts["created_at"]),
        facts["actor"],
    )
