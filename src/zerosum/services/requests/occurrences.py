"""When a recurring payment falls due: its rule, expanded in the time zone of who has made it.

The wall clock stays: what is due at 09:00 in Berlin is due at 09:00 there in summer and in winter. A time that a clock
leaves out in spring is taken with the offset from before (02:30 is then 03:30), one that comes twice in autumn is the
first of the two: so RFC 5545 says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zerosum.domain.errors import InvalidRecurrence
from zerosum.domain.payments.recurrence import RecurrenceRule, parse_rule
from zerosum.domain.payments.schedules import OCCURRENCES_MAX, Recurrence
from zerosum.domain.time_zones import zone_named

HORIZON = timedelta(days=3653)
"""The last occurrence lies at most so far behind the first: ten years."""

_DAY = timedelta(days=1)


def count_occurrences(recurrence: Recurrence, first: datetime) -> int:
    """How often it falls due in all, the first time among them. Raises InvalidRecurrence."""
    rule = parse_rule(recurrence.rule)
    zone = time_zone(recurrence.time_zone)
    wall = first.astimezone(zone).replace(tzinfo=None)
    if not rule.meets(wall.date()):
        raise _not_its_first()
    if rule.until is not None and not first <= rule.until <= first + HORIZON:
        raise _refused("UNTIL is not before the first payment, and at most ten years behind it.")
    if rule.count is not None and rule.count > OCCURRENCES_MAX:
        raise _refused(f"A payment recurs at most {OCCURRENCES_MAX} times.")
    wanted = rule.count or OCCURRENCES_MAX + 1
    found = list(islice(_walls(rule, wall), wanted))
    if not found or found[0] != wall:
        raise _not_its_first()
    if rule.until is not None:
        found = [found[0], *(one for one in found[1:] if _instant(one, zone) <= rule.until)]
    elif len(found) < wanted:
        raise _refused("The last payment is due at most ten years behind the first.")
    if len(found) > OCCURRENCES_MAX:
        raise _refused(f"A payment recurs at most {OCCURRENCES_MAX} times.")
    return len(found)


def occurrence_at(recurrence: Recurrence, first: datetime, number: int) -> datetime:
    """When the occurrence of this number is due, of a rule that was counted before; from 1.

    Asked one by one, so that each follows what its time zone has decided until then. Raises InvalidRecurrence.
    """
    if number == 1:
        return first
    zone = time_zone(recurrence.time_zone)
    wall = first.astimezone(zone).replace(tzinfo=None)
    found = next(islice(_walls(parse_rule(recurrence.rule), wall), number - 1, None), None)
    if found is None:
        raise _refused("The rule does not fall due so often.")
    return _instant(found, zone)


def time_zone(name: str) -> ZoneInfo:
    """Raises InvalidRecurrence."""
    try:
        return zone_named(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRecurrence(
            "A time zone is one of the IANA database, like Europe/Berlin.", pointer="/recurrence/time_zone"
        ) from None


def _walls(rule: RecurrenceRule, first: datetime) -> Iterator[datetime]:
    """What the clock on the wall shows at each occurrence, up to the horizon."""
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - most processes never need it, and it takes 30 ms to load

    end = first + HORIZON + _DAY
    found = rrulestr(f"{rule.parts};UNTIL={end:%Y%m%dT%H%M%S}", dtstart=first.replace(microsecond=0))
    for one in found:
        yield one.replace(microsecond=first.microsecond)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _not_its_first() -> InvalidRecurrence:
    return _refused("`execute_at` is the first of the occurrences, and the rule does not fall on it in this time zone.")


def _refused(detail: str) -> InvalidRecurrence:
    return InvalidRecurrence(detail, pointer="/recurrence/rule")
