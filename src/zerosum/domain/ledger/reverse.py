"""The command to reverse a journal entry: the same postings with the sides swapped, at most once for each entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from zerosum.domain.errors import AlreadyReversed, DomainError, InvalidState
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId, JournalEntryId, Prefix, render_id
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry, Nature, Posting
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import Posted, entry_posted
from zerosum.domain.ledger.records import Need, RecordKey

REVERSAL = "reversal"
"""The kind of record that tells by which entry one was reversed. It is written as a part of that entry."""

_OTHER_SIDE = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(LedgerCommand):
    """`entry` is the entry to post, as `reversal` makes it. A record tells whether its original was reversed, by which.

    All accounts of the original are locked while it is decided, so two reversals of one entry cannot pass each other.
    """

    entry: JournalEntry
    original_id: JournalEntryId

    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple({posting.account_id for posting in self.entry.postings})

    @property
    def reversal_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, REVERSAL, self.original_id)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.reversal_key, is_locked=False),)

    def journal_entry(self) -> JournalEntry:
        return self.entry

    def point(self, objection: DomainError) -> DomainError:
        """The caller has named an entry and no postings: what is wrong lies in the request as a whole."""
        return self.named(objection).at("")

    def objections(self, book: Book) -> Iterator[DomainError]:
        yield from self._reversed_before(book)
        for objection in book.objections(self.entry):
            yield self.point(objection)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        for objection in self._reversed_before(book):
            raise objection
        posted = book.post(self.entry, self, posted_at, ResourceType.JOURNAL_ENTRY)
        book.records[self.reversal_key] = posted.id
        return Posted(self.ledger_id, (posted,), (entry_posted(posted),))

    def _reversed_before(self, book: Book) -> Iterator[DomainError]:
        reversal_id = book.records.get(self.reversal_key)
        if reversal_id is not None:
            yield AlreadyReversed(
                "The journal entry has been reversed before.",
                reversed_by=render_id(Prefix.JOURNAL_ENTRY, reversal_id),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedReversal(EntrylessCommand):
    """To reverse an entry that never is. Asked of the books all the same, so that its key keeps the refusal."""

    refusal: DomainError
    original_account_ids: tuple[AccountId, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.original_account_ids

    def objections(self, book: Book) -> Iterator[DomainError]:  # noqa: ARG002 - it is so whatever is in them
        yield self.refusal

    def decide(self, book: Book, posted_at: datetime) -> Posted:  # noqa: ARG002
        raise self.refusal


def reversal(
    original_id: JournalEntryId, postings: Iterable[Posting], reason: str, *, is_forced: bool = False
) -> JournalEntry:
    """What takes the entry back; where it `is_forced` as a fact that nothing refuses.

    Raises InvalidState for one that moved a hold: holds end by their own rules.
    """
    swapped = []
    for posting in postings:
        if posting.layer is not Layer.POSTED:
            raise InvalidState("An entry that places or releases a hold cannot be reversed.")
        swapped.append(Posting(posting.account_id, _OTHER_SIDE[posting.side], posting.money))
    nature = Nature.OUTSIDE if is_forced else Nature.INTENTION
    return JournalEntry(reason, tuple(swapped), reverses=original_id, nature=nature)
