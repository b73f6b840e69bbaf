"""The lines of a template, and how their amounts are rounded."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.templates.expression import Expression
from zerosum.domain.money import RoundingMode

REMAINDER = "remainder"
"""The amount of the line that takes what the others of its currency leave."""


class TemplateLine(NamedTuple):
    """`account` and `currency` are codes, or `{name}` of a parameter. No `amount`: it takes the remainder."""

    side: Side
    account: str
    amount: Expression | None
    currency: str | None
    rounding: RoundingMode


def rounded_units(value: Fraction, rounding: RoundingMode) -> int:
    """A whole number of units, of what is not below zero."""
    whole, rest = divmod(value.numerator, value.denominator)
    if not rest:
        return whole
    twice = 2 * rest - value.denominator
    match rounding:
        case RoundingMode.UP:
            return whole + 1
        case RoundingMode.DOWN:
            return whole
        case RoundingMode.HALF_UP:
            return whole + (twice >= 0)
        case RoundingMode.HALF_DOWN:
            return whole + (twice > 0)
    return whole + (twice > 0 or (twice == 0 and whole % 2 == 1))
