"""Rounding by a stated mode, and rates between currencies: the places where an amount is not exact by itself."""

from __future__ import annotations

import decimal
import re
from decimal import Context, Decimal
from enum import StrEnum

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.money.currency import Currency

RATE_PATTERN_TEXT = r"^(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"
_RATE = re.compile(r"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?", re.ASCII)

_ROUNDING = Context(
    # Of an amount times a rate, 76 digits; what would not fit raises. Only what `rounded` is asked for is rounded.
    prec=120,
    Emin=-999_999,
    Emax=999_999,
    clamp=0,
    traps=[decimal.InvalidOperation, decimal.Overflow, decimal.Underflow, decimal.Clamped],
)


class RoundingMode(StrEnum):
    """What becomes of what is finer than the currency. Only amounts above zero are rounded, so up is away from zero."""

    HALF_EVEN = "half_even"
    """To the nearest unit; from the middle to the even one."""
    HALF_UP = "half_up"
    """To the nearest unit; from the middle up."""
    HALF_DOWN = "half_down"
    """To the nearest unit; from the middle down."""
    DOWN = "down"
    UP = "up"


_MODES = {
    RoundingMode.HALF_EVEN: decimal.ROUND_HALF_EVEN,
    RoundingMode.HALF_UP: decimal.ROUND_HALF_UP,
    RoundingMode.HALF_DOWN: decimal.ROUND_HALF_DOWN,
    RoundingMode.DOWN: decimal.ROUND_DOWN,
    RoundingMode.UP: decimal.ROUND_UP,
}


def rounded(exact: Decimal, currency: Currency, mode: RoundingMode) -> Decimal:
    """With exactly the currency's places."""
    return exact.quantize(currency.minor_unit, rounding=_MODES[mode], context=_ROUNDING)


def divided_up(amount: Decimal, by: Decimal, currency: Currency) -> Decimal:
    """The smallest amount of the currency that is not below the quotient: the one division, and it loses nothing."""
    amount_over, amount_under = amount.as_integer_ratio()
    by_over, by_under = by.as_integer_ratio()
    over, under = amount_over * by_under * 10**currency.exponent, amount_under * by_over
    return Decimal(-(-over // under)).scaleb(-currency.exponent, context=_ROUNDING)


def parse_rate(text: str, *, pointer: str) -> Decimal:
    """Above zero; up to 20 digits before the point and 18 behind it. Raises ValidationFailed."""
    rate = Decimal(text) if _RATE.fullmatch(text) else Decimal(0)
    if not rate:
        raise ValidationFailed(
            'A rate is a string such as "0.9213": above zero, up to 20 digits before the point and 18 behind it.',
            pointer=pointer,
        )
    return rate
