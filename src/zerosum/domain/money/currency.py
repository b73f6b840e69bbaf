"""Currencies: a code and the number of decimal places (the exponent of its minor unit)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation

from zerosum.domain.errors import AmountTooPrecise, CurrencyExists, InvalidCurrency
from zerosum.domain.money.iso4217 import ISO_4217

EXPONENT_MAX = 18
CURRENCY_CODE_PATTERN_TEXT = "^[A-Z][A-Z0-9]{2,11}$"
_EXACT = Context(
    # As in `amount.py`, but trailing zeros may go.
    prec=80,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    clamp=0,
    traps=[Inexact, InvalidOperation],
)
_CODE = re.compile(CURRENCY_CODE_PATTERN_TEXT, re.ASCII)


@dataclass(frozen=True, slots=True)
class Currency:
    """`exponent` is the number of decimal places: JPY 0, USD 2, KWD 3; custom codes 0 to 18."""

    code: str
    exponent: int
    name: str = ""
    minor_unit: Decimal = field(init=False, repr=False, compare=False)
    """The smallest amount: 1 for JPY, 0.01 for USD, 0.001 for KWD."""

    def scaled(self, amount: Decimal) -> Decimal:
        """The same number with exactly the currency's places. Raises AmountTooPrecise where it is finer than that."""
        try:
            return amount.quantize(self.minor_unit, context=_EXACT)
        except (Inexact, InvalidOperation):
            raise AmountTooPrecise(
                f"{self.code} has {self.exponent} decimal places.", currency=self.code, places=self.exponent
            ) from None

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise InvalidCurrency("A currency code is 3 to 12 capital letters or digits and begins with a letter.")
        if not 0 <= self.exponent <= EXPONENT_MAX:
            raise InvalidCurrency(f"A currency has 0 to {EXPONENT_MAX} decimal places.")
        object.__setattr__(self, "minor_unit", Decimal((0, (1,), -self.exponent)))


_ISO_CURRENCIES = {code: Currency(code, exponent, name) for code, (exponent, name) in ISO_4217.items()}


class CurrencyTable:
    """What one ledger counts in: all of ISO 4217 that has a minor unit, and the ledger's own codes.

    An exponent never changes once money may have been counted in it.
    """

    __slots__ = ("_custom",)

    def __init__(self, custom: Iterable[Currency] = ()) -> None:
        # A code that ISO has taken up since means what ISO says, here as everywhere.
        self._custom = {currency.code: currency for currency in custom if currency.code not in _ISO_CURRENCIES}

    def __getitem__(self, code: object) -> Currency:
        """Raises InvalidCurrency for anything but a known code in its exact writing."""
        found = self.find(code)
        if found is None:
            raise InvalidCurrency("The currency is neither in ISO 4217 nor defined in this ledger.")
        return found

    def find(self, code: object) -> Currency | None:
        if not isinstance(code, str):
            return None
        return _ISO_CURRENCIES.get(code) or self._custom.get(code)

    def __iter__(self) -> Iterator[Currency]:
        yield from sorted([*_ISO_CURRENCIES.values(), *self._custom.values()], key=lambda currency: currency.code)

    def is_custom(self, code: str) -> bool:
        return code in self._custom

    def check_definable(self, currency: Currency) -> None:
        """Raises CurrencyExists when the code already means something else."""
        known = self.find(currency.code)
        if known is not None and known.exponent != currency.exponent:
            raise CurrencyExists(
                "The currency exists with another number of places.", currency=known.code, places=known.exponent
            )
