"""Sharing an amount out: in proportion, to the last unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.money.amount import EXACT, shortest

PERCENT_PATTERN_TEXT = r"^(0|[1-9][0-9]?|100)(\.[0-9]{1,6})?$"
_PERCENT = re.compile(r"(?:0|[1-9][0-9]?|100)(?:\.[0-9]{1,6})?", re.ASCII)
_HUNDRED = Decimal(100)


def allot(total: Decimal, weights: Sequence[Decimal], unit: Decimal) -> tuple[Decimal, ...]:
    """`total` in parts that are to each other as the weights, each a whole number of `unit`s, and in all the total.

    By the largest remainder: each gets its exact share without the fraction of a unit, and the units that are left go
    to those with the largest fractions, of equal ones to who comes first. So nobody gets a unit more or less than his
    exact share; and of weights that are amounts, and come to the total or more, nobody gets more than his own.
    """
    finest = min(weight.as_tuple().exponent for weight in weights)
    whole = [int(weight.scaleb(-int(finest), context=EXACT)) for weight in weights]
    units, all_weights = int(EXACT.divide(total, unit)), sum(whole) or 1
    shares = [divmod(units * weight, all_weights) for weight in whole]
    left = units - sum(share for share, _ in shares) if any(whole) else 0
    first = sorted(range(len(shares)), key=lambda place: (-shares[place][1], place))[:left]
    counts = [share + (place in first) for place, (share, _) in enumerate(shares)]
    return tuple(EXACT.multiply(Decimal(number), unit) for number in counts)


def percentage(amount: Decimal, percent: Decimal) -> Decimal:
    """So much of it, exactly: it may be finer than the currency."""
    return EXACT.multiply(amount, percent).scaleb(-2, context=EXACT)


def parse_percent(text: str, *, pointer: str) -> Decimal:
    """Above 0 and at most 100, with up to six places; zeros at its end say nothing. Raises ValidationFailed."""
    percent = Decimal(text) if _PERCENT.fullmatch(text) else Decimal(0)
    if not 0 < percent <= _HUNDRED:
        raise ValidationFailed(
            'A percentage is a string such as "2.9": above 0, at most 100, with up to six places.', pointer=pointer
        )
    return percent


def render_number(percent: Decimal) -> str:
    """Its one writing, without zeros at its end."""
    return shortest(f"{percent:f}")
