"""Times in requests: RFC 3339 with a zone, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from zerosum.domain.errors import InvalidParameter

TIME_PATTERN_TEXT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-5][0-9])$"
)
_TIME = re.compile(TIME_PATTERN_TEXT, re.ASCII)
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

# The very first and last moment of Python mean "infinity" to asyncpg, which gives them back without a zone. A day of
# distance also keeps every moment within bounds in any time zone.
FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
"""The finest difference of two times in the books."""


def parse_time(text: str) -> datetime | None:
    """The moment in UTC, cut to the microsecond; None for anything that is not exactly one.

    Other clocks count finer than the books do (.NET writes seven digits, Go and Java nine): what is too fine is cut
    before anything is made of it, so it makes no other request either.
    """
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if FIRST <= moment <= LAST else None


def parse_filter_time(filters: Mapping[str, str], name: str) -> datetime | None:
    """A query parameter that bounds a list, where it is given: a day stands for its midnight. InvalidParameter."""
    text = filters.get(name)
    return None if text is None else parse_day_or_time(text, name)


def parse_as_of(filters: Mapping[str, str], name: str) -> datetime | None:
    """A query parameter that looks back, where it is given: a day stands for its end in UTC. InvalidParameter.

    As of a day means with all that happened on it: as the statement whose `to` is the next day closes.
    """
    text = filters.get(name)
    if text is None:
        return None
    moment = parse_day_or_time(text, name)
    return moment + DAY - INSTANT if _DAY.fullmatch(text) else moment


def by_now(moment: datetime | None, now: datetime) -> datetime | None:
    """What is asked of a time still to come is answered as of now."""
    return None if moment is None else min(moment, now)


def parse_day_or_time(text: str, name: str) -> datetime:
    """A query parameter that is a time, or a day, which stands for its midnight in UTC. Raises InvalidParameter."""
    moment = parse_time(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    if moment is None:
        raise InvalidParameter(
            "This is a day (2026-11-21, from midnight UTC) or a time (2026-11-21T09:30:00Z, with its zone).",
            pointer=name,
        )
    return moment
