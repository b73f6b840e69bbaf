"""Whether a template balances for all parameters: shown when it is made, never hoped for when it is posted.

In each currency either

* one line takes the **remainder**: what the other side comes to after rounding, less the other lines of its own; or
* debits less credits are **the same amounts taken away from themselves**. Here a line is a whole-number sum of amounts
  that are parameters (`amount - tip`), which nothing is ever rounded of, or else one opaque amount: what it comes to
  after rounding, the same wherever the same is written with the same rounding.

Neither stands on what the parameters are, so no parameters can bring a line out of balance. What cannot be shown so is
refused, though it might balance: `amount * 50%` twice against `amount` does, but for the odd cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from zerosum.domain.errors import TemplateInvalid, Unbalanced
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.templates.expression import Expression, Name, Number
from zerosum.domain.ledger.templates.lines import TemplateLine

Sum = dict[object, int]
"""So often each thing whose value is fixed once the parameters are: an amount, a unit, or an opaque amount."""

_UNIT = 1
"""One of the currency, which is never finer than it."""


def check_balance(lines: Sequence[TemplateLine], amounts: Collection[str]) -> None:
    """Raises Unbalanced, and TemplateInvalid for a remainder of nothing or beside another. `amounts`: parameters."""
    for currency in dict.fromkeys(line.currency for line in lines):
        own = [(place, line) for place, line in enumerate(lines) if line.currency == currency]
        remainders = [place for place, line in own if line.amount is None]
        if len(remainders) > 1:
            raise TemplateInvalid(
                "One posting of a currency takes the remainder.", pointer=f"/postings/{remainders[1]}/amount"
            )
        if not remainders:
            _check_difference([line for _, line in own], currency, amounts)
            continue
        side = next(line.side for _, line in own if line.amount is None)
        if all(line.side is side for _, line in own):
            raise TemplateInvalid(
                "A remainder is of what stands on the other side, and there is nothing.",
                pointer=f"/postings/{remainders[0]}/amount",
            )


def _check_difference(lines: Sequence[TemplateLine], currency: str | None, amounts: Collection[str]) -> None:
    difference: Counter[object] = Counter()
    for line in lines:
        sign = 1 if line.side is Side.DEBIT else -1
        for what, number in _sum_of(line, amounts).items():
            difference[what] += sign * number
    if any(difference.values()):
        raise Unbalanced(
            "It must balance whatever its parameters are: let one posting of the currency take the remainder, or let "
            "the debits be the same amounts as the credits.",
            pointer="/postings",
            currency=currency,
        )


def _sum_of(line: TemplateLine, amounts: Collection[str]) -> Sum:
    whole = None if line.amount is None else _whole_sum(line.amount, amounts)
    return {(line.amount, line.rounding): 1} if whole is None else whole


def _whole_sum(expression: Expression, amounts: Collection[str]) -> Sum | None:
    """None where it is anything but amounts and whole numbers that are added, taken away and taken several times."""
    if isinstance(expression, Number):
        return {_UNIT: int(expression.value)} if expression.value.denominator == 1 else None
    if isinstance(expression, Name):
        return {expression.name: 1} if expression.name in amounts else None
    left, right = _whole_sum(expression.left, amounts), _whole_sum(expression.right, amounts)
    if left is None or right is None or expression.sign == "/":
        return None
    if expression.sign == "*":
        if right.keys() <= {_UNIT}:
            left, right = right, left
        times = left.get(_UNIT, 0)
        return {what: times * number for what, number in right.items()} if left.keys() <= {_UNIT} else None
    sign = 1 if expression.sign == "+" else -1
    return {what: left.get(what, 0) + sign * right.get(what, 0) for what in left.keys() | right.keys()}
