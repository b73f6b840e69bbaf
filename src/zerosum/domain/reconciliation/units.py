"""Amounts as whole numbers of the currency's smallest unit: what is compared and added up by the thousand."""

from __future__ import annotations

from decimal import Decimal

from zerosum.domain.money import Currency
from zerosum.domain.money.amount import EXACT


def units_of(amount: Decimal, currency: Currency) -> int:
    """Raises decimal.Inexact for what is finer than the currency."""
    return int(EXACT.to_integral_exact(EXACT.scaleb(amount, currency.exponent)))


def amount_of(units: int, currency: Currency) -> Decimal:
    return currency.scaled(EXACT.scaleb(Decimal(units), -currency.exponent))
