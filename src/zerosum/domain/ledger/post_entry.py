"""The command to post a journal entry as it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Posted, entry_posted


@dataclass(frozen=True, slots=True, kw_only=True)
class PostEntry(LedgerCommand):
    entry: JournalEntry

    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple({posting.account_id for posting in self.entry.postings})

    def journal_entry(self) -> JournalEntry:
        return self.entry

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = book.post(self.entry, self, posted_at, ResourceType.JOURNAL_ENTRY)
        return Posted(self.ledger_id, (posted,), (entry_posted(posted),))
