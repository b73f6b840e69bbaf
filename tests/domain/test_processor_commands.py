"""Payments through a processor in a Book: proposed, and settled once, by whoever says what became of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, NOON, USD, account_id, clearing, photograph, posted, refused, uuid_of, wallet
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import LedgerId, PaymentId
from zerosum.domain.ledger.account import AccountStatus
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Outcome, Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.payment import PAYMENT, Payment, PaymentStatus, PaymentType
from zerosum.domain.payments.processor_calls import (
    PROCESSOR_CALL,
    CallName,
    CallState,
    ProcessorCall,
    call_key,
    parse_call_key,
)
from zerosum.domain.payments.processor_commands import ProposePayment, SettlePayment

_numbers = count(1)
CLEARING = "clearing:acme:USD"


def carried() -> dict[str, Any]:
    key = f"processor-key-{next(_numbers)}"
    return {
        "id": uuid_of(f"command {key}"),
        "ledger_id": LEDGER,
        "idempotency_key": key,
        "fingerprint": sha256(key.encode()).digest(),
        "actor": "tests",
    }


def book_with(amount: str = "100.00") -> Book:
    return Book([wallet("alice", amount), clearing(CLEARING)])


def proposing(amount: str, type_: PaymentType = PaymentType.WITHDRAWAL) -> ProposePayment:
    parties = ("alice", CLEARING) if type_ is PaymentType.WITHDRAWAL else (CLEARING, "alice")
    return ProposePayment(
        **carried(),
        type=type_,
        money=Money.parse(amount, USD),
        payer_id=account_id(parties[0]),
        payee_id=account_id(parties[1]),
        processor="acme",
    )


def proposed(book: Book, amount: str, type_: PaymentType = PaymentType.WITHDRAWAL) -> Payment:
    outcome = book.apply(proposing(amount, type_), NOON)
    assert isinstance(outcome, Posted), outcome
    payment: Payment = outcome.resource
    return payment


def settled(outcome: Outcome) -> Posted:
    assert isinstance(outcome, Posted), outcome
    return outcome


def settling(payment: Payment, amount: str | None = None, *, is_approved: bool = True, **members: Any) -> SettlePayment:
    return SettlePayment(
        **carried(),
        payment_id=payment.id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        is_approved=is_approved,
        amount=None if amount is None else Decimal(amount),
        **members,
    )


def standing(book: Book) -> tuple[str, str, str]:
    """What Alice has posted, held and available."""
    alice = book.accounts[account_id("alice")]
    return str(alice.posted), str(alice.held), str(alice.available)


def call_of(book: Book, payment: Payment) -> ProcessorCall:
    call: ProcessorCall = book.records[RecordKey(LEDGER, PROCESSOR_CALL, payment.id)]
    return call


def payment_of(book: Book, payment: Payment) -> Payment:
    found: Payment = book.records[RecordKey(LEDGER, PAYMENT, payment.id)]
    return found


def test_a_proposal_makes_the_amount_pending_and_the_call_due() -> None:
    book = book_with()
    payment = proposed(book, "30.00")
    assert (payment.status, payment.processor) == (PaymentStatus.PROCESSING, "acme")
    assert standing(book) == ("100.00", "30.00", "70.00")
    call = call_of(book, payment)
    assert (call.state, call.next_at, call.money, call.approved) == (CallState.PROPOSED, NOON, payment.money, None)


@pytest.mark.parametrize(("amount", "left", "approved"), [(None, "70.00", "30.00"), ("12.34", "87.66", "12.34")])
def test_what_is_approved_is_paid_and_the_rest_set_free(amount: str | None, left: str, approved: str) -> None:
    book = book_with()
    payment = proposed(book, "30.00")
    outcome = settled(book.apply(settling(payment, amount, processor_payment_id="po_1"), NOON))
    assert standing(book) == (left, "0.00", left)
    after, call = payment_of(book, payment), call_of(book, payment)
    assert (after.status, after.paid) == (PaymentStatus.SUCCEEDED, Decimal(approved))
    assert after.approved == (None if amount is None else Decimal(amount))
    assert (call.state, call.approved, call.next_at) == (CallState.APPROVED, Decimal(approved), None)
    [event] = outcome.events
    assert (event.type, event.resource_id) == (EventType.PAYMENT_SUCCEEDED, payment.id)
    assert event.data is not None
    assert (event.data["approved"], event.data["processor_payment_id"]) == (approved, "po_1")


def test_what_is_declined_is_set_free() -> None:
    book = book_with()
    payment = proposed(book, "30.00")
    outcome = settled(book.apply(settling(payment, is_approved=False, reason="no_such_iban"), NOON))
    assert standing(book) == ("100.00", "0.00", "100.00")
    assert payment_of(book, payment).status is PaymentStatus.FAILED
    [event] = outcome.events
    assert event.type is EventType.PAYMENT_FAILED
    assert event.data is not None
    assert event.data["failure_reason"] == "no_such_iban"


@pytest.mark.parametrize("is_approved", [True, False])
def test_it_is_settled_once(is_approved: bool) -> None:
    book = book_with()
    payment = proposed(book, "30.00")
    posted(book.apply(settling(payment, is_approved=is_approved), NOON))
    before = photograph(book.accounts.values())
    for again in (True, False):
        assert refused(book.apply(settling(payment, is_approved=again), NOON)).code == "invalid_state"
    assert photograph(book.accounts.values()) == before


def test_more_than_was_asked_for_is_not_approved() -> None:
    book = book_with()
    payment = proposed(book, "30.00")
    before = photograph(book.accounts.values())
    assert refused(book.apply(settling(payment, "30.01"), NOON)).code == "amount_exceeds_payment"
    assert photograph(book.accounts.values()) == before


def test_what_was_never_proposed_is_not_settled() -> None:
    book = book_with()
    payment = replace(proposed(book, "1.00"), id=PaymentId(uuid_of("another")))
    assert refused(book.apply(settling(payment), NOON)).code == "processor_call_not_found"


@pytest.mark.parametrize("status", [AccountStatus.FROZEN, AccountStatus.CLOSED])
@pytest.mark.parametrize("is_approved", [True, False])
def test_what_has_happened_outside_is_recorded_whatever_has_become_of_the_account(
    status: AccountStatus, is_approved: bool
) -> None:
    book = book_with()
    payment = proposed(book, "30.00", PaymentType.DEPOSIT)
    book.accounts[account_id("alice")].status = status
    posted(book.apply(settling(payment, is_approved=is_approved), NOON))
    assert standing(book)[0] == ("130.00" if is_approved else "100.00")


@pytest.mark.parametrize(
    ("type_", "members", "code"),
    [
        (PaymentType.WITHDRAWAL, {}, "insufficient_funds"),
        (PaymentType.DEPOSIT, {"max_available": Decimal("200.00")}, "limit_exceeded"),
        (PaymentType.DEPOSIT, {"status": AccountStatus.FROZEN}, "account_frozen"),
    ],
)
def test_what_could_not_be_paid_now_is_not_asked_for(type_: PaymentType, members: Any, code: str) -> None:
    book = book_with()
    for name, value in members.items():
        setattr(book.accounts[account_id("alice")], name, value)
    before = photograph(book.accounts.values())
    assert refused(book.apply(proposing("100.01", type_), NOON)).code == code
    assert photograph(book.accounts.values()) == before


def test_a_key_tells_whose_it_is_and_nothing_else_is_one() -> None:
    payment_id = uuid_of("payment")
    key = call_key(LEDGER, payment_id)
    assert parse_call_key(key) == CallName(LEDGER, payment_id, 1)
    assert parse_call_key(call_key(LEDGER, payment_id, 2)) == CallName(LEDGER, payment_id, 2)
    assert parse_call_key(f"{key}-1") is None, "one call has one key"
    for text in ("", "zs", "zs--", key[:-1], f"{key}0", key.upper(), key.replace("zs-", "xx-"), f"{key}-", f" {key}"):
        assert parse_call_key(text) is None
    assert parse_call_key(call_key(LedgerId(uuid_of("another")), payment_id)) != parse_call_key(key)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 4000), st.sampled_from(["approved", "part", "declined", "open"])),
        max_size=12,
    )
)
def test_money_is_kept_whatever_processors_say(steps: list[tuple[bool, int, str]]) -> None:
    """What Alice has is what she had, less what was paid out, and what came in; what is held is what is still open."""
    book, paid, open_ = book_with("200.00"), Decimal(0), Decimal(0)
    for is_deposit, cents, said in steps:
        amount = Decimal(cents) / 100
        type_ = PaymentType.DEPOSIT if is_deposit else PaymentType.WITHDRAWAL
        outcome = book.apply(proposing(f"{amount:.2f}", type_), NOON)
        if not isinstance(outcome, Posted):
            continue
        part = Decimal(max(cents // 3, 1)) / 100
        if said == "open":
            open_ += 0 if is_deposit else amount
            continue
        taken = {"approved": amount, "part": part, "declined": Decimal(0)}[said]
        command = settling(outcome.resource, f"{part:.2f}" if said == "part" else None, is_approved=said != "declined")
        posted(book.apply(command, NOON))
        paid += -taken if is_deposit else taken
    alice, other = book.accounts[account_id("alice")], book.accounts[account_id(CLEARING)]
    assert (alice.posted, alice.held) == (Decimal(200) - paid, open_)
    assert other.posted_credits - other.posted_debits == paid
