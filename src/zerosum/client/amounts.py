"""Amounts and times on their way to the wire: exact, or refused before anything is sent."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Amount = Decimal | int | str
"""`Decimal("12.30")`, `"12.30"` or a whole number. Never a float: it has lost digits before we could see them."""

_WRITTEN = re.compile(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?", re.ASCII)


def amount_text(amount: Amount) -> str:
    """As the wire has it. Raises TypeError for what is no exact number, ValueError for what no amount can be."""
    given: Any = amount
    if isinstance(given, bool) or not isinstance(given, Decimal | int | str):
        raise TypeError(f'an amount is a Decimal, a str or an int, not a {type(given).__name__}: write "12.30"')
    text = format(given, "f") if isinstance(given, Decimal) else str(given)
    if not _WRITTEN.fullmatch(text):
        raise ValueError("an amount has at most 20 digits before and 18 behind the point, and no sign in front but -")
    return text


def optional_amount(amount: Amount | None) -> str | None:
    return None if amount is None else amount_text(amount)


def time_text(moment: datetime | None) -> str | None:
    """Raises ValueError for a time without a zone: nobody could say which instant is meant."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone: datetime(…, tzinfo=UTC)")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
