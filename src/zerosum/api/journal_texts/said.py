"""What is said of an entry and of a posting besides accounts and amounts, the same for every program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, tzinfo
from enum import StrEnum

from zerosum.api.render import render_time
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.money import render_amount
from zerosum.services.journal import RecordedEntry, RecordedPosting
from zerosum.services.journal_export import ExportedPage


class JournalText(ABC):
    """A journal in the writing of one program, piece by piece. A day is one of the ledger's time zone."""

    mark: str
    """Begins a comment."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def head(self, as_of: datetime | None) -> str:
        return "" if as_of is None else f"{self.mark} The journal as it was written at {render_time(as_of)}\n"

    @abstractmethod
    async def page(self, page: ExportedPage) -> str: ...

    def end(self, entries: int) -> str:
        return f"{self.mark} The end: {entries} entries\n"

    def day(self, entry: RecordedEntry) -> str:
        return entry.effective_at.astimezone(self._zone).date().isoformat()


def said_of(entry: RecordedEntry) -> Iterator[tuple[str, str]]:
    """By name; metadata stand apart."""
    yield "effective_at", render_time(entry.effective_at)
    yield "posted_at", render_time(entry.posted_at)
    yield "actor", entry.actor
    yield "resource_type", entry.resource_type.value
    if entry.resource_id is not None:
        yield "resource_id", entry.resource_id
    if entry.idempotency_key is not None:
        yield "idempotency_key", entry.idempotency_key
    if entry.reverses is not None:
        yield "reverses", render_id(Prefix.JOURNAL_ENTRY, entry.reverses)


def said_of_posting(line: RecordedPosting) -> Iterator[tuple[str, str]]:
    yield "account_version", str(line.account_version)
    yield "hash", line.hash.hex()
    if line.layer is Layer.PENDING:
        yield "releases", "true" if line.releases else "false"


def signed(line: RecordedPosting) -> str:
    """Of a pending posting that releases, what it takes back."""
    is_positive = (line.side is Side.DEBIT) is not line.releases
    return f"{'' if is_positive else '-'}{render_amount(line.amount)}"


class Program(StrEnum):
    """For which the journal is written."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
