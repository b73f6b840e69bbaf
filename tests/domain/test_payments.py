"""Payments: what each of them posts, written as it would stand in an account book."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.domain.builders import (
    EUR,
    LEDGER,
    NOON,
    USD,
    account_id,
    clearing,
    ledger,
    payment,
    posted,
    refused,
    shown,
    shown_entry,
    transfer,
    wallet,
)
from zerosum.domain.errors import SameAccount
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.account import AccountState, AccountStatus
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.money import Money
from zerosum.domain.payments.payment import NO_TEXTS, Payment, PaymentStatus, PaymentType, clearing_code

TRANSFER, DEPOSIT, WITHDRAWAL = PaymentType.TRANSFER, PaymentType.DEPOSIT, PaymentType.WITHDRAWAL


# --- Posting rules ---------------------------------------------------------------------------------------------------


def test_a_transfer_debits_the_payer_and_credits_the_payee() -> None:
    assert shown_entry(payment(TRANSFER, "30.00", "alice", "bob").journal_entry()) == ledger(
        """
        transfer
        debit   alice  30.00 USD
        credit  bob    30.00 USD
        """
    )


def test_a_deposit_debits_clearing_and_credits_the_receiver() -> None:
    assert shown_entry(payment(DEPOSIT, "30.00", "clearing", "alice").journal_entry()) == ledger(
        """
        deposit
        debit   clearing  30.00 USD
        credit  alice     30.00 USD
        """
    )


def test_a_withdrawal_debits_the_payer_and_credits_clearing() -> None:
    assert shown_entry(payment(WITHDRAWAL, "30.00", "alice", "clearing").journal_entry()) == ledger(
        """
        withdrawal
        debit   alice     30.00 USD
        credit  clearing  30.00 USD
        """
    )


def test_money_comes_in_moves_and_goes_out_again_and_nothing_is_left() -> None:
    book = Book([clearing(), wallet("alice"), wallet("bob")])
    for number, (type_, payer, payee) in enumerate(
        [(DEPOSIT, "clearing", "alice"), (TRANSFER, "alice", "bob"), (WITHDRAWAL, "bob", "clearing")]
    ):
        posted(book.apply(payment(type_, "30.00", payer, payee, key=str(number)), NOON))
    assert shown(book) == ledger(
        """
        alice     posted 0.00  held 0.00  version 2
        bob       posted 0.00  held 0.00  version 2
        clearing  posted 0.00  held 0.00  version 2
        """
    )


@pytest.mark.parametrize("type_", PaymentType)
def test_every_payment_happens_when_its_command_says(type_: PaymentType) -> None:
    yesterday = NOON - timedelta(days=1)
    assert payment(type_, "1.00", "alice", "bob").journal_entry().effective_at is None
    assert payment(type_, "1.00", "alice", "bob", effective_at=yesterday).journal_entry().effective_at == yesterday


# --- The payment -----------------------------------------------------------------------------------------------------


def test_a_payment_that_was_carried_out_has_succeeded_and_stands_on_its_entry() -> None:
    book = Book([wallet("alice", "100.00"), wallet("bob")])
    command = transfer("30.00", "alice", "bob")
    outcome = book.apply(command, NOON)
    assert isinstance(outcome, Posted)
    assert outcome.events[0].type is EventType.PAYMENT_SUCCEEDED
    assert outcome.resource == Payment(
        id=outcome.resource.id,
        ledger_id=LEDGER,
        type=TRANSFER,
        status=PaymentStatus.SUCCEEDED,
        money=Money.parse("30.00", USD),
        payer_id=account_id("alice"),
        payee_id=account_id("bob"),
        processor="internal",
        texts=NO_TEXTS,
    )
    assert outcome.resource.id == outcome.entry.id == command.id
    assert outcome.entry.resource_type is ResourceType.PAYMENT
    assert outcome.entry.resource_id is None


@pytest.mark.parametrize("type_", PaymentType)
def test_a_payment_needs_two_accounts(type_: PaymentType) -> None:
    with pytest.raises(SameAccount) as caught:
        payment(type_, "1.00", "alice", "alice")
    assert caught.value.pointer == "/to"


def test_a_payment_locks_its_two_accounts() -> None:
    assert transfer("1.00", "alice", "bob").account_ids() == (account_id("alice"), account_id("bob"))


def test_clearing_accounts_are_called_after_processor_and_currency() -> None:
    assert clearing_code("internal", "USD") == "clearing:internal:USD"


# --- Where a refusal points ------------------------------------------------------------------------------------------


def frozen(name: str) -> AccountState:
    state = wallet(name, "100.00")
    state.status = AccountStatus.FROZEN
    return state


@pytest.mark.parametrize(
    ("accounts", "code", "pointer"),
    [
        ([wallet("bob")], "account_not_found", "/from"),
        ([wallet("alice", "100.00")], "account_not_found", "/to"),
        ([frozen("alice"), wallet("bob")], "account_frozen", "/from"),
        ([wallet("alice", "100.00"), frozen("bob")], "account_frozen", "/to"),
        ([wallet("alice", currency=EUR), wallet("bob")], "currency_mismatch", "/from"),
        ([wallet("alice", "100.00"), wallet("bob", currency=EUR)], "currency_mismatch", "/to"),
        ([wallet("alice", "29.99"), wallet("bob")], "insufficient_funds", "/from"),
        ([wallet("alice", "100.00"), wallet("bob", "99999999999999999999.99")], "balance_overflow", "/to"),
    ],
)
def test_a_refusal_points_at_what_the_caller_calls_the_account(
    accounts: list[AccountState], code: str, pointer: str
) -> None:
    refusal = refused(Book([state.copy() for state in accounts]).apply(transfer("30.00", "alice", "bob"), NOON))
    assert (refusal.code, refusal.pointer) == (code, pointer)


def test_a_refused_payment_moves_nothing() -> None:
    book = Book([wallet("alice", "29.99"), wallet("bob")])
    refused(book.apply(transfer("30.00", "alice", "bob"), NOON))
    assert shown(book) == ledger(
        """
        alice  posted 29.99  held 0.00  version 0
        bob    posted 0.00   held 0.00  version 0
        """
    )
