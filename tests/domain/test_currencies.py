"""Currencies: ISO 4217 as it stands, and what a ledger defines for itself."""

from __future__ import annotations

from decimal import Decimal

import iso4217
import pytest

from tests.domain.builders import BTC, ETH, JPY, KWD, USD
from zerosum.domain.errors import AmountTooPrecise, CurrencyExists, InvalidCurrency
from zerosum.domain.money import EXPONENT_MAX, Currency, CurrencyTable

WITHOUT_MINOR_UNIT = ("XAU", "XAG", "XPD", "XPT", "XDR", "XBA", "XTS", "XXX")


def test_the_table_is_iso_4217_as_an_independent_package_has_it() -> None:
    theirs = {item.code: (item.exponent, item.currency_name) for item in iso4217.Currency if item.exponent is not None}
    ours = {currency.code: (currency.exponent, currency.name) for currency in CurrencyTable()}
    assert ours == theirs


def test_codes_without_a_minor_unit_are_exactly_those_left_out() -> None:
    left_out = {item.code for item in iso4217.Currency} - {currency.code for currency in CurrencyTable()}
    assert left_out == {item.code for item in iso4217.Currency if item.exponent is None}
    assert left_out >= set(WITHOUT_MINOR_UNIT)


@pytest.mark.parametrize("code", WITHOUT_MINOR_UNIT)
def test_a_code_without_a_minor_unit_is_unknown_until_the_ledger_defines_it(code: str) -> None:
    with pytest.raises(InvalidCurrency):
        CurrencyTable()[code]
    defined = CurrencyTable([Currency(code, 4)])
    assert defined[code].exponent == 4
    assert defined.is_custom(code)


@pytest.mark.parametrize(
    "code",
    ["eur", "Eur", "EURO", "€", "", "EUR ", " EUR", "EUR\n", "EU", "ＥＵＲ", "E\u200bUR", None, 978, ["EUR"], b"EUR"],
)
def test_a_currency_is_known_by_its_exact_code_only(code: object) -> None:
    with pytest.raises(InvalidCurrency):
        CurrencyTable()[code]
    assert CurrencyTable().find(code) is None


@pytest.mark.parametrize("exponent", range(EXPONENT_MAX + 1))
def test_a_custom_currency_has_0_to_18_places(exponent: int) -> None:
    currency = Currency("PTS", exponent)
    assert f"{currency.minor_unit:f}" == ("1" if exponent == 0 else "0." + "0" * (exponent - 1) + "1")


@pytest.mark.parametrize("exponent", [-1, 19, 1000])
def test_a_currency_with_other_places_cannot_exist(exponent: int) -> None:
    with pytest.raises(InvalidCurrency):
        Currency("PTS", exponent)


@pytest.mark.parametrize("code", ["ABC", "A12", "ABCDEFGHIJKL"])
def test_a_code_is_3_to_12_capital_letters_or_digits(code: str) -> None:
    assert Currency(code, 2).code == code


@pytest.mark.parametrize(
    "code", ["", "AB", "ABCDEFGHIJKLM", "abc", "1AB", "A-B", "A B", "ABC\n", "ÄBC", "ＡＢＣ", "A٢C"]
)
def test_a_code_of_any_other_form_cannot_exist(code: str) -> None:
    with pytest.raises(InvalidCurrency):
        Currency(code, 2)


def test_a_number_is_brought_to_the_currencys_places() -> None:
    assert f"{USD.scaled(Decimal(5)):f}" == "5.00"
    assert f"{JPY.scaled(Decimal('5.000')):f}" == "5"
    assert f"{KWD.scaled(Decimal('-1.2')):f}" == "-1.200"
    assert f"{ETH.scaled(Decimal('99999999999999999999')):f}" == "9" * 20 + "." + "0" * 18


def test_a_number_finer_than_the_currency_raises_and_is_never_rounded() -> None:
    with pytest.raises(AmountTooPrecise):
        USD.scaled(Decimal("0.001"))
    with pytest.raises(AmountTooPrecise):
        JPY.scaled(Decimal("0.5"))


def test_a_table_lists_iso_and_custom_currencies_by_code_each_once() -> None:
    codes = [currency.code for currency in CurrencyTable([ETH, BTC, Currency("AAA", 0)])]
    assert codes == sorted(set(codes))
    assert {"BTC", "ETH", "AAA", "USD"} <= set(codes)


def test_iso_codes_are_not_custom() -> None:
    table = CurrencyTable([BTC])
    assert table.is_custom("BTC")
    assert not table.is_custom("USD")
    assert not table.is_custom("ETH")


def test_a_currency_may_be_defined_again_with_the_same_places_but_not_with_others() -> None:
    table = CurrencyTable([BTC])
    table.check_definable(Currency("BTC", 8, "Bitcoin"))
    table.check_definable(Currency("USD", 2))
    table.check_definable(Currency("NEW", 7))
    with pytest.raises(CurrencyExists) as caught:
        table.check_definable(Currency("BTC", 4))
    assert caught.value.facts == {"currency": "BTC", "places": 8}
    with pytest.raises(CurrencyExists):
        table.check_definable(Currency("JPY", 2))


def test_an_iso_currency_cannot_be_redefined_behind_the_tables_back() -> None:
    table = CurrencyTable([Currency("JPY", 2)])
    assert table["JPY"].exponent == 0
    assert not table.is_custom("JPY")
    assert [currency.exponent for currency in table if currency.code == "JPY"] == [0]
