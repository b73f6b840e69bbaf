"""What became of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.audit import AuditRecord
from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.entry import PostedEntry


class Event(NamedTuple):
    """A fact, told in the transaction that makes it one.

    `resource_id` is None where the resource bears the event's own id. `data` is the resource as it was at that moment;
    None where nothing of it can change that the event's type and the entry of the same id do not tell.
    """

    id: UUID
    type: EventType
    resource_type: ResourceType
    resource_id: UUID | None = None
    data: Mapping[str, Any] | None = None


def entry_posted(entry: PostedEntry) -> Event:
    return Event(entry.id, EventType.JOURNAL_ENTRY_POSTED, ResourceType.JOURNAL_ENTRY)


class Remembered(NamedTuple):
    """What is answered again to the key of a command that has posted nothing: as it was given, not as it is now."""

    resource_type: ResourceType
    resource_id: UUID
    content: Mapping[str, Any]


@dataclass(slots=True)
class Posted:
    """Carried out. `entries` are in the books, `events` announce it, `resource` is what the caller is shown.

    The first entry bears the command's key, and replays it; a command without entries says what is to be remembered.
    Records that were put into the Book are written with it.
    """

    ledger_id: LedgerId
    entries: tuple[PostedEntry, ...]
    events: tuple[Event, ...]
    resource: Any = None
    remembered: Remembered | None = None
    changed_account: AccountId | None = None
    """Whose settings were made or changed: its history names the command's actor."""
    told: tuple[AuditRecord, ...] = ()
    """What the security log tells of it, which is among those records."""

    @property
    def entry(self) -> PostedEntry:
        """The first, which bears the key. Raises LookupError for a command that posts nothing."""
        if not self.entries:
            raise LookupError("this command posts no entry")
        return self.entries[0]


@dataclass(slots=True)
class Refused:
    """The command was judged and changed nothing. The same key gets the same refusal for ever, where it is kept."""

    refusal: DomainError
    is_replay: bool = False


@dataclass(slots=True)
class Replayed:
    """The key was used before for the same request, which was posted then under this id.

    `content` is the answer as it was given, of a command that has posted nothing.
    """

    entry_id: UUID
    resource_type: ResourceType
    content: Mapping[str, Any] | None = None


Outcome = Posted | Refused
"""What a Book says."""

Answer = Posted | Refused | Replayed
"""What a caller of the committer gets."""
