"""Exact amounts and the currencies that limit how fine they may be."""

from zerosum.domain.money.amount import (
    AMOUNT_PATTERN_TEXT,
    BALANCE_LIMIT,
    EXACT,
    Money,
    add,
    parse_amount,
    parse_signed_amount,
    render_amount,
    subtract,
)
from zerosum.domain.money.currency import CURRENCY_CODE_PATTERN_TEXT, EXPONENT_MAX, Currency, CurrencyTable

__all__ = [
    "AMOUNT_PATTERN_TEXT",
    "BALANCE_LIMIT",
    "CURRENCY_CODE_PATTERN_TEXT",
    "EXACT",
    "EXPONENT_MAX",
    "Currency",
    "CurrencyTable",
    "Money",
    "add",
    "parse_amount",
    "parse_signed_amount",
    "render_amount",
    "subtract",
]
