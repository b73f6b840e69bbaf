"""Rules by which payments recur: the part of RFC 5545 whose cost is known beforehand.

A library expands them (`services/requests/occurrences.py`), and it would walk to the year 9999 in search of a date that
never comes, whatever UNTIL says. So each frequency may bear only what meets its first occurrence and is then met again
within a few steps; what else RFC 5545 knows is refused.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from zerosum.domain.errors import InvalidRecurrence

RULE_MAX = 200
"""So long a rule is at most, in characters."""

INTERVAL_MAX = 366

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_BEARS = {
    "DAILY": {"BYDAY"},
    "WEEKLY": {"BYDAY"},
    "MONTHLY": {"BYDAY", "BYMONTHDAY", "BYSETPOS"},
    "YEARLY": {"BYDAY", "BYMONTH", "BYMONTHDAY"},
}
_OF_ALL = {"FREQ", "INTERVAL", "COUNT", "UNTIL"}
_NUMBER = re.compile("[1-9][0-9]{0,3}", re.ASCII)
_UNTIL = re.compile("[0-9]{8}T[0-9]{6}Z", re.ASCII)
_DAY = re.compile(f"(-?[1-5])?({'|'.join(WEEKDAYS)})", re.ASCII)
_SIGNED = re.compile("-?[1-9][0-9]?", re.ASCII)


Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class RecurrenceRule:
    """One that was understood. `parts` are its members as they were written, but for COUNT and UNTIL."""

    frequency: str
    parts: str
    count: int | None
    until: datetime | None
    week_days: frozenset[tuple[int, str]]
    """Each with its place in the month, or 0."""
    month_days: frozenset[int]
    months: frozenset[int]

    def meets(self, day: date) -> bool:
        """Whether the rule falls on this day, as the first of its occurrences; of BYSETPOS only the library knows."""
        last = monthrange(day.year, day.month)[1]
        if self.months and day.month not in self.months:
            return False
        if self.month_days and not {day.day, day.day - last - 1} & self.month_days:
            return False
        places = {0, (day.day - 1) // 7 + 1, -((last - day.day) // 7 + 1)}
        name = WEEKDAYS[day.weekday()]
        return not self.week_days or any((place, name) in self.week_days for place in places)


def parse_rule(text: str) -> RecurrenceRule:
    """Raises InvalidRecurrence."""
    if len(text) > RULE_MAX:
        raise _refused(f"A rule has at most {RULE_MAX} characters.")
    members = _members(text)
    frequency = members.get("FREQ", "")
    if frequency not in _BEARS:
        raise _refused("FREQ is DAILY, WEEKLY, MONTHLY or YEARLY.")
    unknown = members.keys() - _OF_ALL - _BEARS[frequency]
    if unknown:
        raise _refused(f"A rule of FREQ={frequency} bears {', '.join(sorted(_OF_ALL | _BEARS[frequency]))} only.")
    if ("COUNT" in members) is ("UNTIL" in members):
        raise _refused("A rule ends: it says either COUNT or UNTIL.")
    if _number(members.get("INTERVAL", "1"), "INTERVAL") > INTERVAL_MAX:
        raise _refused(f"INTERVAL is at most {INTERVAL_MAX}.")
    rule = RecurrenceRule(
        frequency=frequency,
        parts=";".join(f"{name}={value}" for name, value in members.items() if name not in ("COUNT", "UNTIL")),
        count=_number(members["COUNT"], "COUNT") if "COUNT" in members else None,
        until=_moment(members["UNTIL"]) if "UNTIL" in members else None,
        week_days=frozenset(_each(members, "BYDAY", _week_day)),
        month_days=frozenset(_each(members, "BYMONTHDAY", lambda one: _signed(one, "BYMONTHDAY", 31))),
        months=frozenset(_each(members, "BYMONTH", _month)),
    )
    _check_together(rule, members.get("BYSETPOS"))
    return rule


def _check_together(rule: RecurrenceRule, positions: str | None) -> None:
    """What could name days that never come is refused."""
    are_placed = any(place for place, _ in rule.week_days)
    if rule.week_days and rule.month_days:
        raise _refused("A rule names days of the week or days of the month, not both.")
    if are_placed and rule.frequency in ("DAILY", "WEEKLY"):
        raise _refused("Which of its month a weekday is can be said where FREQ is MONTHLY or YEARLY.")
    if rule.frequency == "YEARLY" and (rule.week_days or rule.month_days) and not rule.months:
        raise _refused("With FREQ=YEARLY days are named together with BYMONTH.")
    if positions is not None:
        if not rule.week_days or are_placed:
            raise _refused("BYSETPOS chooses among weekdays of a month that have no place of their own.")
        for one in positions.split(","):
            # Every month has four of each weekday, so that there is one in every month.
            _signed(one, "BYSETPOS", 4)


def _members(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in members:
            raise _refused("A rule is written like FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=12, each member once.")
        members[name] = value
    return members


def _each(members: dict[str, str], name: str, read: Callable[[str], Read]) -> list[Read]:
    return [read(one) for one in members[name].split(",")] if name in members else []


def _week_day(text: str) -> tuple[int, str]:
    found = _DAY.fullmatch(text)
    if found is None:
        raise _refused("BYDAY names days like MO, and which of the month like 2MO or -1FR, up to 5.")
    return int(found[1] or 0), found[2]


def _month(text: str) -> int:
    number = _number(text, "BYMONTH")
    if number > 12:
        raise _refused("BYMONTH is 1 to 12.")
    return number


def _signed(text: str, name: str, highest: int) -> int:
    if not _SIGNED.fullmatch(text) or abs(int(text)) > highest:
        raise _refused(f"{name} is 1 to {highest}, or counted from the end -1 to -{highest}.")
    return int(text)


def _number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise _refused(f"{name} is a whole number from 1, of up to four digits.")
    return int(text)


def _moment(text: str) -> datetime:
    if not _UNTIL.fullmatch(text):
        raise _refused("UNTIL is a moment in UTC, written like 20271231T235959Z.")
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _refused("UNTIL is no moment that there is.") from None


def _refused(detail: str) -> InvalidRecurrence:
    return InvalidRecurrence(detail, pointer="/recurrence/rule")
