"""Exchanges: whatever the rate, nothing is lost between what is sold and what is bought."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.errors import AmountTooLarge, AmountTooSmall, ValidationFailed
from zerosum.domain.money import Currency, Money, RoundingMode, parse_rate, rounded
from zerosum.domain.payments.exchanges import Terms, convert, convert_back

RATE_AT = datetime(2026, 1, 2, tzinfo=UTC)


def currency(code: str, exponent: int) -> Currency:
    return Currency(code, exponent)


RATES = st.one_of(
    st.decimals("0.000000000000000001", "99999", places=18),
    st.decimals("0.01", 9_999, places=2),
    st.integers(1, 10**20 - 1).map(Decimal),
).filter(bool)


@given(
    units=st.integers(1, 10**24),
    places=st.tuples(st.integers(0, 18), st.integers(0, 18)),
    rate=RATES,
    percent=st.none() | st.decimals("0.000001", 100, places=6),
    mode=st.sampled_from(RoundingMode),
)
def test_what_is_bought_and_kept_is_the_exact_product_to_the_last_digit(
    units: int, places: tuple[int, int], rate: Decimal, percent: Decimal | None, mode: RoundingMode
) -> None:
    """Between currencies of whatever places, in both directions, by rates of whatever length."""
    one, other = currency("ONE", places[0]), currency("TWO", places[1])
    for sold_in, bought_in, by in ((one, other, rate), (other, one, rate)):
        amount = Decimal((0, tuple(map(int, str(units))), -sold_in.exponent))
        if amount >= 10**20:
            continue
        try:
            found = convert(Money(amount, sold_in), Terms(by, "x", RATE_AT, percent, mode), bought_in)
        except (AmountTooLarge, AmountTooSmall):
            continue
        unit = Fraction(bought_in.minor_unit)
        exact = Fraction(amount) * Fraction(by)
        whole = Fraction(found.bought) + Fraction(found.margin)
        assert Fraction(found.exact) == exact
        assert whole == exact + Fraction(found.difference)
        assert abs(Fraction(found.difference)) < unit
        assert abs(Fraction(found.margin) - whole * Fraction(percent or 0) / 100) < unit
        assert found.bought.same_quantum(bought_in.minor_unit)
        assert found.margin.same_quantum(bought_in.minor_unit)
        assert found.bought > 0 <= found.margin
        if mode not in (RoundingMode.DOWN, RoundingMode.UP):
            assert abs(Fraction(found.difference)) * 2 <= unit
        else:
            assert (found.difference <= 0) if mode is RoundingMode.DOWN else (found.difference >= 0)


@given(
    units=st.integers(1, 10**24),
    places=st.tuples(st.integers(0, 18), st.integers(0, 18)),
    rate=RATES,
    percent=st.none() | st.decimals("0.000001", "99.999999", places=6),
)
def test_what_is_to_be_bought_is_bought_for_the_least_that_pays_for_it(
    units: int, places: tuple[int, int], rate: Decimal, percent: Decimal | None
) -> None:
    """Not a unit is lost: what was sold is worth what was given, kept and gained, and a fraction that is told."""
    one, other = currency("ONE", places[0]), currency("TWO", places[1])
    bought = Decimal((0, tuple(map(int, str(units))), -other.exponent))
    if bought >= 10**20:
        return
    try:
        sold, found = convert_back(Money(bought, other), Terms(rate, "x", RATE_AT, percent, RoundingMode.UP), one)
    except AmountTooLarge:
        return
    unit, price = Fraction(other.minor_unit), Fraction(rate)
    assert found.gain is not None
    assert (found.bought, sold.currency) == (bought, one)
    worth, whole = Fraction(sold.amount) * price, Fraction(bought) + Fraction(found.margin)
    assert Fraction(found.exact) == worth
    assert whole + Fraction(found.gain) == worth + Fraction(found.difference)
    assert -unit < Fraction(found.difference) <= 0 <= found.gain
    assert worth >= whole > (Fraction(sold.amount) - Fraction(one.minor_unit)) * price
    kept = whole * Fraction(percent or 0) / 100
    assert kept <= Fraction(found.margin) < kept + unit
    for amount, minor in ((sold.amount, one), (found.margin, other), (found.gain, other)):
        assert amount.same_quantum(minor.minor_unit)


def test_of_what_cannot_be_bought() -> None:
    yen, cents = currency("JPY", 0), currency("USD", 2)
    terms = Terms(Decimal("0.0000001"), "x", RATE_AT, rounding=RoundingMode.UP)
    with pytest.raises(AmountTooLarge):
        convert_back(Money(Decimal("99999999999999.99"), cents), terms, yen)
    with pytest.raises(ValidationFailed):
        convert_back(Money(Decimal("1.00"), cents), terms._replace(margin_percent=Decimal(100)), yen)


@pytest.mark.parametrize(
    ("exact", "half_even", "half_up", "half_down", "down", "up"),
    [
        ("0.125", "0.12", "0.13", "0.12", "0.12", "0.13"),
        ("0.135", "0.14", "0.14", "0.13", "0.13", "0.14"),
        ("0.1300001", "0.13", "0.13", "0.13", "0.13", "0.14"),
        ("0.13", "0.13", "0.13", "0.13", "0.13", "0.13"),
    ],
)
def test_each_mode_rounds_as_it_says(
    exact: str, half_even: str, half_up: str, half_down: str, down: str, up: str
) -> None:
    cents = currency("USD", 2)
    expected = [half_even, half_up, half_down, down, up]
    assert [str(rounded(Decimal(exact), cents, mode)) for mode in RoundingMode] == expected


def test_what_would_come_to_nothing_or_to_too_much_is_refused() -> None:
    yen, cents = currency("JPY", 0), currency("USD", 2)
    least, most = Money(Decimal("0.01"), cents), Money(Decimal("99999999999999999999.99"), cents)
    half = Terms(Decimal(50), "x", RATE_AT)
    with pytest.raises(AmountTooSmall):
        convert(least, half, yen)
    assert convert(least, half._replace(rounding=RoundingMode.UP), yen).bought == 1
    with pytest.raises(AmountTooSmall):
        convert(least, half._replace(rounding=RoundingMode.UP, margin_percent=Decimal(100)), yen)
    with pytest.raises(AmountTooLarge):
        convert(most, Terms(Decimal(1), "x", RATE_AT, rounding=RoundingMode.UP), yen)


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1e1", "01", "", ".1", "1.", "١", "1" * 21, "0." + "1" * 19])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValidationFailed):
        parse_rate(text, pointer="/rate")
