"""Several commands together: all are carried out, or the book is as it was."""

from __future__ import annotations

from tests.domain.builders import (
    NOON,
    account,
    account_id,
    clearing,
    ledger,
    photograph,
    post_entry,
    posted,
    refused,
    shown,
    transfer,
    wallet,
)
from zerosum.domain.ledger.account import AccountStatus
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import Posted, Refused


def family() -> Book:
    return Book([wallet("alice", "100.00"), wallet("bob"), wallet("carol")])


def carried_out(book: Book, *commands: LedgerCommand) -> list[Posted]:
    result = book.apply_together(commands, NOON)
    assert isinstance(result, list)
    return result


def not_carried_out(book: Book, *commands: LedgerCommand) -> tuple[int, str]:
    """The index and code of the refusal. The book is as it was: no balance, no version, no head is another."""
    before = photograph(book.accounts.values())
    result = book.apply_together(commands, NOON)
    assert isinstance(result, tuple)
    assert isinstance(result[1], Refused)
    assert photograph(book.accounts.values()) == before
    return result[0], result[1].refusal.code


def test_each_command_sees_what_those_before_it_did() -> None:
    book = family()
    outcomes = carried_out(
        book,
        transfer("60.00", "alice", "bob", key="1"),
        transfer("50.00", "bob", "carol", key="2"),
        transfer("50.00", "carol", "alice", key="3"),
    )
    assert [outcome.entry.idempotency_key for outcome in outcomes] == ["1", "2", "3"]
    assert shown(book) == ledger(
        """
        alice  posted 90.00  held 0.00  version 2
        bob    posted 10.00  held 0.00  version 2
        carol  posted 0.00   held 0.00  version 2
        """
    )


def test_they_do_what_they_would_do_one_by_one() -> None:
    commands = [
        transfer("60.00", "alice", "bob", key="1"),
        post_entry("debit bob 5.00 USD pending \n credit carol 5.00 USD pending", key="2"),
        transfer("55.00", "bob", "carol", key="3"),
    ]
    together, alone = family(), family()
    outcomes = carried_out(together, *commands)
    assert [repr(outcome) for outcome in outcomes] == [repr(alone.apply(command, NOON)) for command in commands]
    assert photograph(together.accounts.values()) == photograph(alone.accounts.values())


def test_one_refusal_in_the_end_undoes_all() -> None:
    assert not_carried_out(
        family(),
        transfer("60.00", "alice", "bob", key="1"),
        post_entry("debit bob 5.00 USD pending \n credit carol 5.00 USD pending", key="2"),
        transfer("55.01", "bob", "carol", key="3"),
    ) == (2, "insufficient_funds")


def test_a_refusal_in_the_beginning_leaves_the_rest_untried() -> None:
    assert not_carried_out(
        family(),
        transfer("60.00", "bob", "alice", key="1"),
        transfer("60.00", "nobody", "alice", key="2"),
    ) == (0, "insufficient_funds")


def test_an_unknown_account_undoes_what_the_known_ones_did() -> None:
    assert not_carried_out(
        family(), transfer("60.00", "alice", "bob", key="1"), transfer("1.00", "bob", "nobody", key="2")
    ) == (1, "account_not_found")


def test_a_refusal_for_a_status_undoes_all_too() -> None:
    book = family()
    book.accounts[account_id("carol")].status = AccountStatus.FROZEN
    assert not_carried_out(
        book, transfer("60.00", "alice", "bob", key="1"), transfer("1.00", "bob", "carol", key="2")
    ) == (1, "account_frozen")


def test_what_was_overdrawn_is_undone_too() -> None:
    book = Book([account("alice", "10.00"), clearing()])
    assert not_carried_out(
        book,
        post_entry("debit alice 25.00 USD pending outside \n credit clearing 25.00 USD pending", key="1"),
        transfer("0.01", "alice", "clearing", key="2"),
    ) == (1, "insufficient_funds")
    assert not book.accounts[account_id("alice")].overdrawn


def test_accounts_outside_are_left_alone() -> None:
    book = family()
    carol = book.accounts[account_id("carol")]
    not_carried_out(book, transfer("60.00", "alice", "bob", key="1"), transfer("61.00", "bob", "alice", key="2"))
    assert book.accounts[account_id("carol")] is carol


def test_no_command_at_all_is_carried_out() -> None:
    assert carried_out(family()) == []


def test_the_book_goes_on_as_if_nothing_had_been_tried() -> None:
    """The chain after an undone attempt is the chain of a book that never saw it."""
    tried, untried = family(), family()
    not_carried_out(tried, transfer("60.00", "alice", "bob", key="1"), transfer("61.00", "bob", "alice", key="2"))
    for book in (tried, untried):
        posted(book.apply(transfer("10.00", "alice", "bob", key="3"), NOON))
    assert photograph(tried.accounts.values()) == photograph(untried.accounts.values())


def test_a_command_refused_alone_may_pass_together_and_the_reverse() -> None:
    refused(family().apply(transfer("1.00", "bob", "carol"), NOON))
    carried_out(family(), transfer("1.00", "alice", "bob", key="1"), transfer("1.00", "bob", "carol", key="2"))
    posted(family().apply(transfer("100.00", "alice", "bob"), NOON))
    not_carried_out(family(), transfer("1.00", "alice", "bob", key="1"), transfer("100.00", "alice", "bob", key="2"))
