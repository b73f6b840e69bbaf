"""Journal entries: one that does not balance cannot exist."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from tests.domain.builders import EUR, USD, account_id, entry, ledger, postings, shown_entry
from zerosum.domain.errors import DomainError, Unbalanced, ValidationFailed
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.entry import JournalEntry, Posting, credit, debit, differences
from zerosum.domain.money import Currency, Money


def refusal_of(lines: str) -> DomainError:
    with pytest.raises(DomainError) as caught:
        entry(lines)
    return caught.value


def pairs(count: int) -> tuple[Posting, ...]:
    money = Money.parse("1.00", USD)
    return tuple(
        make(account_id(f"{side}{number}"), money)
        for number in range(count // 2)
        for side, make in (("from", debit), ("to", credit))
    )


def test_a_debit_and_a_credit_of_the_same_money_are_an_entry() -> None:
    made = entry(
        """
        debit   alice  30.00 USD
        credit  bob    30.00 USD
        """
    )
    assert shown_entry(made) == ledger(
        """
        test
        debit   alice  30.00 USD
        credit  bob    30.00 USD
        """
    )


def test_an_entry_that_differs_by_one_minor_unit_cannot_exist() -> None:
    refusal = refusal_of(
        """
        debit   alice  30.01 USD
        credit  bob    30.00 USD
        """
    )
    assert isinstance(refusal, Unbalanced)
    assert refusal.pointer == "/postings"
    assert refusal.facts == {
        "currency": "USD",
        "layer": "posted",
        "difference": "0.01",
        "differences": [{"currency": "USD", "difference": "0.01"}],
    }


def test_the_difference_is_negative_where_credits_prevail() -> None:
    refusal = refusal_of(
        """
        debit   alice  10.00 USD
        credit  bob    30.00 USD
        credit  carol  30.00 USD
        """
    )
    assert refusal.facts["difference"] == "-50.00"


def test_every_currency_that_does_not_balance_is_told() -> None:
    refusal = refusal_of(
        """
        debit   alice  10.00 USD
        credit  fx      9.99 USD
        debit   fx      9.00 EUR
        credit  alice   9.00 EUR
        credit  fees       1 JPY
        """
    )
    told = [{"currency": "USD", "difference": "0.01"}, {"currency": "JPY", "difference": "-1"}]
    assert (refusal.pointer, refusal.facts["differences"]) == ("/postings", told)


def test_two_debits_are_no_entry_even_of_equal_money() -> None:
    refusal = refusal_of(
        """
        debit  alice  30.00 USD
        debit  bob    30.00 USD
        """
    )
    assert isinstance(refusal, Unbalanced)


def test_sums_count_and_not_pairs() -> None:
    entry(
        """
        debit   alice  10.00 USD
        debit   alice  20.00 USD
        credit  bob     5.00 USD
        credit  carol  24.99 USD
        credit  fees    0.01 USD
        """
    )


def test_each_currency_balances_by_itself() -> None:
    entry(
        """
        debit   alice  10.00 USD
        credit  fx     10.00 USD
        debit   fx      9.00 EUR
        credit  alice   9.00 EUR
        """
    )


@pytest.mark.parametrize(
    "lines",
    [
        """
        debit   alice  10.00 USD
        credit  bob    10.00 EUR
        """,
        """
        debit   alice  10.00 USD
        credit  bob     9.00 USD
        debit   carol   9.00 EUR
        credit  dave   10.00 EUR
        """,
    ],
)
def test_an_entry_that_balances_only_across_currencies_cannot_exist(lines: str) -> None:
    assert isinstance(refusal_of(lines), Unbalanced)


def test_each_layer_balances_by_itself() -> None:
    entry(
        """
        debit   alice  10.00 USD
        credit  bob    10.00 USD
        debit   alice   5.00 USD  pending
        credit  bob     5.00 USD  pending
        """
    )
    refusal = refusal_of(
        """
        debit   alice  10.00 USD
        credit  bob    10.00 USD  pending
        """
    )
    assert isinstance(refusal, Unbalanced)


def test_what_an_entry_releases_balances_by_itself() -> None:
    """A release takes its amount off the same side as the placement put it: neither can make up for the other."""
    entry(
        """
        debit   alice  10.00 USD  pending releases
        credit  bob    10.00 USD  pending releases
        debit   alice   4.00 USD  pending
        credit  bob     4.00 USD  pending
        """
    )
    refusal = refusal_of(
        """
        debit   alice  10.00 USD  pending
        credit  bob    10.00 USD  pending releases
        """
    )
    assert isinstance(refusal, Unbalanced)
    assert refusal.facts["layer"] == "pending"


def test_currencies_of_one_code_are_one_currency_whatever_they_are_called() -> None:
    named, unnamed = Currency("PTS", 2, "Points"), Currency("PTS", 2)
    JournalEntry(
        "test",
        (
            debit(account_id("alice"), Money.parse("1.00", named)),
            credit(account_id("bob"), Money.parse("1.00", unnamed)),
        ),
    )


@pytest.mark.parametrize("count", [2, 4, 98, 100])
def test_an_entry_has_2_to_100_postings(count: int) -> None:
    assert len(JournalEntry("test", pairs(count)).postings) == count


@pytest.mark.parametrize("lines", [(), pairs(2)[:1], (*pairs(100), pairs(2)[0]), pairs(102)])
def test_an_entry_of_0_1_or_101_postings_cannot_exist(lines: tuple[Posting, ...]) -> None:
    with pytest.raises(ValidationFailed) as caught:
        JournalEntry("test", lines)
    assert caught.value.pointer == "/postings"


def test_an_entry_never_changes() -> None:
    made = JournalEntry("test", pairs(2))
    for name in ("reason", "postings", "effective_at", "reverses"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, None)
    with pytest.raises(AttributeError):
        made.postings[0].money = Money.parse("2.00", USD)  # type: ignore[misc]


def test_an_entry_cannot_be_replaced_by_an_unbalanced_copy() -> None:
    made = JournalEntry("test", pairs(2))
    with pytest.raises(Unbalanced):
        dataclasses.replace(made, postings=(made.postings[0], made.postings[0]))


def test_differences_are_told_by_currency_layer_and_whether_they_release() -> None:
    lines = postings(
        """
        debit   alice  10.00 USD
        credit  bob     3.00 USD
        credit  bob     2.00 EUR
        debit   carol   2.00 EUR
        debit   carol   1.00 EUR  pending
        credit  carol   1.00 EUR  pending releases
        """
    )
    assert differences(lines) == {
        ("USD", Layer.POSTED, False): Decimal("7.00"),
        ("EUR", Layer.POSTED, False): Decimal(0),
        ("EUR", Layer.PENDING, False): Decimal("1.00"),
        ("EUR", Layer.PENDING, True): Decimal("-1.00"),
    }


def test_debit_and_credit_make_posted_lines() -> None:
    money = Money.parse("1.00", EUR)
    assert debit(account_id("alice"), money) == Posting(account_id("alice"), Side.DEBIT, money, Layer.POSTED)
    assert credit(account_id("alice"), money) == Posting(account_id("alice"), Side.CREDIT, money, Layer.POSTED)
