"""Refunds through an outside processor in a Book, beside a plain model of what was paid and what of it is gone."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, NOON, USD, account_id, photograph, posted, refused
from tests.domain.test_processor_commands import (
    book_with,
    call_of,
    carried,
    payment_of,
    proposed,
    settled,
    settling,
    standing,
)
from zerosum.domain.events import EventType
from zerosum.domain.ledger.account import AccountStatus
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Outcome, Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.payment import Payment, PaymentStatus, PaymentType
from zerosum.domain.payments.processor_calls import PROCESSOR_CALL, CallState, ProcessorCall
from zerosum.domain.payments.processor_refunds import ProposeRefund, SettleRefund
from zerosum.domain.payments.refunds import Refund


def paid(book: Book, amount: str, type_: PaymentType, approved: str | None = None) -> Payment:
    payment = proposed(book, amount, type_)
    posted(book.apply(settling(payment, approved), NOON))
    return payment


def asking(payment: Payment, amount: str | None = None) -> ProposeRefund:
    return ProposeRefund(
        **carried(),
        payment_id=payment.id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        money=None if amount is None else Money.parse(amount, USD),
        reason="returned",
    )


def told(payment: Payment, refund_id: UUID, amount: str | None = None, *, is_approved: bool = True) -> SettleRefund:
    return SettleRefund(
        **carried(),
        payment_id=payment.id,
        payer_id=payment.payee_id,
        payee_id=payment.payer_id,
        refund_id=refund_id,
        is_approved=is_approved,
        amount=None if amount is None else Decimal(amount),
        reason=None if is_approved else "too_late",
    )


def asked(book: Book, payment: Payment, amount: str | None = None) -> UUID:
    refund: Refund = settled(book.apply(asking(payment, amount), NOON)).resource
    return refund.id


def refund_call(book: Book, refund_id: UUID) -> ProcessorCall:
    call: ProcessorCall = book.records[RecordKey(LEDGER, PROCESSOR_CALL, refund_id)]
    return call


@pytest.mark.parametrize(
    ("type_", "pending", "approved", "declined"),
    [
        (PaymentType.DEPOSIT, ("130.00", "10.00", "120.00"), "120.00", "130.00"),
        (PaymentType.WITHDRAWAL, ("70.00", "0.00", "70.00"), "80.00", "70.00"),
    ],
)
@pytest.mark.parametrize("is_approved", [True, False])
def test_it_is_pending_and_then_given_back_or_not(
    type_: PaymentType, pending: tuple[str, str, str], approved: str, declined: str, is_approved: bool
) -> None:
    book = book_with()
    payment = paid(book, "30.00", type_)
    refund_id = asked(book, payment, "10.00")
    assert standing(book) == pending
    call = refund_call(book, refund_id)
    assert (call.state, call.refunded_payment_id, call.payer_id) == (CallState.PROPOSED, payment.id, payment.payee_id)
    assert payment_of(book, payment).refunding == Decimal("10.00")
    outcome = settled(book.apply(told(payment, refund_id, is_approved=is_approved), NOON))
    assert standing(book)[::2] == ((approved,) * 2 if is_approved else (declined,) * 2)
    after = payment_of(book, payment)
    assert (after.refunding, after.refunded) == (None, Decimal("10.00") if is_approved else None)
    assert after.status is (PaymentStatus.PARTIALLY_REFUNDED if is_approved else PaymentStatus.SUCCEEDED)
    [event] = outcome.events
    assert event.type is (EventType.PAYMENT_REFUNDED if is_approved else EventType.PAYMENT_REFUND_FAILED)
    assert event.data is not None
    assert (event.data["reason"], event.data["failure_reason"]) == ("returned", None if is_approved else "too_late")
    assert call_of(book, payment).is_settled


def test_it_is_settled_once_and_for_no_more_than_was_asked() -> None:
    book = book_with()
    payment = paid(book, "30.00", PaymentType.DEPOSIT)
    refund_id = asked(book, payment, "10.00")
    assert refused(book.apply(told(payment, refund_id, "10.01"), NOON)).code == "amount_exceeds_payment"
    posted(book.apply(told(payment, refund_id, "4.00"), NOON))
    before = photograph(book.accounts.values())
    for is_approved in (True, False):
        assert refused(book.apply(told(payment, refund_id, is_approved=is_approved), NOON)).code == "invalid_state"
    assert photograph(book.accounts.values()) == before
    assert payment_of(book, payment).left == Decimal("26.00")


def test_who_has_spent_it_is_not_asked_to_give_it_back_and_a_frozen_one_is_settled_all_the_same() -> None:
    book = book_with("0.00")
    payment = paid(book, "30.00", PaymentType.DEPOSIT)
    first = asked(book, payment, "10.00")
    book.accounts[account_id("alice")].status = AccountStatus.FROZEN
    assert refused(book.apply(asking(payment, "1.00"), NOON)).code == "account_frozen"
    posted(book.apply(told(payment, first), NOON))
    book.accounts[account_id("alice")].status = AccountStatus.OPEN
    proposed(book, "15.00")
    assert refused(book.apply(asking(payment, "5.01"), NOON)).code == "insufficient_funds"


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(1, 2500)),
        st.tuples(st.sampled_from(["approve", "part", "decline"]), st.integers(0, 5)),
    ),
    max_size=20,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.sampled_from([PaymentType.DEPOSIT, PaymentType.WITHDRAWAL]), st.booleans(), _STEPS)
def test_never_more_is_given_back_than_was_approved(
    type_: PaymentType, is_partial: bool, steps: list[tuple[str, int]]
) -> None:
    """A plain model: what was approved, what is asked for, and what was given back; in cents."""
    book = book_with("100.00")
    payment = paid(book, "20.00", type_, "15.00" if is_partial else None)
    approved, given, waiting = 1500 if is_partial else 2000, 0, dict[UUID, int]()
    begun = int(book.accounts[account_id("alice")].posted * 100)
    for verb, number in steps:
        if verb == "ask":
            outcome: Outcome = book.apply(asking(payment, f"{Decimal(number) / 100:.2f}"), NOON)
            assert isinstance(outcome, Posted) is (given + sum(waiting.values()) + number <= approved)
            if isinstance(outcome, Posted):
                waiting[outcome.resource.id] = number
        elif waiting:
            refund_id = sorted(waiting)[number % len(waiting)]
            wanted = waiting.pop(refund_id)
            part = {"approve": wanted, "part": max(wanted // 2, 1), "decline": 0}[verb]
            amount = f"{Decimal(part) / 100:.2f}" if verb == "part" else None
            posted(book.apply(told(payment, refund_id, amount, is_approved=verb != "decline"), NOON))
            given += part
        after = payment_of(book, payment)
        assert int((after.refunded or 0) * 100) == given <= approved
        assert int((after.refunding or 0) * 100) == sum(waiting.values()) <= approved - given
        sign = -1 if type_ is PaymentType.DEPOSIT else 1
        assert int(book.accounts[account_id("alice")].posted * 100) == begun + sign * given
        if given == approved:
            assert after.status is PaymentStatus.REFUNDED
