"""Reversals: sides swapped, once, and by the same rules as every other entry."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.domain.builders import (
    LEDGER,
    NOON,
    account_id,
    ledger,
    photograph,
    post_entry,
    posted,
    postings,
    refused,
    shown,
    shown_lines,
    uuid_of,
    wallet,
)
from zerosum.domain.errors import DomainError, InvalidState
from zerosum.domain.identifiers import JournalEntryId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import PostedEntry
from zerosum.domain.ledger.outcome import Outcome
from zerosum.domain.ledger.reverse import Reverse, reversal

MOVE = """
    debit   alice  30.00 USD
    credit  bob    30.00 USD
"""


def reverse(original: PostedEntry, key: str = "reversal") -> Reverse:
    return Reverse(
        id=uuid_of(key),
        ledger_id=LEDGER,
        idempotency_key=key,
        fingerprint=b"x" * 32,
        actor="test",
        entry=reversal(original.id, original.entry.postings, "posted twice"),
        original_id=original.id,
    )


@pytest.fixture
def book() -> Book:
    return Book([wallet("alice", "100.00"), wallet("bob")])


@pytest.fixture
def original(book: Book) -> PostedEntry:
    return posted(book.apply(post_entry(MOVE), NOON))


def test_a_reversal_swaps_every_side_and_points_at_what_it_undoes(book: Book, original: PostedEntry) -> None:
    entry = posted(book.apply(reverse(original), NOON))
    assert entry.entry.reverses == original.id
    assert entry.entry.reason == "posted twice"
    assert shown_lines(entry).count("credit") == shown_lines(entry).count("debit") == 1
    assert shown(book) == ledger("""
        alice  posted 100.00  held 0.00  version 2
        bob    posted 0.00  held 0.00  version 2
    """)


def _refused(book: Book, outcome: Outcome, before: list[str]) -> DomainError:
    found = refused(outcome)
    assert photograph(book.accounts.values()) == before
    return found


def test_an_entry_is_reversed_once(book: Book, original: PostedEntry) -> None:
    first = posted(book.apply(reverse(original), NOON))
    before = photograph(book.accounts.values())
    found = _refused(book, book.apply(reverse(original, "again"), NOON), before)
    assert (found.code, found.facts) == ("already_reversed", {"reversed_by": f"je_{first.id}"})


def test_an_entry_that_was_reversed_before_this_book_is_not_reversed_again(original: PostedEntry) -> None:
    earlier, command = uuid_of("earlier"), reverse(original)
    book = Book([wallet("alice"), wallet("bob")], {command.reversal_key: earlier})
    found = refused(book.apply(command, NOON))
    assert found.facts == {"reversed_by": f"je_{earlier}"}
    # A rehearsal tells what else stands in the way: bob has nothing.
    assert [one.code for one in command.objections(book)] == ["already_reversed", "insufficient_funds"]


def test_what_was_spent_cannot_be_taken_back(book: Book, original: PostedEntry) -> None:
    posted(book.apply(post_entry("debit bob 30.00 USD\ncredit alice 30.00 USD"), NOON))
    before = photograph(book.accounts.values())
    found = _refused(book, book.apply(reverse(original), NOON), before)
    assert (found.code, found.pointer, found.facts["account"]) == (
        "insufficient_funds",
        "",
        f"acc_{account_id('bob')}",
    )
    posted(book.apply(post_entry(MOVE), NOON))
    posted(book.apply(reverse(original), NOON))  # the refusal did not count as the one reversal


def test_a_reversal_can_be_reversed(book: Book, original: PostedEntry) -> None:
    first = posted(book.apply(reverse(original), NOON))
    posted(book.apply(reverse(first, "again"), NOON))
    assert book.accounts[account_id("bob")].posted == Decimal("30.00")


def test_a_work_that_is_undone_leaves_nothing_reversed(book: Book, original: PostedEntry) -> None:
    index, found = _apart(book.apply_together([reverse(original), reverse(original, "again")], NOON))
    assert (index, found.code) == (1, "already_reversed")
    assert book.records == {}
    posted(book.apply(reverse(original), NOON))


def _apart(outcome: object) -> tuple[int, DomainError]:
    assert isinstance(outcome, tuple)
    index, refusal = outcome
    return index, refusal.refusal


@pytest.mark.parametrize("line", ["pending", "pending releases"])
def test_an_entry_that_moves_a_hold_cannot_be_reversed(line: str) -> None:
    lines = postings(f"debit alice 1.00 USD {line}\ncredit bob 1.00 USD {line}")
    with pytest.raises(InvalidState):
        reversal(JournalEntryId(uuid_of("hold")), lines, "x")
