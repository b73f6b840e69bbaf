"""What became of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from zerosum.domain.audit import AuditRecord
from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, JournalEntryId, LedgerId
from zerosum.domain.ledger.entry import PostedEntry, PostedPosting
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money

if TYPE_CHECKING:
    from zerosum.domain.ledger.book import LedgerCommand


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


RECORDED_ID = "recorded_id"
"""In what is remembered: the id under which the answer is found again, where it is not remembered itself."""


OWN_ID = "own_id"
"""In what is remembered: how the resource is called, where that is no UUID."""


class Remembered(NamedTuple):
    """What is answered again to the key of a command that has posted nothing: as it was given, not as it is now."""

    resource_type: ResourceType
    resource_id: UUID
    content: Mapping[str, Any]


@dataclass(slots=True)
class Posted:
    """Carried out. `entries` are in the books, `events` announce it, `resource` is what the caller is shown.

    The first entry bears the command's key, and replays it, unless the command says what is to be remembered instead:
    one without entries does, and one whose entry has a key of its own.
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
    opened: tuple[UUID, ...] = ()
    """The accounts it has opened besides."""
    traceparent: str | None = None
    """Of which trace it is a part, where somebody has asked for that: written beside it, and covered by no proof."""

    @property
    def entry(self) -> PostedEntry:
        """The first, which bears the key. Raises LookupError for a command that posts nothing."""
        if not self.entries:
            raise LookupError("this command posts no entry")
        return self.entries[0]

    @property
    def lines(self) -> Sequence[PostedPosting | PostedLine]:
        """Of the first entry, if there is one."""
        return self.entries[0].postings if self.entries else ()

    @property
    def first_id(self) -> UUID:
        """Under which its answer is found again: its entry's, or what is remembered instead."""
        if not self.entries and self.remembered is not None:
            return UUID(self.remembered.content[RECORDED_ID])
        return self.entry.id


class PlainPair(NamedTuple):
    """What a command posts whose entry is one debit and one credit of the same money, as an intention.

    `records` are what is to be remembered of it besides, each known by the command's id. `facts` are those that its
    event tells.
    """

    reason: str
    debit_id: AccountId
    credit_id: AccountId
    money: Money
    resource_type: ResourceType
    event_type: EventType
    effective_at: datetime | None = None
    records: Sequence[tuple[RecordKey, Any]] = ()
    hold: UUID | None = None
    """That both lines place: then they are pending, and not posted. Or of which something is `freed`."""
    facts: Mapping[str, Any] | None = None
    freed: Money | None = None
    """What two lines before these set free, of what the hold has kept between the same accounts."""
    resource_id: str | None = None
    """What its entry is posted for, where that has another id than the command."""
    told_of: tuple[ResourceType, UUID] | None = None
    """What its event is about, likewise."""
    further: Event | None = None
    """What is told besides: it is about the command's own id, and says no more."""
    changes: Sequence[tuple[RecordKey, Any]] = ()
    """Records that are put into the book: those that it stands on as they are afterwards, and what tells of that."""
    shown: Any = None
    """What is shown, where that is not the last of its records."""

    @property
    def about(self) -> tuple[ResourceType, UUID | None]:
        """What its event is about. No id: what bears its own."""
        return self.told_of or (self.resource_type, None)


class PostedLine(NamedTuple):
    """One of its postings, with the balance and what is held in their wire form."""

    account_id: UUID
    account_version: int
    balance: str
    held: str
    hash: bytes

    @property
    def balance_after(self) -> Decimal:
        return Decimal(self.balance)

    @property
    def held_after(self) -> Decimal:
        return Decimal(self.held)


class PostedPair(Posted):
    """Carried out straight (`pair.py`): it holds what is written and shown, and is made out at length when asked."""

    __slots__ = ("_at_length", "amount", "command", "credit", "debit", "freeing", "pair", "posted_at")

    def __init__(
        self,
        command: LedgerCommand,
        pair: PlainPair,
        posted_at: datetime,
        amount: str,
        debit: PostedLine,
        credit: PostedLine,
        freeing: tuple[PostedLine, ...] = (),
    ) -> None:
        """`freeing` are the lines before its own, where it sets something free."""
        self.command = command
        self.pair = pair
        self.posted_at = posted_at
        self.amount = amount
        self.debit = debit
        self.credit = credit
        self.freeing = freeing
        self.traceparent = None
        self._at_length: Posted | None = None

    @property
    def first_id(self) -> UUID:
        return self.command.id

    @property
    def ledger_id(self) -> LedgerId:  # type: ignore[override]
        return self.command.ledger_id

    @property
    def entries(self) -> tuple[PostedEntry, ...]:  # type: ignore[override]
        return self._made_out().entries

    @property
    def events(self) -> tuple[Event, ...]:  # type: ignore[override]
        pair = self.pair
        resource_type, resource_id = pair.about
        event = Event(self.command.id, pair.event_type, resource_type, resource_id, pair.facts)
        return (event,) if pair.further is None else (event, pair.further)

    @property
    def resource(self) -> Any:
        pair = self.pair
        if pair.shown is not None:
            return pair.shown
        return pair.records[-1][1] if pair.records else None

    @property
    def lines(self) -> Sequence[PostedLine]:
        return (*self.freeing, self.debit, self.credit)

    @property
    def remembered(self) -> None:  # type: ignore[override]
        return None

    @property
    def opened(self) -> tuple[UUID, ...]:  # type: ignore[override]
        """Never any: what opens accounts does not go straight."""
        return ()

    @property
    def changed_account(self) -> None:  # type: ignore[override]
        return None

    @property
    def told(self) -> tuple[()]:  # type: ignore[override]
        return ()

    def _made_out(self) -> Posted:
        """As the Book would have given it."""
        if self._at_length is None:
            self._at_length = self._at_full_length()
        return self._at_length

    def _at_full_length(self) -> Posted:
        command, pair = self.command, self.pair
        entry = command.entry_of(pair)
        lines = [
            PostedPosting(posting, place, line.account_version, line.balance_after, line.held_after, line.hash)
            for place, (posting, line) in enumerate(zip(entry.postings, self.lines, strict=True))
        ]
        posted = PostedEntry(
            id=JournalEntryId(command.id),
            ledger_id=command.ledger_id,
            entry=entry,
            effective_at=pair.effective_at or self.posted_at,
            posted_at=self.posted_at,
            actor=command.actor,
            idempotency_key=command.idempotency_key,
            fingerprint=command.fingerprint,
            resource_type=pair.resource_type,
            resource_id=pair.resource_id,
            metadata=command.metadata,
            postings=tuple(lines),
        )
        return Posted(command.ledger_id, (posted,), self.events, self.resource)


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

    @property
    def recorded_id(self) -> UUID:
        """Under which what was answered then is found."""
        return self.entry_id if self.content is None else UUID(self.content[RECORDED_ID])


Outcome = Posted | Refused
"""What a Book says."""

Answer = Posted | Refused | Replayed
"""What a caller of the committer gets."""
