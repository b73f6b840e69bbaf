"""Sharing an amount out: whatever is shared, in whatever parts, no unit is lost and nobody is off by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, USD, account_id
from zerosum.domain.errors import SplitsExceedAmount, ValidationFailed
from zerosum.domain.identifiers import PaymentId
from zerosum.domain.money import Currency, Money, allot, parse_percent, percentage, render_number
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, NO_TEXTS, Payment, PaymentStatus, PaymentType
from zerosum.domain.payments.splits import AskedSplit, SplitRule, divide, divided, given_back

PERCENT, AMOUNT, REST = SplitRule.PERCENT, SplitRule.AMOUNT, SplitRule.REST


def asked(*parts: tuple[SplitRule, str | None]) -> list[AskedSplit]:
    return [
        AskedSplit(account_id(str(place)), rule, None if value is None else Decimal(value), str(place))
        for place, (rule, value) in enumerate(parts)
    ]


def shares(amount: str, *parts: tuple[SplitRule, str | None]) -> list[str]:
    return [str(share) for share in divide(Money.parse(amount, USD), asked(*parts))]


@given(
    units=st.integers(0, 10**38 - 1),
    weights=st.lists(st.decimals(0, 10**20, places=6), min_size=1, max_size=8).filter(any),
    exponent=st.integers(0, 18),
)
def test_the_total_is_kept_and_nobody_is_a_unit_off(units: int, weights: Sequence[Decimal], exponent: int) -> None:
    unit = Decimal((0, (1,), -exponent))
    total = units * Fraction(unit)
    got = allot(Decimal((0, tuple(map(int, str(units))), -exponent)), weights, unit)
    assert sum(map(Fraction, got)) == total
    for share, weight in zip(got, weights, strict=True):
        assert share.same_quantum(unit)
        assert abs(Fraction(share) - total * Fraction(weight) / sum(map(Fraction, weights))) < Fraction(unit)
        assert weight or not share
    largest = sorted(zip(weights, got, strict=True))
    assert [share for _, share in largest] == sorted(got), "who has more weight gets no less"


@pytest.mark.parametrize(
    ("amount", "parts", "expected"),
    [
        ("10.00", [(PERCENT, "2.9"), (AMOUNT, "0.30"), (REST, None)], ["0.29", "0.30", "9.41"]),
        ("0.99", [(PERCENT, "2.9"), (REST, None)], ["0.03", "0.96"]),
        # Of equal fractions the first named comes first, and the rest last wherever it stands.
        ("0.01", [(PERCENT, "50"), (PERCENT, "50"), (REST, None)], ["0.01", "0.00", "0.00"]),
        ("0.01", [(REST, None), (PERCENT, "50")], ["0.00", "0.01"]),
        ("1.00", [(PERCENT, "33.333333"), (PERCENT, "33.333333"), (REST, None)], ["0.33", "0.33", "0.34"]),
        ("1.00", [(AMOUNT, "1.00"), (REST, None)], ["1.00", "0.00"]),
        ("1.00", [(PERCENT, "100"), (REST, None)], ["1.00", "0.00"]),
    ],
)
def test_fixed_parts_percentages_and_the_rest(
    amount: str, parts: list[tuple[SplitRule, str | None]], expected: list[str]
) -> None:
    assert shares(amount, *parts) == expected


def test_more_than_there_is_is_refused_where_it_passes() -> None:
    with pytest.raises(SplitsExceedAmount) as refusal:
        shares("1.00", (PERCENT, "70"), (AMOUNT, "0.30"), (PERCENT, "0.000001"), (REST, None))
    assert refusal.value.pointer == "/splits/2/percent"


RULES = st.lists(
    st.one_of(
        st.tuples(st.just(PERCENT), st.decimals("0.000001", 40, places=6).map(str)),
        st.tuples(st.just(AMOUNT), st.integers(1, 400).map(str)),
    ),
    max_size=5,
)


@given(
    units=st.integers(1, 10**9),
    exponent=st.integers(0, 4),
    rules=RULES,
    refunds=st.lists(st.integers(1, 10**9), max_size=6),
)
def test_each_gets_its_part_and_gives_back_exactly_that(
    units: int, exponent: int, rules: list[tuple[SplitRule, str]], refunds: list[int]
) -> None:
    """In whatever parts it is refunded: nobody ever gives back more than he got."""
    currency = Currency("XYZ", exponent)
    money = Money(currency.scaled(units * currency.minor_unit), currency)
    parts: list[tuple[SplitRule, str | None]] = [
        (rule, value if rule is PERCENT else str(int(value) * currency.minor_unit)) for rule, value in rules
    ]
    try:
        splits = divided(LEDGER, PaymentId(account_id("p")), money, asked(*parts, (REST, None)))
    except SplitsExceedAmount:
        return
    assert sum(split.amount for split in splits) == money.amount
    for split in splits[:-1]:
        exact = split.asked.value
        assert exact is not None
        if split.asked.rule is PERCENT:
            assert abs(split.amount - percentage(money.amount, exact)) < currency.minor_unit
        else:
            assert split.amount == exact
    payment = some_payment(money)
    left = units
    back = [Decimal(0)] * len(splits)
    for wanted in [*refunds, units]:
        part = min(wanted, left)
        if not part:
            break
        left -= part
        so_far = [
            split if not given else replace(split, refunded=given) for split, given in zip(splits, back, strict=True)
        ]
        gave = given_back(payment, so_far, Money(currency.scaled(part * currency.minor_unit), currency))
        assert sum(gave) == part * currency.minor_unit
        back = [before + now for before, now in zip(back, gave, strict=True)]
        assert all(given <= split.amount for split, given in zip(splits, back, strict=True))
    assert back == [split.amount for split in splits]


def some_payment(money: Money) -> Payment:
    return Payment(
        id=PaymentId(account_id("p")),
        ledger_id=LEDGER,
        type=PaymentType.TRANSFER,
        status=PaymentStatus.SUCCEEDED,
        money=money,
        payer_id=account_id("payer"),
        payee_id=account_id("payee"),
        processor=INTERNAL_PROCESSOR,
        texts=NO_TEXTS,
    )


@pytest.mark.parametrize(("text", "written"), [("2.90", "2.9"), ("100.000000", "100"), ("0.000001", "0.000001")])
def test_a_percentage_has_one_writing(text: str, written: str) -> None:
    assert render_number(parse_percent(text, pointer="")) == written


@pytest.mark.parametrize("text", ["0", "-1", "100.1", "1e1", "1.0000001", "01", "", "٣", "1%", " 1", "NaN"])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_percent(text, pointer="/percent")
