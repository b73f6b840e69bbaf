"""The command to post a journal entry as it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.conditions import Conditions, kept
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import PlainPair, Posted, entry_posted
from zerosum.domain.ledger.periods import Dating
from zerosum.domain.ledger.records import Need


@dataclass(frozen=True, slots=True, kw_only=True)
class PostEntry(LedgerCommand):
    entry: JournalEntry
    dating: Dating | None = None
    conditions: Conditions | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        own = {posting.account_id for posting in self.entry.postings}
        return tuple(own if self.conditions is None else own.union(self.conditions.account_ids))

    def needs(self) -> tuple[Need, ...]:
        own = LedgerCommand.needs(self)
        return own if self.dating is None else (*own, *self.dating.needs(self.ledger_id))

    def journal_entry(self) -> JournalEntry:
        return self.entry if self.conditions is None else replace(self.entry, conditions=self.conditions.items)

    def pair(self) -> PlainPair | None:
        entry = self.entry
        if (
            not entry.is_plain_pair
            or entry.reverses is not None
            or self.dating is not None
            or self.conditions is not None
        ):
            return None
        debit, credit = entry.postings
        kinds = ResourceType.JOURNAL_ENTRY, EventType.JOURNAL_ENTRY_POSTED
        return PlainPair(entry.reason, debit.account_id, credit.account_id, debit.money, *kinds, entry.effective_at)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = book.post(self.journal_entry(), self, posted_at, ResourceType.JOURNAL_ENTRY, dating=self.dating)
        if self.conditions is not None:
            key, record = kept(self.ledger_id, self.id, self.conditions)
            book.records[key] = record
        return Posted(self.ledger_id, (posted,), (entry_posted(posted),))
