"""Exact amounts and the currencies that limit how fine they may be."""

from zerosum.domain.money.allotting import PERCENT_PATTERN_TEXT, allot, parse_percent, percentage, render_number
from zerosum.domain.money.amount import (
    AMOUNT_PATTERN_TEXT,
    BALANCE_LIMIT,
    EXACT,
    Money,
    add,
    parse_amount,
    parse_signed_amount,
    render_amount,
    shortest,
    subtract,
)
from zerosum.domain.money.currency import CURRENCY_CODE_PATTERN_TEXT, EXPONENT_MAX, Currency, CurrencyTable
from zerosum.domain.money.rounding import RATE_PATTERN_TEXT, RoundingMode, divided_up, parse_rate, rounded

__all__ = [
    "AMOUNT_PATTERN_TEXT",
    "BALANCE_LIMIT",
    "CURRENCY_CODE_PATTERN_TEXT",
    "EXACT",
    "EXPONENT_MAX",
    "PERCENT_PATTERN_TEXT",
    "RATE_PATTERN_TEXT",
    "Currency",
    "CurrencyTable",
    "Money",
    "RoundingMode",
    "add",
    "allot",
    "divided_up",
    "parse_amount",
    "parse_percent",
    "parse_rate",
    "parse_signed_amount",
    "percentage",
    "render_amount",
    "render_number",
    "rounded",
    "shortest",
    "subtract",
]
