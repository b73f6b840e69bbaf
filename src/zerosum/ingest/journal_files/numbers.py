"""Amounts as hledger writes them: the commodity on either side, digits in groups, either decimal mark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from zerosum.domain.money.amount import INTEGER_DIGITS_MAX
from zerosum.domain.money.currency import EXPONENT_MAX
from zerosum.ingest.journal_files.read import JournalFault, shown

_BLANK = "[ \u00a0\u202f\u2009]"
_AMOUNT = re.compile(
    rf"""
    (?P<sign>[+-]?)\s*
    (?P<left>"[^"\n]*"|[^\W\d_]+|[^\w\s.,;:+\-*/@{{}}()\[\]=&|<>!?\#^"~%'`\\]+)?\s*
    (?P<inner>[+-]?)\s*
    (?P<number>(?:[0-9]|[.,][0-9])(?:[0-9.,]|{_BLANK}(?=[0-9]))*)
    (?P<power>[eE][+-]?[0-9]+)?
    (?:\s*(?P<right>"[^"\n]*"|[^\W\d_]+|[^\w\s.,;:+\-*/@{{}}()\[\]=&|<>!?\#^"~%'`\\]+))?
    """,
    re.VERBOSE,
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:([,.'])[0-9]{2,3}(?:\1[0-9]{2,3})*)?|[0-9]+", re.ASCII)
_BLANKS = re.compile(_BLANK)


class WrittenAmount(NamedTuple):
    """`commodity` is empty where none is written. `end` is where it ends in the text."""

    number: Decimal
    commodity: str
    places: int
    mark: str
    end: int


def read_amount(text: str, start: int, line: int, marks: Mapping[str, str]) -> WrittenAmount:
    """`marks` are the decimal marks that were declared, by commodity; that of all others under no name.

    Raises JournalFault.
    """
    found = _AMOUNT.match(text, start)
    if found is None:
        raise JournalFault(line, f"this is no amount: {shown(text[start:].strip())}")
    if found["power"]:
        raise JournalFault(line, "an amount with an exponent is not taken: write its digits")
    if found["left"] and found["right"]:
        raise JournalFault(line, "the amount has two commodities")
    if found["sign"] and found["inner"]:
        raise JournalFault(line, "the amount has two signs")
    commodity = (found["left"] or found["right"] or "").strip('"')
    number, places, mark = _number(found["number"], line, marks.get(commodity) or marks.get(""))
    is_negative = "-" in (found["sign"], found["inner"])
    return WrittenAmount(-number if is_negative else number, commodity, places, mark, found.end())


def _number(text: str, line: int, mark: str | None) -> tuple[Decimal, int, str]:
    mark = mark or _mark_of(text, line)
    whole, _, part = text.partition(mark)
    digits = _BLANKS.sub("'", whole)
    if not (part.isdigit() or not part) or not (not digits or _GROUPED.fullmatch(digits)) or mark in digits:
        raise JournalFault(line, f"this number cannot be read: {shown(text)}")
    plain = digits.replace("'", "").replace(",", "").replace(".", "")
    if len(plain.lstrip("0")) > INTEGER_DIGITS_MAX or len(part) > EXPONENT_MAX:
        told = f"an amount has at most {INTEGER_DIGITS_MAX} digits before the point and {EXPONENT_MAX} behind it"
        raise JournalFault(line, told)
    return Decimal(f"{plain or '0'}.{part or '0'}") if part else Decimal(plain), len(part), mark


def _mark_of(text: str, line: int) -> str:
    """Of a number whose decimal mark nobody has declared."""
    used = {sign: text.count(sign) for sign in ".," if sign in text}
    if len(used) == 2:
        return max(used, key=text.rindex)
    if not used:
        return "."
    ((mark, times),) = used.items()
    whole, _, part = text.partition(mark)
    if times > 1:
        return "." if mark == "," else ","
    if len(part) == 3 and whole.isdigit() and len(whole) <= 3 and whole[0] != "0":
        raise JournalFault(
            line, f"{text} may be thousands or have three places: say which by a line `decimal-mark .` or `,`"
        )
    return mark
