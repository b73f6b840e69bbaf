"""When recurring payments fall due: rules within bounds, and the wall clock of their zone in summer and in winter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from zerosum.domain.errors import InvalidRecurrence
from zerosum.domain.payments.schedules import Recurrence
from zerosum.services.requests.occurrences import count_occurrences, occurrence_at


def due(rule: str, zone: str, first: str) -> list[str]:
    recurrence, start = Recurrence(rule, zone), datetime.fromisoformat(first).astimezone(UTC)
    number = count_occurrences(recurrence, start)
    found = [occurrence_at(recurrence, start, place) for place in range(1, number + 1)]
    assert found == sorted(set(found))
    return [moment.strftime("%Y-%m-%d %H:%M") for moment in found]


@pytest.mark.parametrize(
    ("rule", "zone", "first", "expected"),
    [
        # 09:00 in Berlin is 08:00 in UTC in winter, and 07:00 in summer.
        (
            "FREQ=MONTHLY;COUNT=3",
            "Europe/Berlin",
            "2027-02-15T08:00:00Z",
            ["2027-02-15 08:00", "2027-03-15 08:00", "2027-04-15 07:00"],
        ),
        # 02:30 is left out on 28 March: taken with the offset from before, it is 03:30.
        (
            "FREQ=DAILY;COUNT=3",
            "Europe/Berlin",
            "2027-03-27T01:30:00Z",
            ["2027-03-27 01:30", "2027-03-28 01:30", "2027-03-29 00:30"],
        ),
        # 02:30 comes twice on 31 October: the first of the two.
        (
            "FREQ=DAILY;COUNT=3",
            "Europe/Berlin",
            "2027-10-30T00:30:00Z",
            ["2027-10-30 00:30", "2027-10-31 00:30", "2027-11-01 01:30"],
        ),
        # A month that has no 31st is left out; -1 is the last day of each.
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", "UTC", "2027-01-31T09:00:00Z", ["2027-01-31 09:00", "2027-03-31 09:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2", "UTC", "2027-01-31T09:00:00Z", ["2027-01-31 09:00", "2027-02-28 09:00"]),
        # The last working day of a month.
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2",
            "UTC",
            "2027-01-29T09:00:00Z",
            ["2027-01-29 09:00", "2027-02-26 09:00"],
        ),
        ("FREQ=MONTHLY;BYDAY=2TU;COUNT=2", "UTC", "2027-01-12T09:00:00Z", ["2027-01-12 09:00", "2027-02-09 09:00"]),
        # It is Monday in Auckland while it is still Sunday in UTC.
        (
            "FREQ=WEEKLY;BYDAY=MO;UNTIL=20270117T230000Z",
            "Pacific/Auckland",
            "2027-01-03T21:00:00Z",
            ["2027-01-03 21:00", "2027-01-10 21:00", "2027-01-17 21:00"],
        ),
        # UNTIL is a moment, not a day: an hour earlier the last one is not due any more.
        ("FREQ=DAILY;UNTIL=20270102T085959Z", "UTC", "2027-01-01T09:00:00Z", ["2027-01-01 09:00"]),
        (
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=2",
            "UTC",
            "2028-02-29T09:00:00Z",
            ["2028-02-29 09:00", "2032-02-29 09:00"],
        ),
    ],
)
def test_the_time_of_day_stays_that_of_the_zone(rule: str, zone: str, first: str, expected: list[str]) -> None:
    assert due(rule, zone, first) == expected


FIRST = "2027-01-01T09:00:00Z"  # a Friday


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY",  # for ever
        "FREQ=DAILY;COUNT=2;UNTIL=20280101T000000Z",
        "FREQ=HOURLY;COUNT=2",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "COUNT=2",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=1001",
        "FREQ=DAILY;UNTIL=20360101T000000Z",  # more than a thousand times
        "FREQ=YEARLY;COUNT=12",  # more than ten years
        "FREQ=YEARLY;UNTIL=20380101T000000Z",
        "FREQ=DAILY;UNTIL=20261231T000000Z",  # before the first
        "FREQ=DAILY;UNTIL=20270201",  # no moment in UTC
        "FREQ=DAILY;UNTIL=20270230T000000Z",
        "FREQ=DAILY;INTERVAL=0;COUNT=2",
        "FREQ=DAILY;INTERVAL=367;COUNT=2",
        "FREQ=DAILY;BYHOUR=1;COUNT=2",
        "FREQ=DAILY;BYMONTHDAY=30;COUNT=2",
        "FREQ=WEEKLY;BYDAY=MO;COUNT=2",  # the first is a Friday
        "FREQ=WEEKLY;BYDAY=1FR;COUNT=2",
        "FREQ=MONTHLY;BYDAY=99FR;COUNT=2",
        "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=6;COUNT=2",
        "FREQ=MONTHLY;BYDAY=1FR;BYSETPOS=2;COUNT=2",
        "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=2;COUNT=2",  # the first is the first Friday
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=2",
        "FREQ=MONTHLY;BYMONTHDAY=32;COUNT=2",
        "FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2",
        "FREQ=YEARLY;BYMONTHDAY=1;COUNT=2",
        "FREQ=YEARLY;BYMONTH=13;COUNT=2",
        "FREQ=DAILY;FREQ=DAILY;COUNT=2",
        "freq=daily;count=2",
        "FREQ=DAILY;COUNT=2;",
        "FREQ=DAILY;COUNT=٣",
        "RRULE:FREQ=DAILY;COUNT=2",
        "FREQ=DAILY;COUNT=2\nDTSTART:20200101T000000",
    ],
)
def test_a_rule_out_of_bounds_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        due(rule, "UTC", FIRST)
    assert refusal.value.pointer == "/recurrence/rule"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/Berlin\0"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidRecurrence) as refusal:
        due("FREQ=DAILY;COUNT=2", zone, FIRST)
    assert refusal.value.pointer == "/recurrence/time_zone"
