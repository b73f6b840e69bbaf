"""Clients: what their five commands post, what is remembered, and what is refused in which order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.domain.builders import (
    LEDGER,
    NOON,
    account_id,
    clearing,
    ledger,
    photograph,
    posted,
    refused,
    shown,
    shown_entry,
    uuid_of,
    wallet,
)
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.account import AccountStatus
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.client_commands import CLIENT_COMMANDS, ClientCommand
from zerosum.domain.payments.clients import CLIENT_CURRENCY, CLIENT_TRANSACTION, ClientCommandType, ClientTransaction

OWNERS = {1: "alice", 2: "bob"}


def command(line: str, *, refuse_negative_total: bool = False) -> ClientCommand:
    """`deposit 1 7 5.0`: type, client, tx, amount."""
    name, client, tx, *amount = line.split()
    type_ = ClientCommandType(name)
    more: dict[str, object] = {}
    if amount:
        more["money"] = Money(CLIENT_CURRENCY.scaled(Decimal(amount[0])), CLIENT_CURRENCY)
    if type_ is ClientCommandType.CHARGEBACK:
        more["refuse_negative_total"] = refuse_negative_total
    make: type = CLIENT_COMMANDS[type_]
    made = make(
        id=uuid_of(line),
        ledger_id=LEDGER,
        idempotency_key=line,
        fingerprint=bytes(32),
        actor="tests",
        client=int(client),
        tx=int(tx),
        client_id=account_id(OWNERS[int(client)]),
        clearing_id=account_id("clearing"),
        **more,
    )
    assert isinstance(made, ClientCommand)
    return made


def client_book() -> Book:
    accounts = [wallet(name, currency=CLIENT_CURRENCY) for name in OWNERS.values()]
    return Book([*accounts, clearing(currency=CLIENT_CURRENCY)])


def after(*lines: str) -> Book:
    book = client_book()
    for line in lines:
        posted(book.apply(command(line), NOON))
    return book


def transaction(book: Book, tx: int) -> ClientTransaction:
    found = book.records[RecordKey(LEDGER, CLIENT_TRANSACTION, str(tx))]
    assert isinstance(found, ClientTransaction)
    return found


def figures(book: Book) -> str:
    """What alice has: total, held, available."""
    alice = book.accounts[account_id("alice")]
    return f"{alice.posted} {alice.held} {alice.available}" + " overdrawn" * alice.overdrawn


def refusal_code(book: Book, line: str, *, refuse_negative_total: bool = False) -> str:
    """The code of the refusal. Neither accounts nor records have changed."""
    before, records = photograph(book.accounts.values()), dict(book.records)
    refusal = refused(book.apply(command(line, refuse_negative_total=refuse_negative_total), NOON))
    assert (photograph(book.accounts.values()), book.records) == (before, records)
    return refusal.code


def test_a_dispute_holds_what_the_client_got() -> None:
    book = after("deposit 1 7 5.0")
    entry = posted(book.apply(command("dispute 1 7"), NOON))
    assert shown_entry(entry.entry) == ledger(
        """
        dispute
        debit   alice     5.0000 XTS pending
        credit  clearing  5.0000 XTS pending
        """
    )
    assert {line.posting.hold for line in entry.postings} == {transaction(book, 7).entry_id}
    assert shown(book) == ledger(
        """
        alice     posted 5.0000 held 5.0000 version 2
        bob       posted 0.0000 held 0.0000 version 0
        clearing  posted 5.0000 held 5.0000 version 2
        """
    )
    assert transaction(book, 7).status.value == "disputed"


def test_a_resolve_gives_it_back_and_allows_another_dispute() -> None:
    book = after("deposit 1 7 5.0", "dispute 1 7", "resolve 1 7")
    assert transaction(book, 7).status.value == "resolved"
    assert figures(book) == "5.0000 0.0000 5.0000"
    posted(book.apply(command("dispute 1 7"), NOON))


def test_a_chargeback_takes_the_money_and_locks_the_client() -> None:
    book = after("deposit 1 7 5.0", "deposit 1 8 1.0", "dispute 1 7")
    entry = posted(book.apply(command("chargeback 1 7"), NOON))
    assert shown_entry(entry.entry) == ledger(
        """
        chargeback
        debit   alice     5.0000 XTS pending releases
        credit  clearing  5.0000 XTS pending releases
        debit   alice     5.0000 XTS
        credit  clearing  5.0000 XTS
        """
    )
    assert figures(book) == "1.0000 0.0000 1.0000"
    assert book.accounts[account_id("alice")].status is AccountStatus.FROZEN
    assert transaction(book, 7).status.value == "charged_back"
    for line in ("deposit 1 9 1.0", "withdrawal 1 9 1.0", "dispute 1 8", "resolve 1 7", "chargeback 1 7"):
        assert refusal_code(book, line) == "client_locked"


def test_a_dispute_may_take_available_below_zero_and_a_chargeback_the_total() -> None:
    book = after("deposit 1 7 5.0", "withdrawal 1 8 4.0", "dispute 1 7")
    assert figures(book) == "1.0000 5.0000 -4.0000 overdrawn"
    posted(book.apply(command("chargeback 1 7"), NOON))
    assert figures(book) == "-4.0000 0.0000 -4.0000 overdrawn"


def test_a_negative_total_can_be_refused_and_leaves_the_dispute_open() -> None:
    book = after("deposit 1 7 5.0", "withdrawal 1 8 4.0", "dispute 1 7")
    assert refusal_code(book, "chargeback 1 7", refuse_negative_total=True) == "negative_total"
    assert transaction(book, 7).status.value == "disputed"
    book = after("deposit 1 7 5.0", "deposit 1 8 4.0", "withdrawal 1 9 4.0", "dispute 1 7")
    posted(book.apply(command("chargeback 1 7", refuse_negative_total=True), NOON))
    assert book.accounts[account_id("alice")].posted == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("deposit 1 7 1.0", "tx_exists"),
        ("deposit 2 8 1.0", "tx_exists"),
        ("withdrawal 1 7 100.0", "tx_exists"),
        ("withdrawal 1 9 3.0001", "insufficient_funds"),
        ("dispute 1 9", "tx_not_found"),
        ("dispute 2 7", "wrong_client"),
        ("dispute 2 8", "wrong_client"),
        ("dispute 1 8", "not_disputable"),
        ("resolve 1 8", "not_disputable"),
        ("resolve 1 7", "not_disputed"),
        ("chargeback 1 7", "not_disputed"),
        ("deposit 1 9 99999999999999999999.9999", "balance_overflow"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(line: str, code: str) -> None:
    assert refusal_code(after("deposit 1 7 5.0", "withdrawal 1 8 2.0"), line) == code


def test_a_second_dispute_is_refused_until_the_first_is_resolved() -> None:
    assert refusal_code(after("deposit 1 7 5.0", "dispute 1 7"), "dispute 1 7") == "already_disputed"


def test_a_chargeback_is_final_even_for_a_client_who_is_unlocked_again() -> None:
    book = after("deposit 1 7 5.0", "dispute 1 7", "chargeback 1 7")
    book.accounts[account_id("alice")].status = AccountStatus.OPEN
    assert refusal_code(book, "dispute 1 7") == "not_disputable"
    assert refusal_code(book, "resolve 1 7") == "not_disputed"
    assert refusal_code(book, "chargeback 1 7") == "not_disputed"


def test_a_refused_withdrawal_leaves_its_tx_free() -> None:
    book = after("deposit 1 7 5.0")
    assert refusal_code(book, "withdrawal 1 8 5.0001") == "insufficient_funds"
    posted(book.apply(command("deposit 2 8 1.0"), NOON))


def test_a_command_names_its_resource_and_announces_what_became_of_it() -> None:
    book = client_book()
    outcome = book.apply(command("deposit 1 7 5.0"), NOON)
    assert isinstance(outcome, Posted)
    assert (outcome.entry.resource_type, outcome.entry.resource_id) == (ResourceType.CLIENT_TRANSACTION, "7")
    assert outcome.events[0].type is EventType.CLIENT_TRANSACTION_CARRIED_OUT
    assert outcome.resource == transaction(book, 7)


def test_refused_together_they_leave_records_and_locks_as_they_were() -> None:
    book = after("deposit 1 7 5.0")
    before, records = photograph(book.accounts.values()), dict(book.records)
    lines = ("deposit 2 8 1.0", "dispute 1 7", "chargeback 1 7", "deposit 1 9 1.0")
    result = book.apply_together([command(line) for line in lines], NOON)
    assert isinstance(result, tuple)
    assert (result[0], result[1].refusal.code) == (3, "client_locked")
    assert (photograph(book.accounts.values()), book.records) == (before, records)


def test_a_book_that_nobody_keeps_comes_to_the_same_balances() -> None:
    lines = ["deposit 1 7 5.0", "withdrawal 1 8 4.0", "dispute 1 7", "resolve 1 7", "dispute 1 7", "chargeback 1 7"]
    kept, unkept = after(*lines), client_book()
    for line in lines:
        command(line).carry_out(unkept)
    assert kept.records == unkept.records
    assert shown(kept) == shown(unkept)
    assert kept.accounts[account_id("alice")].status is unkept.accounts[account_id("alice")].status


def test_a_rehearsal_is_told_the_objections_without_a_change() -> None:
    book = after("deposit 1 7 5.0")
    assert [one.code for one in command("dispute 1 8").objections(book)] == ["tx_not_found"]
    assert [(one.code, one.pointer) for one in command("withdrawal 1 8 6.0").objections(book)] == [
        ("insufficient_funds", "/client")
    ]
    assert list(command("dispute 1 7").objections(book)) == []
