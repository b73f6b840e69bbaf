"""Amounts as text: `amount * fee% + 0.30`. Read into a tree, worked out exactly, never with a float.

    sum     = product { ("+" | "-") product }
    product = factor { ("*" | "/") factor }
    factor  = ( number | name | "(" sum ")" ) [ "%" ]

There is nothing else: no sign, no function, no condition, no loop. `x%` is `x / 100`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from zerosum.domain.errors import DivisionByZero, TemplateInvalid
from zerosum.domain.money.amount import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX

EXPRESSION_LENGTH_MAX = 200
"""Which also bounds how large the numbers can grow while an amount is worked out."""

PARENTHESES_MAX = 10
"""How deep they may stand in each other."""

PARAMETER_PATTERN_TEXT = "[a-z][a-z0-9_]{0,39}"
_TOKEN = re.compile(
    rf" *(?:(?P<number>[0-9]+(?:\.[0-9]+)?)(?![.0-9A-Za-z_])|(?P<name>{PARAMETER_PATTERN_TEXT})(?![A-Za-z0-9_.])"
    r"|(?P<sign>[-+*/()%]))",
    re.ASCII,
)
_HUNDRED = Fraction(100)


class Number(NamedTuple):
    """A number that stands in the text."""

    value: Fraction


class Name(NamedTuple):
    """A parameter."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """`sign` is one of `+ - * /`."""

    sign: str
    left: Expression
    right: Expression


Expression = Number | Name | Operation


class _Token(NamedTuple):
    text: str
    kind: str
    position: int


def parse_expression(text: str, *, pointer: str) -> Expression:
    """Raises TemplateInvalid with the position, from 0, of what cannot stand there."""
    if len(text) > EXPRESSION_LENGTH_MAX:
        raise TemplateInvalid(
            f"An amount has at most {EXPRESSION_LENGTH_MAX} characters.", pointer=pointer, length=len(text)
        )
    reader = _Reader(list(_tokens(text, pointer)), pointer)
    found = reader.sum(0)
    reader.expect("")
    return found


def names_in(expression: Expression) -> frozenset[str]:
    """The parameters an amount depends on."""
    if isinstance(expression, Operation):
        return names_in(expression.left) | names_in(expression.right)
    return frozenset({expression.name}) if isinstance(expression, Name) else frozenset()


def worked_out(expression: Expression, values: Mapping[str, Fraction]) -> Fraction:
    """The exact value. Raises DivisionByZero.

    It is reduced once, at its end: to reduce what comes after each sign took a template of a hundred long amounts a
    fifth of a second.
    """
    return Fraction(*_quotient(expression, values))


def _quotient(expression: Expression, values: Mapping[str, Fraction]) -> tuple[int, int]:
    if not isinstance(expression, Operation):
        value = expression.value if isinstance(expression, Number) else values[expression.name]
        return value.numerator, value.denominator
    (above, below), (other_above, other_below) = (
        _quotient(expression.left, values),
        _quotient(expression.right, values),
    )
    match expression.sign:
        case "+":
            return above * other_below + other_above * below, below * other_below
        case "-":
            return above * other_below - other_above * below, below * other_below
        case "*":
            return above * other_above, below * other_below
    if not other_above:
        raise DivisionByZero("An amount divides by what is zero.")
    return above * other_below, below * other_above


def _tokens(text: str, pointer: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip(" "))
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            first = position + len(text[position:]) - len(text[position:].lstrip(" "))
            raise _misplaced(_Token(text[first], "", first), pointer)
        kind = str(found.lastgroup)
        yield _Token(found[kind], kind, found.start(kind))
        position = found.end()
    yield _Token("", "end", end)


class _Reader:
    """Reads its tokens from left to right, one rule of the grammar a method."""

    def __init__(self, tokens: list[_Token], pointer: str) -> None:
        self._tokens = tokens
        self._next = 0
        self._pointer = pointer

    def sum(self, depth: int) -> Expression:
        found = self._product(depth)
        while self._tokens[self._next].text in ("+", "-"):
            found = Operation(self._take().text, found, self._product(depth))
        return found

    def expect(self, text: str) -> None:
        token = self._take()
        if token.text != text:
            raise _misplaced(token, self._pointer)

    def _product(self, depth: int) -> Expression:
        found = self._factor(depth)
        while self._tokens[self._next].text in ("*", "/"):
            found = Operation(self._take().text, found, self._factor(depth))
        return found

    def _factor(self, depth: int) -> Expression:
        token = self._take()
        found: Expression
        if token.kind == "number":
            found = Number(_number(token, self._pointer))
        elif token.kind == "name":
            found = Name(token.text)
        elif token.text == "(" and depth < PARENTHESES_MAX:
            found = self.sum(depth + 1)
            self.expect(")")
        elif token.text == "(":
            raise TemplateInvalid(
                f"At most {PARENTHESES_MAX} parentheses stand in each other.",
                pointer=self._pointer,
                position=token.position,
            )
        else:
            raise _misplaced(token, self._pointer)
        if self._tokens[self._next].text == "%":
            self._take()
            found = Operation("/", found, Number(_HUNDRED))
        return found

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token


def _number(token: _Token, pointer: str) -> Fraction:
    whole, _, places = token.text.partition(".")
    if len(whole) > INTEGER_DIGITS_MAX or len(places) > FRACTION_DIGITS_MAX:
        raise TemplateInvalid(
            f"A number has at most {INTEGER_DIGITS_MAX} digits before the point and {FRACTION_DIGITS_MAX} behind it.",
            pointer=pointer,
            position=token.position,
        )
    return Fraction(token.text)


def _misplaced(token: _Token, pointer: str) -> TemplateInvalid:
    what = "The amount ends too early" if token.kind == "end" else f"This cannot stand at position {token.position}"
    return TemplateInvalid(
        f"{what}: an amount is made of numbers, parameters, + - * / % and parentheses.",
        pointer=pointer,
        position=token.position,
    )
