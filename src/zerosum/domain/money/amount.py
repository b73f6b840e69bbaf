"""Amounts: `Decimal`, exact to the last digit, always written with exactly the currency's places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Underflow,
)

from zerosum.domain.errors import AmountTooLarge, AmountTooPrecise, InvalidAmount
from zerosum.domain.money.currency import Currency

INTEGER_DIGITS_MAX = 20
FRACTION_DIGITS_MAX = 18
_TEXT_LOOKED_AT_MAX = 100
"""Longer texts are refused unread, so that a megabyte of digits costs nothing."""

AMOUNT_PATTERN_TEXT = r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"
_AMOUNT = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)

BALANCE_LIMIT = Decimal(f"1E{INTEGER_DIGITS_MAX}")
"""A balance stays strictly between minus and plus this, so that it can always be written as an amount."""

EXACT = Context(
    # 20 integer digits and 18 places fill 38 digits; running totals of debits grow beyond, so twice that. What would
    # still not fit raises instead of being rounded. Python's default of 28 digits rounds in silence.
    prec=80,
    # Named, though nothing is ever rounded: what is left out here comes from decimal.DefaultContext, which any library
    # may have changed. Rounding to the floor, say, would give the difference of equals a sign.
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    clamp=0,
    traps=[Clamped, DivisionByZero, Inexact, InvalidOperation, Overflow, Rounded, Underflow],
)

add = EXACT.add
subtract = EXACT.subtract


def parse_amount(text: object, currency: Currency, *, pointer: str = "/amount") -> Decimal:
    """A positive amount from its wire form, scaled to the currency's places.

    Raises InvalidAmount, AmountTooLarge or AmountTooPrecise. Nothing is ever rounded; zeros behind the currency's last
    place say nothing and are left out, so "1.5", "1.50" and "1.500" are one amount.
    """
    amount = _parse_unsigned(text, currency, pointer)
    if not amount:
        raise InvalidAmount("The amount must be above zero.", pointer=pointer)
    return amount


def parse_signed_amount(text: object, currency: Currency, *, pointer: str) -> Decimal:
    """A balance or limit from its wire form: zero and a leading minus sign are allowed, minus zero is not."""
    if isinstance(text, str) and text.startswith("-"):
        amount = _parse_unsigned(text[1:], currency, pointer)
        if not amount:
            raise InvalidAmount("Zero has no sign.", pointer=pointer)
        return amount.copy_negate()
    return _parse_unsigned(text, currency, pointer)


def shortest(number: str) -> str:
    """The same number without zeros at its end."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def render_amount(amount: Decimal) -> str:
    """The wire form. The amount carries its currency's places as its own exponent.

    Raises InvalidAmount for what is no number: the database would keep one, and add it to others.
    """
    text = str(amount)  # Takes half the time of a format, and is the same but for an exponent (whose letter may vary).
    if text[-1] > "9":  # NaN, Infinity
        raise InvalidAmount("This is no number.")
    return f"{amount:f}" if "E" in text or "e" in text else text


def _parse_unsigned(text: object, currency: Currency, pointer: str) -> Decimal:
    if not isinstance(text, str):
        raise InvalidAmount('An amount is a string such as "12.34", never a JSON number.', pointer=pointer)
    match = _AMOUNT.fullmatch(text) if len(text) <= _TEXT_LOOKED_AT_MAX else None
    integer, places = ("", "") if match is None else (match.group(1), match.group(2) or "")
    if match is None or len(places) > FRACTION_DIGITS_MAX:
        raise InvalidAmount("An amount is plain digits with an optional point and up to 18 places.", pointer=pointer)
    if len(integer) > INTEGER_DIGITS_MAX:
        raise _too_large(pointer)
    missing = currency.exponent - len(places)
    if missing == 0:
        return Decimal(text)
    if missing < 0 and places.count("0", currency.exponent) < -missing:
        raise AmountTooPrecise(
            f"{currency.code} has {currency.exponent} decimal places.",
            pointer=pointer,
            currency=currency.code,
            places=currency.exponent,
        )
    return Decimal(f"{integer}.{places[: currency.exponent]}{'0' * missing}")


def _too_large(pointer: str | None) -> AmountTooLarge:
    return AmountTooLarge(
        f"An amount has at most {INTEGER_DIGITS_MAX} integer digits.",
        pointer=pointer,
        integer_digits_max=INTEGER_DIGITS_MAX,
    )


@dataclass(frozen=True, slots=True)
class Money:
    """A positive exact amount and its currency. Two currencies never add; nothing is finer than its currency."""

    amount: Decimal
    currency: Currency

    def __post_init__(self) -> None:
        if not self.amount.same_quantum(self.currency.minor_unit):
            raise AmountTooPrecise(
                f"{self.currency.code} has {self.currency.exponent} decimal places.",
                currency=self.currency.code,
                places=self.currency.exponent,
            )
        if self.amount <= 0:
            raise InvalidAmount("Money is above zero; its direction is the side of a posting.")
        if self.amount >= BALANCE_LIMIT:
            raise _too_large(None)

    @classmethod
    def parse(cls, text: object, currency: Currency, *, pointer: str = "/amount") -> Money:
        """What was parsed is money, and not looked at twice: each payment begins here."""
        made = object.__new__(cls)
        object.__setattr__(made, "amount", parse_amount(text, currency, pointer=pointer))
        object.__setattr__(made, "currency", currency)
        return made

    def __str__(self) -> str:
        return f"{render_amount(self.amount)} {self.currency.code}"
