"""The command to post a journal entry as it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import PlainPair, Posted, entry_posted


@dataclass(frozen=True, slots=True, kw_only=True)
class PostEntry(LedgerCommand):
    entry: JournalEntry

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.with_conditioned(tuple({posting.account_id for posting in self.entry.postings}))

    def journal_entry(self) -> JournalEntry:
        return self.conditioned(self.entry)

    def pair(self, book: Book, posted_at: datetime) -> PlainPair | None:  # noqa: ARG002 - it stands on nothing else
        entry = self.entry
        if (
            not entry.is_plain_pair
            or entry.reverses is not None
            or self.dating is not None
            or self.conditions is not None
            or self.personal is not None
        ):
            return None
        debit, credit = entry.postings
        kinds = ResourceType.JOURNAL_ENTRY, EventType.JOURNAL_ENTRY_POSTED
        return PlainPair(entry.reason, debit.account_id, credit.account_id, debit.money, *kinds, entry.effective_at)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = book.post(self.journal_entry(), self, posted_at, ResourceType.JOURNAL_ENTRY)
        return Posted(self.ledger_id, (posted,), (entry_posted(posted),))
