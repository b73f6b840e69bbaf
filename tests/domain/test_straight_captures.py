"""Captures and refunds that go straight are what the Book makes of them, step by step; or they are left to the Book."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, NOON, account, account_id, photograph, posted, transfer, uuid_of, wallet
from tests.domain.hold_scenarios import capture, extend, found, increment, place, placing, usd, void
from tests.domain.scenarios import PROPERTY
from tests.domain.test_pair import NAMES, states
from tests.domain.test_usual import told
from zerosum.domain.identifiers import HoldId, PaymentId
from zerosum.domain.ledger.account import AccountState, AccountStatus, AccountType
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import Outcome, Posted, PostedPair
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.payments.hold_commands import CaptureHold
from zerosum.domain.payments.holds import CHANGES_MAX, LASTS_MIN, Hold
from zerosum.domain.payments.payment import PAYMENT, Payment, PaymentStatus
from zerosum.domain.payments.refunds import RefundPayment

SELDOM = st.sampled_from([False, False, True])
AMOUNTS = st.sampled_from([None, None, "0.01", "1.00", "4.00", "5.00", "10.00", "15.00"])


def refund(payment: Payment, amount: str | None = None, **members: Any) -> RefundPayment:
    return RefundPayment(
        id=uuid_of("a refund"),
        ledger_id=LEDGER,
        idempotency_key="a refund",
        fingerprint=sha256(b"a refund").digest(),
        actor="tests",
        payment_id=payment.id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        money=None if amount is None else usd(amount),
        **members,
    )


def as_a_lane_does(book: Book, command: LedgerCommand, now: datetime) -> Outcome:
    """What goes straight is in the database once it is committed, and looked at there."""
    straight = book.apply_straight(command, now)
    if straight is None:
        return book.apply(command, now)
    book.records.update(dict(straight.pair.records))
    return straight


def said(outcome: Outcome) -> object:
    if not isinstance(outcome, Posted):
        return told(outcome)
    members = [getattr(outcome, member.name) for member in fields(Posted)]
    return [*members, outcome.first_id, outcome.entries and outcome.entry.account_versions]


def all_of(book: Book, kind: type) -> list[Any]:
    return [record for _, record in sorted(book.records.items(), key=str) if isinstance(record, kind)]


@st.composite
def commands(draw: st.DrawFn, book: Book, now: datetime, number: int) -> LedgerCommand:
    """Upon what there is in the book."""
    holds, payments = all_of(book, Hold), all_of(book, Payment)
    payer, payee = draw(st.permutations(NAMES))[:2]
    amount = draw(AMOUNTS)
    upon_holds = ["capture", "capture", "capture", "capture", "change"] if holds else []
    kinds = ["place", "pay", *upon_holds, *(["refund", "refund", "refund"] if payments else [])]
    match draw(st.sampled_from(kinds)):
        case "place":
            most = draw(st.sampled_from([None, Decimal("15.00")]))
            expires_at = draw(st.sampled_from([None, now + LASTS_MIN * 2]))
            placed = placing("10.00", payer, payee, capture_max=most, expires_at=expires_at)
            order: LedgerCommand = replace(placed, hold_id=HoldId(uuid_of(f"command {number}")))
        case "pay":
            order = transfer(amount or "10.00", payer, payee)
        case "capture":
            order = capture(draw(st.sampled_from(holds)), amount, is_final=draw(st.booleans()))
        case "change":
            hold = draw(st.sampled_from(holds))
            order = draw(st.sampled_from([increment(hold, "5.00"), extend(hold, NOON + timedelta(days=9)), void(hold)]))
        case _:
            order = refund(draw(st.sampled_from(payments)), amount, reason=draw(st.sampled_from([None, "ä", "x"])))
    key = f"key-{number}"
    metadata = draw(st.sampled_from([{}, {}, {"a": "ä"}]))
    return replace(order, id=uuid_of(f"command {number}"), idempotency_key=key, metadata=metadata)


@PROPERTY
@given(st.data())
def test_they_do_what_the_book_does(data: st.DataObject) -> None:
    accounts = [data.draw(states(name)) if data.draw(SELDOM) else account(name, "20.00") for name in NAMES]
    straight, plain = (Book([state.copy() for state in accounts]) for _ in range(2))
    now = NOON
    for number in range(data.draw(st.integers(2, 10))):
        command = data.draw(commands(straight, now, number))
        outcome, expected = as_a_lane_does(straight, command, now), plain.apply(command, now)
        event(f"{type(command).__name__}: {type(outcome).__name__}")
        assert said(outcome) == said(expected)
        assert straight.accounts == plain.accounts
        assert photograph(straight.accounts.values()) == photograph(plain.accounts.values())
        assert straight.records == plain.records
        now += timedelta(seconds=1)


def compare(book: Book, command: LedgerCommand, now: datetime = NOON) -> PostedPair | None:
    """What comes of it straight, once it is known to be what the Book makes of it."""
    other = Book([state.copy() for state in book.accounts.values()], dict(book.records))
    before, records = photograph(book.accounts.values()), dict(book.records)
    found_straight = book.apply_straight(command, now)
    if found_straight is None:
        assert (photograph(book.accounts.values()), book.records) == (before, records)
        return None
    assert said(found_straight) == said(other.apply(command, now))
    assert book.accounts == other.accounts
    assert {**book.records, **dict(found_straight.pair.records)} == other.records
    return found_straight


def held(capture_max: str | None = None) -> tuple[Book, Hold]:
    book = Book([wallet("alice", "100.00"), wallet("hotel")])
    most = None if capture_max is None else Decimal(capture_max)
    return book, place(book, "80.00", "alice", "hotel", capture_max=most)


@pytest.mark.parametrize(("amount", "is_final"), [(None, False), ("80.00", False), ("30.00", False), ("30.00", True)])
def test_captures_go_straight(amount: str | None, *, is_final: bool) -> None:
    book, hold = held()
    done = compare(book, capture(hold, amount, is_final=is_final))
    assert done is not None
    assert [line.account_version for line in done.lines] == [2, 2, 3, 3]
    assert found(book, hold).captured == Decimal(amount or "80.00")


def test_a_second_capture_of_the_same_batch_finds_what_the_first_has_left() -> None:
    book, hold = held()
    assert compare(book, capture(hold, "30.00")) is not None
    assert compare(book, capture(hold, "60.00")) is None
    assert compare(book, capture(hold, "50.00")) is not None
    assert compare(book, capture(hold, "0.01")) is None


def test_more_than_was_held_goes_straight_where_it_was_agreed_and_is_there() -> None:
    book, hold = held("110.00")
    assert compare(book, capture(hold, "100.01")) is None
    assert compare(book, capture(hold, "100.00")) is not None


@pytest.mark.parametrize("payer", [AccountType.ASSET, AccountType.LIABILITY])
@pytest.mark.parametrize("payee", [AccountType.ASSET, AccountType.LIABILITY])
def test_captures_go_straight_between_all_types_of_accounts(payer: AccountType, payee: AccountType) -> None:
    book = Book([account("alice", "100.00", type_=payer), account("hotel", "100.00", type_=payee)])
    hold = place(book, "80.00", "alice", "hotel")
    done = compare(book, capture(hold, "30.00"))
    assert done is not None
    [(key, payment)] = done.pair.records
    book.records[key] = payment
    assert compare(book, refund(payment)) is not None


@pytest.mark.parametrize(
    "members",
    [
        {"status": AccountStatus.FROZEN},
        {"max_available": Decimal("1000.00")},
        {"overdrawn": True},
        {"groups": ("shops",)},
        {"currency": "EUR"},
    ],
    ids=lambda members: next(iter(members)),
)
@pytest.mark.parametrize("name", ["alice", "hotel"])
def test_what_is_unusual_about_an_account_is_left_to_the_book(name: str, members: dict[str, Any]) -> None:
    book, hold = held()
    state: AccountState = book.accounts[account_id(name)]
    book.accounts[state.id] = replace(state, **members)
    assert compare(book, capture(hold)) is None


def test_what_is_unusual_about_a_hold_is_left_to_the_book() -> None:
    book, hold = held()
    assert compare(book, capture(replace(hold, id=HoldId(uuid_of("nobody's"))))) is None
    assert compare(book, capture(hold), hold.expires_at) is None
    key = next(key for key, record in book.records.items() if record is hold)
    book.records[key] = replace(hold, changes=CHANGES_MAX)
    assert compare(book, capture(hold, "1.00")) is None
    assert compare(book, capture(hold, "1.00", is_final=True)) is not None


def paid(*others: AccountState) -> tuple[Book, Payment]:
    book = Book([wallet("alice", "100.00"), wallet("bob"), *others])
    posted(book.apply(transfer("30.00", "alice", "bob"), NOON))
    [payment] = all_of(book, Payment)
    return book, payment


def test_refunds_go_straight_until_nothing_is_left() -> None:
    book, payment = paid()
    done = compare(book, refund(payment, "10.00", reason="ä"))
    assert done is not None
    assert (done.pair.debit_id, done.pair.credit_id) == (account_id("bob"), account_id("alice"))
    assert compare(book, refund(payment, "20.01")) is None
    assert compare(book, refund(payment)) is not None
    assert compare(book, refund(payment)) is None
    [left] = all_of(book, Payment)
    assert (left.status, left.refunded) == (PaymentStatus.REFUNDED, Decimal("30.00"))


def test_a_refund_of_what_is_not_there_or_not_paid_is_left_to_the_book() -> None:
    book, payment = paid()
    assert compare(book, refund(replace(payment, id=PaymentId(uuid_of("nobody's"))))) is None
    book.records[RecordKey(LEDGER, PAYMENT, payment.id)] = replace(payment, status=PaymentStatus.PROCESSING)
    assert compare(book, refund(payment)) is None


def test_who_has_spent_it_gives_nothing_back_straight() -> None:
    book, payment = paid(wallet("carol"))
    posted(book.apply(replace(transfer("0.01", "bob", "carol"), id=uuid_of("spent")), NOON))
    assert compare(book, refund(payment)) is None


def test_who_captures_otherwise_does_not_go_straight() -> None:
    class TakesLess(CaptureHold):
        """Its entry is another one."""

        def _entry(self, *_: Any) -> Any:
            raise AssertionError("not reached here")

    book, hold = held()
    order = capture(hold)
    members = {member.name: getattr(order, member.name) for member in fields(order)}
    assert compare(book, TakesLess(**members)) is None


def test_what_is_undone_together_is_undone_with_what_it_changed() -> None:
    book, hold = held()
    before, records = photograph(book.accounts.values()), dict(book.records)
    orders = [capture(hold, "30.00"), capture(hold, "60.00")]
    index, _ = book.apply_together(orders, NOON, goes_straight=True)
    assert index == 1
    assert (photograph(book.accounts.values()), book.records) == (before, records)
