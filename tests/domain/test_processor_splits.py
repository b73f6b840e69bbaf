"""Payments through a processor that go to several, in a Book: the total is kept whatever the processor says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, NOON, USD, account_id, clearing, posted, refused, wallet
from tests.domain.test_processor_commands import CLEARING, call_of, carried, payment_of, settled
from zerosum.domain.ledger.account import Account, AccountStatus, AccountType
from zerosum.domain.ledger.book import Book
from zerosum.domain.money import Money, add
from zerosum.domain.payments.closing import CloseAccount
from zerosum.domain.payments.payment import Payment, PaymentStatus, PaymentType
from zerosum.domain.payments.processor_splits import (
    ProposeInParts,
    ProposeRefundInParts,
    SettleInParts,
    SettleRefundInParts,
)
from zerosum.domain.payments.splits import AskedSplit, Split, SplitPayment, SplitRule, divide_less, divided, split_key

PERCENT, AMOUNT, REST = SplitRule.PERCENT, SplitRule.AMOUNT, SplitRule.REST
RECEIVERS = ("fees", "tips", "seller")


def asked(*rules: tuple[SplitRule, str | None]) -> tuple[AskedSplit, ...]:
    return tuple(
        AskedSplit(account_id(name), rule, None if value is None else Decimal(value), name)
        for name, (rule, value) in zip(RECEIVERS, rules, strict=True)
    )


def book_with() -> Book:
    return Book([*map(wallet, RECEIVERS), clearing(CLEARING)])


def proposing(amount: str, rules: Sequence[AskedSplit]) -> ProposeInParts:
    said, money = carried(), Money.parse(amount, USD)
    return ProposeInParts(
        **said,
        type=PaymentType.DEPOSIT,
        money=money,
        payer_id=account_id(CLEARING),
        payee_id=account_id("seller"),
        processor="acme",
        splits=divided(LEDGER, said["id"], money, rules),
    )


def proposed(book: Book, amount: str, rules: Sequence[AskedSplit]) -> Payment:
    made: SplitPayment = settled(book.apply(proposing(amount, rules), NOON)).resource
    return made.payment


def settling(payment: Payment, amount: str | None = None, *, is_approved: bool = True) -> SettleInParts:
    return SettleInParts(
        **carried(),
        payment_id=payment.id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        is_approved=is_approved,
        amount=None if amount is None else Decimal(amount),
        receivers=tuple(map(account_id, RECEIVERS)),
    )


def asking(payment: Payment, amount: str | None = None) -> ProposeRefundInParts:
    return ProposeRefundInParts(
        **carried(),
        payment_id=payment.id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        money=None if amount is None else Money.parse(amount, USD),
        receivers=tuple(map(account_id, RECEIVERS)),
    )


def told(
    payment: Payment, asked_for: ProposeRefundInParts, amount: str | None = None, *, is_approved: bool = True
) -> SettleRefundInParts:
    return SettleRefundInParts(
        **carried(),
        payment_id=payment.id,
        payer_id=payment.payee_id,
        payee_id=payment.payer_id,
        refund_id=asked_for.id,
        is_approved=is_approved,
        amount=None if amount is None else Decimal(amount),
        receivers=tuple(map(account_id, RECEIVERS)),
    )


def have(book: Book) -> list[str]:
    return [str(book.accounts[account_id(name)].posted) for name in RECEIVERS]


def splits_in(book: Book, payment: Payment) -> list[Split]:
    return [book.records[split_key(LEDGER, payment.id, place)] for place in range(len(RECEIVERS))]


USUAL = asked((PERCENT, "2.9"), (AMOUNT, "0.30"), (REST, None))


@pytest.mark.parametrize(
    ("approved", "expected"),
    [
        (None, ["1.45", "0.30", "48.25"]),
        ("20.00", ["0.58", "0.30", "19.12"]),
        # The fixed part and the percentage do not fit any more: divided as the whole was.
        ("0.30", ["0.01", "0.00", "0.29"]),
        ("0.01", ["0.00", "0.00", "0.01"]),
    ],
)
def test_nobody_has_anything_until_it_is_approved_and_then_the_whole_is_divided(
    approved: str | None, expected: list[str]
) -> None:
    book = book_with()
    payment = proposed(book, "50.00", USUAL)
    assert have(book) == ["0.00", "0.00", "0.00"]
    posted(book.apply(settling(payment, approved), NOON))
    assert have(book) == expected
    assert [str(split.paid) for split in splits_in(book, payment)] == expected
    assert payment_of(book, payment).status is PaymentStatus.SUCCEEDED


def test_of_what_is_declined_nobody_gets_anything() -> None:
    book = book_with()
    payment = proposed(book, "50.00", USUAL)
    posted(book.apply(settling(payment, is_approved=False), NOON))
    assert (have(book), payment_of(book, payment).status) == (["0.00", "0.00", "0.00"], PaymentStatus.FAILED)


def test_who_could_not_be_paid_now_is_named_and_nobody_is_asked() -> None:
    book = book_with()
    book.accounts[account_id("tips")].status = AccountStatus.FROZEN
    refusal = refused(book.apply(proposing("50.00", USUAL), NOON))
    assert (refusal.code, refusal.pointer) == ("account_frozen", "/splits/1/to")


def test_a_refund_is_pending_where_it_comes_from_and_what_is_given_back_is_divided_alike() -> None:
    book = book_with()
    payment = proposed(book, "50.00", USUAL)
    posted(book.apply(settling(payment), NOON))
    refund = asking(payment, "10.00")
    posted(book.apply(refund, NOON))
    held = [str(book.accounts[account_id(name)].held) for name in RECEIVERS]
    assert held == ["0.29", "0.06", "9.65"]
    posted(book.apply(told(payment, refund, "5.00"), NOON))
    assert have(book) == ["1.30", "0.27", "43.43"]
    assert [(str(one.refunded), one.refunding) for one in splits_in(book, payment)] == [
        ("0.15", None),
        ("0.03", None),
        ("4.82", None),
    ]


def closing(book: Book, name: str) -> CloseAccount:
    command = CloseAccount(**carried(), account_id=account_id(name))
    state = book.accounts[command.account_id]
    book.records[command.record_key] = Account(
        code=name, name=None, type=AccountType.LIABILITY, metadata={}, created_at=NOON, state=state
    )
    return command


def test_who_is_to_get_a_part_is_not_closed_by_the_batch_that_proposes_it_and_is_by_the_one_that_ends_it() -> None:
    book = book_with()
    payment = proposed(book, "50.00", USUAL)
    refusal = refused(book.apply(closing(book, "tips"), NOON))
    assert (refusal.code, refusal.facts["open_processor_calls"]) == ("invalid_state", "1")
    posted(book.apply(settling(payment, is_approved=False), NOON))
    assert not any(split.pending for split in splits_in(book, payment))
    settled(book.apply(closing(book, "tips"), NOON))
    assert book.accounts[account_id("tips")].status is AccountStatus.CLOSED


SHARES = st.tuples(st.decimals("0.000001", 45, places=6), st.integers(1, 1500), st.integers(3001, 20000))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    SHARES,
    st.booleans(),
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["approved", "part", "declined", "open"])), max_size=5),
)
def test_the_total_is_kept_and_nobody_gives_back_more_than_he_got(
    shares: tuple[Decimal, int, int], is_fixed: bool, part: float, refunds: list[tuple[float, str]]
) -> None:
    percent, fixed, cents = shares
    second = (AMOUNT, f"{Decimal(fixed) / 100:.2f}") if is_fixed else (PERCENT, "54.999999")
    book, rules = book_with(), asked((PERCENT, str(percent)), second, (REST, None))
    payment = proposed(book, f"{Decimal(cents) / 100:.2f}", rules)
    before = splits_in(book, payment)
    approved = Decimal(max(1, int(cents * part))) / 100
    posted(book.apply(settling(payment, f"{approved:.2f}"), NOON))
    paid = [split.paid for split in splits_in(book, payment)]
    assert sum(paid) == approved
    assert all(split.amount or not got for split, got in zip(before, paid, strict=True)), "nothing of nothing"
    assert divide_less(before, Money.parse(f"{approved:.2f}", USD)) == tuple(paid) or approved == payment.money.amount
    returned = Decimal(0)
    for share, said in refunds:
        left = payment_of(book, payment).left
        wanted = Decimal(int(left * 100 * Decimal(share))) / 100
        if not wanted:
            continue
        refund = asking(payment, f"{wanted:.2f}")
        posted(book.apply(refund, NOON))
        if said == "open":
            continue
        given_back = {"approved": wanted, "part": Decimal(max(1, int(wanted * 50))) / 100, "declined": Decimal(0)}[said]
        amount = f"{given_back:.2f}" if said == "part" else None
        posted(book.apply(told(payment, refund, amount, is_approved=said != "declined"), NOON))
        returned = add(returned, given_back)
    splits = splits_in(book, payment)
    after = payment_of(book, payment)
    assert sum(split.refunded or 0 for split in splits) == returned == (after.refunded or 0)
    assert sum(split.refunding or 0 for split in splits) == (after.refunding or 0)
    for split, name in zip(splits, RECEIVERS, strict=True):
        account = book.accounts[account_id(name)]
        assert account.posted == split.paid - (split.refunded or 0) >= (split.refunding or 0) == account.held
    other = book.accounts[account_id(CLEARING)]
    assert other.posted_debits - other.posted_credits == approved - returned
    assert call_of(book, payment).approved == approved
