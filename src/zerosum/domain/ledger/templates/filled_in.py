"""A template with its parameters filled in: accounts, currencies and amounts of one journal entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from zerosum.domain.errors import AmountTooLarge, DivisionByZero, InvalidAmount, UnknownField, ValidationFailed
from zerosum.domain.ledger.templates.content import ParameterType, TemplateContent, placed_in, with_places_filled
from zerosum.domain.ledger.templates.expression import names_in, worked_out
from zerosum.domain.ledger.templates.lines import TemplateLine, rounded_units
from zerosum.domain.money import BALANCE_LIMIT, EXACT, Currency, Money, parse_amount, render_amount
from zerosum.domain.money.amount import INTEGER_DIGITS_MAX

REASON_MAX = 500

PERCENT_PATTERN_TEXT = r"(?:100(?:\.0{1,18})?|(?:0|[1-9][0-9]?)(?:\.[0-9]{1,18})?)"
_PERCENT = re.compile(PERCENT_PATTERN_TEXT, re.ASCII)


@dataclass(frozen=True, slots=True)
class TemplateValues:
    """The parameters of one posting as they were given: all that the template has, and no others."""

    content: TemplateContent
    given: Mapping[str, str]

    def __post_init__(self) -> None:
        for name in self.given:
            if name not in self.content.parameters:
                raise UnknownField("The template has no such parameter.", pointer=_pointer(name))
        for name in self.content.parameters:
            if name not in self.given:
                raise ValidationFailed("The template wants this parameter.", pointer=_pointer(name))

    def filled(self, text: str) -> str:
        """A code as it is, or what is given for the parameter whose place it holds."""
        name = placed_in(text)
        return text if name is None else self.given[name]

    def pointer_of(self, text: str) -> str:
        """Where in the request it was said: nowhere, where the template itself says it."""
        name = placed_in(text)
        return "" if name is None else _pointer(name)

    def amount_pointer_of(self, line: TemplateLine) -> str:
        """Where in the request its amount was said; of several parameters the first that the template has."""
        names = frozenset[str]() if line.amount is None else names_in(line.amount)
        return next((_pointer(name) for name in self.content.parameters if name in names), "")

    def currency_places(self) -> dict[str, str]:
        """The currencies by their places in the template, as codes."""
        return {place: self.filled(place) for line in self.content.lines if (place := line.currency) is not None}

    def reason(self, default: str) -> str:
        """Raises ValidationFailed for one that has become too long."""
        text = with_places_filled(self.content.reason or default, self.given)
        if len(text) > REASON_MAX:
            raise ValidationFailed(f"The reason becomes longer than {REASON_MAX} characters.", pointer="/parameters")
        return text

    def canonical(self, currencies: Mapping[str, Currency]) -> dict[str, str]:
        """As they are kept: amounts with the places of their currency."""
        amounts = self._amounts(currencies)
        return {name: render_amount(amounts[name]) if name in amounts else self.given[name] for name in self.given}

    def money(self, currencies: Mapping[str, Currency]) -> list[Money]:
        """The amounts of the lines, in order. `currencies` are by their places in the template.

        Raises InvalidAmount, AmountTooLarge, AmountTooPrecise, DivisionByZero and ValidationFailed.
        """
        values = {name: Fraction(amount) for name, amount in self._amounts(currencies).items()} | self._percents()
        lines = self.content.lines
        units = [self._units(place, line, values, currencies) for place, line in enumerate(lines)]
        for place, line in enumerate(lines):
            if line.amount is None:
                units[place] = _bounded(_remainder(lines, units, line), place, _of(currencies, line))
        return [_money(number or 0, _of(currencies, line)) for line, number in zip(lines, units, strict=True)]

    def _units(
        self, place: int, line: TemplateLine, values: Mapping[str, Fraction], currencies: Mapping[str, Currency]
    ) -> int | None:
        """In units of the currency's last place; None for a remainder, which waits for the others."""
        if line.amount is None:
            return None
        try:
            value = worked_out(line.amount, values)
        except DivisionByZero as refusal:
            refusal.facts["posting"] = _posting(place)
            raise refusal.at("/parameters") from None
        currency = _of(currencies, line)
        exact = max(Fraction(0), value * 10**currency.exponent)
        return _bounded(rounded_units(exact, line.rounding), place, currency)

    def _amounts(self, currencies: Mapping[str, Currency]) -> dict[str, Decimal]:
        found = {}
        for name, parameter in self.content.parameters.items():
            if parameter.type is ParameterType.AMOUNT and parameter.currency is not None:
                found[name] = parse_amount(self.given[name], currencies[parameter.currency], pointer=_pointer(name))
        return found

    def _percents(self) -> dict[str, Fraction]:
        found = {}
        for name in self.content.of_type(ParameterType.PERCENT):
            if not _PERCENT.fullmatch(self.given[name]):
                raise ValidationFailed(
                    'A percentage is a string from "0" to "100" with up to 18 places.', pointer=_pointer(name)
                )
            found[name] = Fraction(self.given[name])
        return found


def _remainder(lines: tuple[TemplateLine, ...], units: list[int | None], taker: TemplateLine) -> int:
    """What the other side of its currency comes to, less what stands on its own side already."""
    left = 0
    for line, number in zip(lines, units, strict=True):
        if line.currency == taker.currency and number is not None:
            left += number if line.side is not taker.side else -number
    return left


def _bounded(units: int, place: int, currency: Currency) -> int:
    """What can be posted. Raises InvalidAmount, AmountTooLarge."""
    if units <= 0:
        raise InvalidAmount(
            "With these parameters a posting of the template does not come to more than zero.",
            pointer="/parameters",
            posting=_posting(place),
        )
    if units >= int(BALANCE_LIMIT) * 10**currency.exponent:
        raise AmountTooLarge(
            f"With these parameters a posting of the template has more than {INTEGER_DIGITS_MAX} integer digits.",
            pointer="/parameters",
            posting=_posting(place),
            integer_digits_max=INTEGER_DIGITS_MAX,
        )
    return units


def _money(units: int, currency: Currency) -> Money:
    return Money(Decimal(units).scaleb(-currency.exponent, context=EXACT), currency)


def _of(currencies: Mapping[str, Currency], line: TemplateLine) -> Currency:
    return currencies[line.currency or ""]


def _posting(place: int) -> str:
    return f"/postings/{place}"


def _pointer(name: str) -> str:
    return f"/parameters/{name.replace('~', '~0').replace('/', '~1')}"
