"""When a route is for: hours of days of the week, by the clocks of a place.

    mon-fri 08:00-17:30        sat,sun 00:00-24:00        22:00-06:00

The end does not belong to it. What ends before it begins goes on into the next day, and belongs to the day on which it
began. Clocks that are put forward or back are followed: an hour that is there twice counts twice, one that is not there
is nobody's.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zerosum.domain.time_zones import zone_named

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_DAY = 24 * 60
TIMES_MAX = 50

_TIME = re.compile(r"(?:([a-z,-]+) )?([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])", re.ASCII)


class RouteTime(NamedTuple):
    """`days` are numbers, Monday's is 0; minutes are those since midnight."""

    days: frozenset[int]
    first: int
    end: int

    def covers(self, local: datetime) -> bool:
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.first < self.end:
            return day in self.days and self.first <= minute < self.end
        return (day in self.days and minute >= self.first) or ((day - 1) % 7 in self.days and minute < self.end)


def route_time(text: str) -> RouteTime:
    """Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("a time is written like 08:00-17:30 or mon-fri 08:00-17:30")
    days, hour, minute, last_hour, last_minute = found.groups()
    first, end = int(hour) * 60 + int(minute), int(last_hour) * 60 + int(last_minute)
    if first >= MINUTES_OF_DAY or end > MINUTES_OF_DAY:
        raise ValueError("a day has 24 hours")
    if first == end:
        raise ValueError("a time begins and ends at different minutes; all of a day is 00:00-24:00")
    return RouteTime(_days(days or "mon-sun"), first, end)


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"days are {', '.join(DAYS)}, joined by a comma or from one to another by a dash")
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found.update(number % 7 for number in range(begin, end + 1 if begin <= end else end + 8))
    return frozenset(found)


def place_of_clocks(name: str) -> ZoneInfo:
    """Of a name of IANA's time zone database. Raises ValueError."""
    try:
        return zone_named(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone is a name such as Europe/Berlin or UTC") from None
