"""Commands that post several entries: all of them or none."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import pytest

from tests.domain.builders import LEDGER, NOON, account_id, clearing, entry, photograph, uuid_of, wallet
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Posted, Refused, entry_posted


@dataclass(frozen=True, slots=True, kw_only=True)
class PayWithFee(LedgerCommand):
    """Pays bob, and then a fee to the house."""

    posts_several: ClassVar[bool] = True

    fee: str

    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple(account_id(name) for name in ("alice", "bob", "clearing"))

    def journal_entry(self) -> JournalEntry:
        return entry("debit alice 10.00 USD \n credit bob 10.00 USD")

    def decide(self, book: Book, posted_at: object) -> Posted:
        paid = book.post(self.journal_entry(), self, NOON, ResourceType.JOURNAL_ENTRY)
        fee = entry(f"debit alice {self.fee} USD \n credit clearing {self.fee} USD")
        charged = book.post(fee, self, NOON, ResourceType.JOURNAL_ENTRY, number=1)
        return Posted(self.ledger_id, (paid, charged), (entry_posted(paid), entry_posted(charged)))


class PaysButDoesNotSay(PayWithFee):
    posts_several: ClassVar[bool] = False


def command(cls: type[PayWithFee], fee: str) -> PayWithFee:
    return cls(id=uuid_of("c"), ledger_id=LEDGER, idempotency_key="k", fingerprint=b"f", actor="tests", fee=fee)


def book_of(alice: str) -> Book:
    return Book([wallet("alice", alice), wallet("bob"), clearing()])


def test_the_first_entry_bears_the_key_and_the_second_an_id_of_its_own() -> None:
    book = book_of("11.00")
    outcome = book.apply(command(PayWithFee, "1.00"), NOON)
    assert isinstance(outcome, Posted)
    assert [posted.idempotency_key for posted in outcome.entries] == ["k", None]
    assert len({posted.id for posted in outcome.entries}) == 2
    assert book.accounts[account_id("alice")].posted == Decimal("0.00")


def test_what_was_posted_before_a_refusal_is_undone() -> None:
    book = book_of("10.50")
    before = photograph(book.accounts.values())
    outcome = book.apply(command(PayWithFee, "1.00"), NOON)
    assert isinstance(outcome, Refused)
    assert outcome.refusal.code == "insufficient_funds"
    assert photograph(book.accounts.values()) == before


def test_a_command_that_does_not_say_so_cannot_post_twice() -> None:
    with pytest.raises(TypeError, match="several"):
        book_of("11.00").apply(command(PaysButDoesNotSay, "1.00"), NOON)
