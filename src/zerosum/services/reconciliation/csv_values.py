"""What stands in a field of a CSV file: days, amounts and texts, in the forms that its source says."""

from __future__ import annotations

import re
from datetime import date, datetime, tzinfo
from decimal import Decimal

from zerosum.domain.errors import DomainError
from zerosum.domain.money import Currency, parse_signed_amount
from zerosum.domain.reconciliation.outside import TEXT_MAX
from zerosum.domain.reconciliation.sources import CsvMapping, DateForm
from zerosum.services.requests.times import parse_time

_DATES = {
    DateForm.ISO: re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)", re.ASCII),
    DateForm.PLAIN: re.compile(r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)", re.ASCII),
    DateForm.POINTS: re.compile(r"(?P<d>\d\d?)\.(?P<m>\d\d?)\.(?P<y>\d{4})", re.ASCII),
    DateForm.SLASHES: re.compile(r"(?P<d>\d\d?)/(?P<m>\d\d?)/(?P<y>\d{4})", re.ASCII),
    DateForm.AMERICAN: re.compile(r"(?P<m>\d\d?)/(?P<d>\d\d?)/(?P<y>\d{4})", re.ASCII),
}
_GROUPED = re.compile(r"\d{1,3}(?:G\d{3})+", re.ASCII)

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
"""Other days are slips of the pen."""


class Unreadable(Exception):
    """A field is not what it is to be: a fault, its words, and what was read where that is not plain."""


class CsvValues:
    def __init__(self, mapping: CsvMapping, currency: Currency, zone: tzinfo) -> None:
        self._mapping = mapping
        self._currency = currency
        self._zone = zone

    def day(self, text: str) -> date:
        form = self._mapping.date_form
        if form is DateForm.ISO and len(text) > 10:
            moment = parse_time(text.replace(" ", "T", 1))
            if moment is None:
                raise Unreadable("invalid_date", "A time is written like 2026-11-21T09:30:00Z, with its zone.")
            return _within(moment.astimezone(self._zone))
        match = _DATES[form].fullmatch(text)
        try:
            found = None if match is None else date(int(match["y"]), int(match["m"]), int(match["d"]))
        except ValueError:
            found = None
        if found is None:
            raise Unreadable("invalid_date", f"A day is written {form.value}.")
        return _within(found)

    def amount(self, text: str) -> Decimal:
        """With a sign before or behind it, in the source's marks."""
        body, sign = text, ""
        if text[:1] in ("+", "-"):
            body, sign = text[1:], text[0]
        elif text.endswith("-"):
            body, sign = text[:-1], "-"
        whole, mark, places = body.partition(self._mapping.decimal_mark)
        group = self._mapping.group_mark
        if group is not None and group in whole:
            if not re.fullmatch(_GROUPED.pattern.replace("G", re.escape(group)), whole, re.ASCII):
                raise Unreadable("invalid_amount", "The marks between the thousands are not where they belong.")
            whole = whole.replace(group, "")
        if "." in whole or whole[:1] == "-":
            # A point that is neither of the source's marks may stand between thousands; a second sign means nothing.
            raise Unreadable("invalid_amount", "This has a mark or a sign that is not the source's.")
        if mark and not places:
            raise Unreadable("invalid_amount", "There is nothing behind the decimal mark.")
        try:
            amount = parse_signed_amount(f"{whole}.{places}" if mark else whole, self._currency, pointer="/amount")
        except DomainError as refusal:
            raise Unreadable(refusal.code, refusal.detail) from None
        return amount.copy_negate() if sign == "-" and amount else amount


def _within(moment: date | datetime) -> date:
    day = moment.date() if isinstance(moment, datetime) else moment
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Unreadable("invalid_date", f"A day lies from {FIRST_DAY} to {LAST_DAY}.")
    return day


def one_line(text: str) -> str:
    """On one line."""
    found = " ".join(text.split())
    if len(found) > TEXT_MAX:
        raise Unreadable("text_too_long", f"This has at most {TEXT_MAX} characters.")
    if not found.isprintable():
        raise Unreadable("invalid_string", "This holds characters that are not allowed.")
    return found
