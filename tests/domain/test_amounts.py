"""Amounts: what may be written, what it means, and that not the last digit is ever lost."""

from __future__ import annotations

import time
from decimal import Decimal, Inexact

import pytest

from tests.domain.builders import BTC, ETH, EUR, JPY, KWD, USD
from zerosum.domain.errors import AmountTooLarge, AmountTooPrecise, DomainError, InvalidAmount
from zerosum.domain.money import (
    AMOUNT_PATTERN_TEXT,
    BALANCE_LIMIT,
    EXACT,
    Currency,
    Money,
    add,
    parse_amount,
    parse_signed_amount,
    render_amount,
    subtract,
)

REFUSAL_SECONDS_MAX = 0.005


def code_of(text: object, currency: Currency = USD) -> str:
    with pytest.raises(DomainError) as caught:
        parse_amount(text, currency)
    return caught.value.code


# --- Reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "written"),
    [
        ("12.34", USD, "12.34"),
        ("12.3", USD, "12.30"),
        ("12", USD, "12.00"),
        ("12.500", USD, "12.50"),
        ("12.000000000000000000", USD, "12.00"),
        ("12.0", JPY, "12"),
        ("12.000", JPY, "12"),
        ("1.5000", KWD, "1.500"),
        ("0.01", USD, "0.01"),
        ("1", JPY, "1"),
        ("1.5", KWD, "1.500"),
        ("0.00000001", BTC, "0.00000001"),
        ("1", ETH, "1.000000000000000000"),
        ("99999999999999999999.99", USD, "99999999999999999999.99"),
        ("99999999999999999999.999999999999999999", ETH, "99999999999999999999.999999999999999999"),
    ],
)
def test_an_amount_is_written_with_exactly_its_currencys_places(text: str, currency: Currency, written: str) -> None:
    assert render_amount(parse_amount(text, currency)) == written


@pytest.mark.parametrize(
    "number", [100, 10.5, 1e2, -0, 0.30000000000000004, True, False, None, [], {}, b"1", Decimal(1), float("nan")]
)
def test_an_amount_that_is_no_string_is_refused(number: object) -> None:
    assert code_of(number) == "invalid_amount"


@pytest.mark.parametrize("text", ["NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "+inf"])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert code_of(text) == "invalid_amount"


@pytest.mark.parametrize("text", ["1e2", "1E2", "1E+1000000", "1e-400", "1e999999999999999999", "1E0"])
def test_an_exponent_is_refused(text: str) -> None:
    assert code_of(text) == "invalid_amount"


@pytest.mark.parametrize("text", ["0", "0.0", "0.00", "-1", "-0", "-0.01", "-12.34"])
def test_an_amount_is_above_zero(text: str) -> None:
    assert code_of(text) == "invalid_amount"


@pytest.mark.parametrize(
    "text",
    [
        "1_000", " 1 ", " 1", "1 ", "+1", "01", "00", "00.1", "0x10", "1.", ".5", ".", "1,00", "1.0.0", "",
        "1\n", "\n1", "1\x00", "1\u200b", "1\u00a0", "1-", "−1", "1/2", "$1", "1 USD", "a",
    ],
)  # fmt: skip
def test_any_other_writing_is_refused(text: str) -> None:
    assert code_of(text) == "invalid_amount"


@pytest.mark.parametrize("text", ["١٢", "１２", "1２", "१.५", "𝟙", "①", "1.٥"])
def test_digits_of_other_scripts_are_refused(text: str) -> None:
    assert code_of(text) == "invalid_amount"


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("10.005", USD),
        ("0.001", USD),
        ("10.5001", USD),
        ("10.000000000000000001", USD),
        ("10.5", JPY),
        ("10.01", JPY),
        ("1.2345", KWD),
        ("0.000000001", BTC),
    ],
)
def test_an_amount_finer_than_its_currency_is_refused_and_never_rounded(text: str, currency: Currency) -> None:
    with pytest.raises(AmountTooPrecise) as caught:
        parse_amount(text, currency)
    assert caught.value.facts == {"currency": currency.code, "places": currency.exponent}
    assert caught.value.pointer == "/amount"


def test_twenty_integer_digits_are_allowed_and_twenty_one_are_not() -> None:
    assert render_amount(parse_amount("9" * 20, USD)) == "9" * 20 + ".00"
    with pytest.raises(AmountTooLarge) as caught:
        parse_amount("1" + "0" * 20, USD)
    assert caught.value.facts == {"integer_digits_max": 20}


def test_eighteen_places_are_allowed_and_nineteen_are_not() -> None:
    assert render_amount(parse_amount("0." + "0" * 17 + "1", ETH)) == "0.000000000000000001"
    assert code_of("0." + "0" * 18 + "1", ETH) == "invalid_amount"
    assert code_of("0." + "1" * 41, ETH) == "invalid_amount"


@pytest.mark.parametrize("text", ["1" * 5_000, "1" * 1_000_000, "0." + "1" * 1_000_000, "1e" + "9" * 1_000_000])
def test_a_very_long_text_is_refused_at_once(text: str) -> None:
    seconds = []
    for _ in range(5):  # the best of them: this machine may have something else to do meanwhile
        begin = time.perf_counter()
        code = code_of(text)
        seconds.append(time.perf_counter() - begin)
        assert code in ("invalid_amount", "amount_too_large")
    assert min(seconds) < REFUSAL_SECONDS_MAX


def test_a_refusal_points_at_the_member_it_was_told() -> None:
    with pytest.raises(InvalidAmount) as caught:
        parse_amount("x", USD, pointer="/postings/3/amount")
    assert caught.value.pointer == "/postings/3/amount"


def test_a_refusal_never_repeats_the_value() -> None:
    for text in ("secret", "123456789012345678901234567890", "1.23456789"):
        with pytest.raises(DomainError) as caught:
            parse_amount(text, USD)
        assert text not in caught.value.detail
        assert text not in str(caught.value.facts)


def test_the_pattern_shown_to_clients_says_what_the_parser_does() -> None:
    assert AMOUNT_PATTERN_TEXT == r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"


# --- Balances and limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"), [("0", "0.00"), ("0.0", "0.00"), ("-12.3", "-12.30"), ("12", "12.00"), ("-0.01", "-0.01")]
)
def test_a_limit_may_be_zero_or_less(text: str, written: str) -> None:
    assert render_amount(parse_signed_amount(text, USD, pointer="/min_available")) == written


@pytest.mark.parametrize("text", ["-0", "-0.00", "--1", "-", "+1", "- 1", "-.5", "-01", "−1", 0, -1, None])
def test_a_limit_has_one_writing_only(text: object) -> None:
    with pytest.raises(InvalidAmount) as caught:
        parse_signed_amount(text, USD, pointer="/min_available")
    assert caught.value.pointer == "/min_available"


def test_a_limit_obeys_the_same_bounds_as_an_amount() -> None:
    assert parse_signed_amount("-" + "9" * 20, USD, pointer="/x") == -(BALANCE_LIMIT - 1)
    with pytest.raises(AmountTooLarge):
        parse_signed_amount("-1" + "0" * 20, USD, pointer="/x")
    with pytest.raises(AmountTooPrecise):
        parse_signed_amount("-0.001", USD, pointer="/x")


# --- Calculating -----------------------------------------------------------------------------------------------------


def test_sums_are_exact_beyond_the_28_digits_of_the_default_context() -> None:
    large = parse_amount("99999999999999999999.999999999999999999", ETH)
    least = parse_amount("0.000000000000000001", ETH)
    assert render_amount(subtract(large, least)) == "99999999999999999999.999999999999999998"
    assert render_amount(add(large, least)) == "100000000000000000000.000000000000000000"
    assert large - least == Decimal(10) ** 20  # What the plain operator makes of it.


def test_a_sum_that_would_need_rounding_raises_instead() -> None:
    with pytest.raises(Inexact):
        add(Decimal(10) ** 79, Decimal("0.01"))


def test_the_difference_of_equals_is_a_zero_without_a_sign() -> None:
    amount = parse_amount("12.34", USD)
    assert render_amount(subtract(amount, amount)) == "0.00"


def test_exactness_rests_on_traps_that_are_set() -> None:
    raised = {signal.__name__ for signal, is_trapped in EXACT.traps.items() if is_trapped}
    assert raised >= {"Inexact", "Rounded", "Overflow", "Underflow", "InvalidOperation", "DivisionByZero", "Clamped"}
    assert EXACT.prec >= 2 * (20 + 18)


# --- Money -----------------------------------------------------------------------------------------------------------


def test_money_is_shown_with_its_currency() -> None:
    assert str(Money.parse("12.3", USD)) == "12.30 USD"
    assert str(Money.parse("12", JPY)) == "12 JPY"


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (Decimal("0.00"), InvalidAmount),
        (Decimal("-0.01"), InvalidAmount),
        (Decimal("-0.00"), InvalidAmount),
        (Decimal("1"), AmountTooPrecise),
        (Decimal("1.0"), AmountTooPrecise),
        (Decimal("1.000"), AmountTooPrecise),
        (Decimal("NaN"), AmountTooPrecise),
        (Decimal("sNaN"), AmountTooPrecise),
        (Decimal("Infinity"), AmountTooPrecise),
        (Decimal("-Infinity"), AmountTooPrecise),
        (Decimal("100000000000000000000.00"), AmountTooLarge),
    ],
)
def test_money_that_could_not_be_written_cannot_exist(amount: Decimal, error: type[DomainError]) -> None:
    with pytest.raises(error):
        Money(amount, USD)


def test_the_largest_money_is_one_minor_unit_below_the_limit() -> None:
    assert str(Money(BALANCE_LIMIT - Decimal("0.01"), USD)) == "99999999999999999999.99 USD"


def test_two_moneys_are_equal_only_in_amount_and_currency() -> None:
    assert Money.parse("1.00", USD) == Money.parse("1", USD)
    assert Money.parse("1.00", USD) != Money.parse("1.00", EUR)
    assert Money.parse("1.00", USD) != Money.parse("1.01", USD)
