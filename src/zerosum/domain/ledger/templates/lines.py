"""The lines of a template, and how their amounts are rounded."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.templates.expression import Expression

REMAINDER = "remainder"
"""The amount of the line that takes what the others of its currency leave."""


class Rounding(StrEnum):
    """To the last place of the currency. Only amounts above zero are rounded, so up is away from zero."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    UP = "up"
    DOWN = "down"


class TemplateLine(NamedTuple):
    """`account` and `currency` are codes, or `{name}` of a parameter. No `amount`: it takes the remainder."""

    side: Side
    account: str
    amount: Expression | None
    currency: str | None
    rounding: Rounding


def rounded_units(value: Fraction, rounding: Rounding) -> int:
    """A whole number of units, of what is not below zero."""
    whole, rest = divmod(value.numerator, value.denominator)
    if not rest:
        return whole
    twice = 2 * rest - value.denominator
    match rounding:
        case Rounding.UP:
            return whole + 1
        case Rounding.DOWN:
            return whole
        case Rounding.HALF_UP:
            return whole + (twice >= 0)
        case Rounding.HALF_DOWN:
            return whole + (twice > 0)
    return whole + (twice > 0 or (twice == 0 and whole % 2 == 1))
