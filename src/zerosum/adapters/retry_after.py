"""How long whoever answers wants to be left alone (RFC 9110 section 10.2.3): seconds, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_SECONDS = re.compile("[0-9]{1,9}", re.ASCII)


def wait_asked_for(text: str, now: datetime) -> timedelta | None:
    """Nothing, for a date that is past. None for what is neither, or not there."""
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
        # A date of HTTP is in UTC, as its GMT says; one that is written otherwise is none.
        return max(until.astimezone(UTC) - now, timedelta(0)) if until.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
