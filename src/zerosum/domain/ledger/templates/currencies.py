"""Of which currency an amount is, by what it is made of: money, plain numbers, and numbers that stand in the text.

Money is added to money of its currency, multiplied and divided by numbers, and divided by money of its currency, which
gives a number. A number that stands in the text may also be added to money: `amount * fee% + 0.30`. All else means
nothing, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from zerosum.domain.errors import DivisionByZero, TemplateInvalid
from zerosum.domain.ledger.templates.expression import Expression, Name, Number, names_in, worked_out


class _Kind(NamedTuple):
    """Money of a `currency`, or a number; `is_given` is one that stands in the text."""

    currency: str | None
    is_given: bool = False


_GIVEN, _PLAIN = _Kind(None, is_given=True), _Kind(None)


def currency_of(expression: Expression, amounts: Mapping[str, str], *, pointer: str) -> str | None:
    """None for a number that stands in the text, which may be of any currency.

    `amounts` are the parameters that are money, with their currencies. Raises TemplateInvalid, DivisionByZero.
    """
    kind = _kind_of(expression, amounts, pointer)
    if kind.is_given:
        if worked_out(expression, {}) <= 0:
            raise TemplateInvalid("The amount is not above zero.", pointer=pointer)
        return None
    if kind.currency is None:
        raise TemplateInvalid("This is a number, and no amount of money.", pointer=pointer)
    return kind.currency


def _kind_of(expression: Expression, amounts: Mapping[str, str], pointer: str) -> _Kind:
    if isinstance(expression, Number):
        return _GIVEN
    if isinstance(expression, Name):
        return _Kind(amounts.get(expression.name))
    left, right = (_kind_of(side, amounts, pointer) for side in (expression.left, expression.right))
    if expression.sign == "/" and not names_in(expression.right) and not worked_out(expression.right, {}):
        raise DivisionByZero("The amount divides by zero.", pointer=pointer)
    found = _added(left, right) if expression.sign in "+-" else _multiplied(expression.sign, left, right)
    if found is None:
        raise TemplateInvalid(
            "Money is added to money of its currency, and multiplied and divided by numbers.", pointer=pointer
        )
    return found


def _added(left: _Kind, right: _Kind) -> _Kind | None:
    if left.is_given:
        return right
    return left if right.is_given or left == right else None


def _multiplied(sign: str, left: _Kind, right: _Kind) -> _Kind | None:
    if left.is_given and right.is_given:
        return _GIVEN
    if right.currency is None:
        return _Kind(left.currency)
    if sign == "*":
        return _Kind(right.currency) if left.currency is None else None
    return _PLAIN if left.currency == right.currency else None
