"""Statements that are issued: numbered without a gap under their account's lock, chained to each other, never changed.

    genesis = SHA-256("zerosum.statement-genesis.v1" ledger id | account id)
    hash    = SHA-256("zerosum.statement.v1" hash of the account's previous statement, all that is said as netstrings)

A statement is of the account as it was at a version. What is written later has a higher one, whatever time it is given,
so the lines of a statement are the same for ever; `head` is the link of the account's hash chain at that version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from zerosum.domain.errors import AccountNotFound, StatementOvertaken
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.chain import microseconds, netstrings
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import RECORDED_ID, Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import render_amount

STATEMENT = "statement"
LAST_STATEMENT = "last_statement"
"""The newest statement that an account had before the batch. Its account's lock keeps it as it is."""
NEWER_STATEMENT = "newer_statement"
"""The newest one that the batch itself has issued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementContent:
    """What an account had from `start` to before `end`, as far as it was written with `account_version`."""

    start: datetime
    end: datetime
    currency: str
    opening: Decimal
    closing: Decimal
    lines: int
    account_version: int
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedStatement:
    """A statement with its number. `hash` binds it to the one before it."""

    ledger_id: LedgerId
    id: UUID
    account_id: AccountId
    number: int
    content: StatementContent
    issued_at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStatement:
    """What the next statement of the account follows."""

    number: int
    account_version: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueStatement(EntrylessCommand):
    """`content` was read in one look before; only its number is decided here. Whatever state the account is in.

    A later number is never of an earlier version: one that was overtaken since its look is refused, and looks again.
    """

    account_id: AccountId
    content: StatementContent

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.account_id,)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self._last_key, is_locked=False),)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        if self.account_id not in book.accounts:
            raise AccountNotFound("This ledger has no such account.")
        last: LastStatement | None = book.records.get(self._newer_key) or book.records.get(self._last_key)
        if last is not None and self.content.account_version < last.account_version:
            raise StatementOvertaken("Another statement of the account was issued at the same time.")
        number = 1 if last is None else last.number + 1
        previous = statement_genesis(self.ledger_id, self.account_id) if last is None else last.hash
        issued = IssuedStatement(
            ledger_id=self.ledger_id,
            id=self.id,
            account_id=self.account_id,
            number=number,
            content=self.content,
            issued_at=posted_at,
            hash=statement_hash(previous, self.account_id, number, self.content, posted_at),
        )
        book.records[RecordKey(self.ledger_id, STATEMENT, self.id)] = issued
        book.records[self._newer_key] = LastStatement(
            number=number, account_version=self.content.account_version, hash=issued.hash
        )
        remembered = Remembered(ResourceType.STATEMENT, self.id, {RECORDED_ID: str(self.id)})
        told = {"account_id": f"acc_{self.account_id}", "number": number, "hash": issued.hash.hex()}
        event = Event(self.id, EventType.STATEMENT_ISSUED, ResourceType.STATEMENT, data=told)
        return Posted(self.ledger_id, (), (event,), issued, remembered)

    @property
    def _last_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, LAST_STATEMENT, self.account_id)

    @property
    def _newer_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, NEWER_STATEMENT, self.account_id)


def statement_genesis(ledger_id: UUID, account_id: UUID) -> bytes:
    """What an account's first statement follows."""
    return sha256(b"zerosum.statement-genesis.v1" + ledger_id.bytes + account_id.bytes).digest()


def statement_hash(
    previous: bytes, account_id: UUID, number: int, content: StatementContent, issued_at: datetime
) -> bytes:
    texts = (
        str(account_id),
        str(number),
        str(microseconds(content.start)),
        str(microseconds(content.end)),
        str(microseconds(issued_at)),
        content.currency,
        render_amount(content.opening),
        render_amount(content.closing),
        str(content.lines),
        str(content.account_version),
        content.head.hex(),
    )
    return sha256(b"zerosum.statement.v1" + previous + netstrings(texts)).digest()
