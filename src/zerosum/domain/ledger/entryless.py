"""Commands that post no entry: they make, change or end something that stands beside the accounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrylessCommand(LedgerCommand):
    """What it raises when it is decided is all that stands against it."""

    def account_ids(self) -> tuple[AccountId, ...]:
        """None that there is, unless it says so: a command comes to its ledger by its accounts."""
        return (AccountId(self.id),)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("this command posts no entry")

    def objections(self, book: Book) -> Iterator[DomainError]:  # noqa: ARG002 - see above
        return iter(())
