"""What a template says: its parameters, and lines whose amounts are arithmetic over them.

    step                              where
    1  read parameters, then lines    `read_content`: what is wrong is told with a pointer into the request
    2  the currency of each line      `currencies.py`: by the amounts that its own is made of
    3  that it always balances        `balancing.py`
    4  the lines of one posting       `filled_in.py`

A `TemplateContent` that exists has been through 1 to 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zerosum.domain.errors import TemplateInvalid
from zerosum.domain.identifiers import is_account_code
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.entry import POSTINGS_MAX, POSTINGS_MIN
from zerosum.domain.ledger.templates.balancing import check_balance
from zerosum.domain.ledger.templates.currencies import currency_of
from zerosum.domain.ledger.templates.expression import PARAMETER_PATTERN_TEXT, Expression, names_in, parse_expression
from zerosum.domain.ledger.templates.lines import REMAINDER, TemplateLine
from zerosum.domain.money import CURRENCY_CODE_PATTERN_TEXT, RoundingMode

PARAMETERS_MAX = 32

_NAME = re.compile(PARAMETER_PATTERN_TEXT, re.ASCII)
_CODE = re.compile(CURRENCY_CODE_PATTERN_TEXT, re.ASCII)
_PLACE = re.compile(r"\{([^{}]*)\}")


class ParameterType(StrEnum):
    AMOUNT = "amount"
    """A positive amount of the parameter's currency."""
    PERCENT = "percent"
    """A number from 0 to 100: `fee%` is its hundredth."""
    ACCOUNT = "account"
    """An account, by id or code."""
    CURRENCY = "currency"
    """A code of a currency the ledger knows."""
    TEXT = "text"
    """For the reason of the entry."""


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """`currency` is that of an amount: a code, or `{name}` of a parameter that says it."""

    type: ParameterType
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateContent:
    """Made by `read_content` alone. `reason` may hold `{name}` of text parameters; None: the template's name."""

    parameters: Mapping[str, TemplateParameter]
    lines: tuple[TemplateLine, ...]
    reason: str | None

    def of_type(self, type_: ParameterType) -> list[str]:
        return [name for name, parameter in self.parameters.items() if parameter.type is type_]


def placed_in(text: str) -> str | None:
    """The parameter whose place `{name}` is, if it is one and nothing else."""
    found = _PLACE.fullmatch(text)
    return None if found is None else found[1]


def with_places_filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], text)


def read_content(given: Mapping[str, Any]) -> TemplateContent:
    """From its members on the wire, whose shapes are right. Raises TemplateInvalid, Unbalanced, DivisionByZero."""
    parameters = _parameters(given["parameters"])
    rows = given["postings"]
    if not POSTINGS_MIN <= len(rows) <= POSTINGS_MAX:
        raise TemplateInvalid(f"A template has {POSTINGS_MIN} to {POSTINGS_MAX} postings.", pointer="/postings")
    usual = RoundingMode(given.get("rounding") or RoundingMode.HALF_EVEN)
    lines = tuple(_line(row, usual, parameters, f"/postings/{place}") for place, row in enumerate(rows))
    content = TemplateContent(
        parameters=parameters,
        lines=_with_currencies(lines, parameters),
        reason=_reason(given.get("reason"), parameters),
    )
    check_balance(content.lines, content.of_type(ParameterType.AMOUNT))
    _check_all_used(content)
    return content


def _parameters(given: Mapping[str, Any]) -> dict[str, TemplateParameter]:
    if len(given) > PARAMETERS_MAX:
        raise TemplateInvalid(f"A template has at most {PARAMETERS_MAX} parameters.", pointer="/parameters")
    found: dict[str, TemplateParameter] = {}
    for name, one in given.items():
        if not _NAME.fullmatch(name) or name == REMAINDER:
            raise TemplateInvalid(
                "A parameter is named by up to 40 small letters, digits and _, begins with a letter, and is not "
                f"called {REMAINDER}.",
                pointer="/parameters",
            )
        found[name] = TemplateParameter(ParameterType(one["type"]), one.get("currency"))
    for name, parameter in found.items():
        pointer = f"/parameters/{name}/currency"
        if (parameter.currency is not None) is not (parameter.type is ParameterType.AMOUNT):
            raise TemplateInvalid("Amounts have a currency, and nothing else has.", pointer=pointer)
        if parameter.currency is not None:
            _check_currency(parameter.currency, found, pointer)
    return found


def _line(
    row: Mapping[str, Any], usual: RoundingMode, parameters: Mapping[str, TemplateParameter], here: str
) -> TemplateLine:
    _check_account(row["account"], parameters, f"{here}/account")
    if row.get("currency") is not None:
        _check_currency(row["currency"], parameters, f"{here}/currency")
    text = row["amount"]
    amount = None if text == REMAINDER else parse_expression(text, pointer=f"{here}/amount")
    if amount is not None:
        _check_names(amount, parameters, f"{here}/amount")
    rounding = RoundingMode(row.get("rounding") or usual)
    return TemplateLine(Side(row["side"]), row["account"], amount, row.get("currency"), rounding)


def _with_currencies(
    lines: tuple[TemplateLine, ...], parameters: Mapping[str, TemplateParameter]
) -> tuple[TemplateLine, ...]:
    """Each with its currency: that of its amounts, the one it names, or for a remainder the only one there is."""
    amounts = {name: one.currency for name, one in parameters.items() if one.currency is not None}
    found: list[str | None] = []
    for place, line in enumerate(lines):
        pointer = f"/postings/{place}"
        own = None if line.amount is None else currency_of(line.amount, amounts, pointer=f"{pointer}/amount")
        if own is not None and line.currency not in (None, own):
            raise TemplateInvalid("The amount is of another currency.", pointer=f"{pointer}/currency")
        found.append(own or line.currency)
    only = {currency for currency in found if currency is not None}
    for place, (line, currency) in enumerate(zip(lines, found, strict=True)):
        if currency is None and (line.amount is not None or len(only) != 1):
            raise TemplateInvalid(
                "Which currency this is of does not follow from its amount: name it.",
                pointer=f"/postings/{place}/currency",
            )
    one = next(iter(only), "")
    return tuple(line._replace(currency=currency or one) for line, currency in zip(lines, found, strict=True))


def _check_account(text: str, parameters: Mapping[str, TemplateParameter], pointer: str) -> None:
    name = placed_in(text)
    if name is None:
        if not is_account_code(text):
            raise TemplateInvalid("An account is a code, or {name} of an account parameter.", pointer=pointer)
        return
    _check_type(name, ParameterType.ACCOUNT, parameters, pointer)


def _check_currency(text: str, parameters: Mapping[str, TemplateParameter], pointer: str) -> None:
    name = placed_in(text)
    if name is not None:
        _check_type(name, ParameterType.CURRENCY, parameters, pointer)
    elif not _CODE.fullmatch(text):
        raise TemplateInvalid("A currency is a code, or {name} of a currency parameter.", pointer=pointer)


def _check_names(amount: Expression, parameters: Mapping[str, TemplateParameter], pointer: str) -> None:
    for name in sorted(names_in(amount)):
        parameter = parameters.get(name)
        if parameter is None or parameter.type not in (ParameterType.AMOUNT, ParameterType.PERCENT):
            raise TemplateInvalid(
                "An amount is made of amounts and percents that are parameters.", pointer=pointer, parameter=name
            )


def _check_type(name: str, type_: ParameterType, parameters: Mapping[str, TemplateParameter], pointer: str) -> None:
    parameter = parameters.get(name)
    if parameter is None or parameter.type is not type_:
        raise TemplateInvalid(f"There is no parameter of this name and of type {type_}.", pointer=pointer)


def _reason(text: str | None, parameters: Mapping[str, TemplateParameter]) -> str | None:
    if text is None:
        return None
    for place in _PLACE.finditer(text):
        _check_type(place[1], ParameterType.TEXT, parameters, "/reason")
    return text


def _check_all_used(content: TemplateContent) -> None:
    """What changes nothing is a mistake of whoever wrote it. A text may stand there just to be kept."""
    used = {placed_in(text) for line in content.lines for text in (line.account, line.currency or "")}
    used |= {placed_in(one.currency) for one in content.parameters.values() if one.currency is not None}
    for line in content.lines:
        used |= names_in(line.amount) if line.amount is not None else frozenset()
    for name, parameter in content.parameters.items():
        if name not in used and parameter.type is not ParameterType.TEXT:
            raise TemplateInvalid("No posting uses this parameter.", pointer=f"/parameters/{name}")
