"""What a template gives for its parameters, worked out by a second program: by stacks, where the books go by a tree."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

_TOKEN = re.compile(r"[0-9.]+|[a-z0-9_]+|[-+*/()%]")
_RANKS = {"+": 1, "-": 1, "*": 2, "/": 2}
_HALF = Fraction(1, 2)
_ROUNDINGS: Mapping[str, Callable[[Fraction], int]] = {
    "half_even": round,
    "half_up": lambda value: math.floor(value + _HALF),
    "half_down": lambda value: math.ceil(value - _HALF),
    "up": math.ceil,
    "down": math.floor,
}


def postings_given(
    content: Mapping[str, Any], parameters: Mapping[str, str], places: Mapping[str, int]
) -> list[tuple[str, str, Decimal, str]]:
    """Side, account as it was named, amount and currency of each line.

    Raises LookupError, ArithmeticError and ValueError for what can give nothing.
    """
    values = {
        name: Fraction(parameters[name])
        for name, one in content["parameters"].items()
        if one["type"] in ("amount", "percent")
    }
    lines = content["postings"]
    currencies = [_currency(line, content) for line in lines]
    codes = [_filled(currency, parameters) for currency in currencies]
    units: list[int] = []
    for line, code in zip(lines, codes, strict=True):
        is_rest = line["amount"] == "remainder"
        value = Fraction(0) if is_rest else _value(line["amount"], values) * 10 ** places[code]
        units.append(_ROUNDINGS[line["rounding"] or content["rounding"]](value))
    for place, line in enumerate(lines):
        if line["amount"] == "remainder":
            units[place] = -sum(
                number if lines[other]["side"] == line["side"] else -number
                for other, number in enumerate(units)
                if currencies[other] == currencies[place]
            )
    return [
        (line["side"], _filled(line["account"], parameters), Decimal(number).scaleb(-places[code]), code)
        for line, number, code in zip(lines, units, codes, strict=True)
    ]


def _currency(line: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """As the line says it, or as one of its amounts does, or as any other line does."""
    parameters = content["parameters"]
    if line["currency"] is not None:
        return str(line["currency"])
    for name in _TOKEN.findall(line["amount"]):
        if name in parameters and parameters[name]["currency"] is not None:
            return str(parameters[name]["currency"])
    return _currency(next(other for other in content["postings"] if other["amount"] != "remainder"), content)


def _filled(text: str, parameters: Mapping[str, str]) -> str:
    return parameters[text[1:-1]] if text.startswith("{") else text


def _value(text: str, values: Mapping[str, Fraction]) -> Fraction:
    numbers: list[Fraction] = []
    signs: list[str] = []
    for word in _TOKEN.findall(text):
        if word == "(":
            signs.append(word)
        elif word == ")":
            while signs[-1] != "(":
                _work_off(numbers, signs)
            signs.pop()
        elif word == "%":
            numbers[-1] /= 100
        elif word in _RANKS:
            while signs and _RANKS.get(signs[-1], 0) >= _RANKS[word]:
                _work_off(numbers, signs)
            signs.append(word)
        else:
            numbers.append(values[word] if word in values else Fraction(word))
    while signs:
        _work_off(numbers, signs)
    return numbers.pop()


def _work_off(numbers: list[Fraction], signs: list[str]) -> None:
    right, left, sign = numbers.pop(), numbers.pop(), signs.pop()
    if sign == "+":
        numbers.append(left + right)
    elif sign == "-":
        numbers.append(left - right)
    else:
        numbers.append(left * right if sign == "*" else left / right)
