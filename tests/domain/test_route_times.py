"""Hours of days of the week, by the clocks of a place: also where these are put forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.payments.route_times import DAYS, MINUTES_OF_DAY, place_of_clocks, route_time

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "within", "without"),
    [
        ("08:00-17:30", ["mon 08:00", "sun 17:29"], ["mon 07:59", "mon 17:30"]),
        ("mon-fri 08:00-17:30", ["fri 08:00"], ["sat 08:00", "sun 12:00"]),
        ("sat,sun 00:00-24:00", ["sat 00:00", "sun 23:59"], ["mon 00:00", "fri 23:59"]),
        ("fri-mon 09:00-10:00", ["fri 09:00", "sun 09:30", "mon 09:59"], ["tue 09:00", "thu 09:00"]),
        ("mon,wed-thu 09:00-10:00", ["mon 09:00", "wed 09:00", "thu 09:00"], ["tue 09:00", "fri 09:00"]),
        ("22:00-06:00", ["mon 22:00", "mon 00:00", "tue 05:59"], ["mon 06:00", "mon 21:59"]),
        ("fri 22:00-06:00", ["fri 22:00", "sat 05:59"], ["fri 05:59", "sat 22:00", "sat 06:00"]),
        ("sun 22:00-06:00", ["sun 23:59", "mon 00:00"], ["sun 00:00", "tue 00:00"]),
    ],
)
def test_it_covers_what_it_says(text: str, within: list[str], without: list[str]) -> None:
    found = route_time(text)
    for moments, expected in ((within, True), (without, False)):
        for moment in moments:
            day, _, clock = moment.partition(" ")
            at = MONDAY + timedelta(days=DAYS.index(day), hours=int(clock[:2]), minutes=int(clock[3:]))
            assert found.covers(at) is expected, moment


@pytest.mark.parametrize(
    "text",
    ["", "08:00", "8:00-9:00", "08:00-08:00", "24:00-06:00", "08:00-24:01", "08:60-09:00", "mo 08:00-09:00",
     "mon- 08:00-09:00", "mon,,tue 08:00-09:00", "mon-fri-sun 08:00-09:00", "MON 08:00-09:00", "mon  08:00-09:00",
     "mon 08:00-09:00 ", "\u0660\u0668:00-09:00"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a time is written|a day has|a time begins|days are"):
        route_time(text)


@given(st.text(max_size=30))
def test_whatever_is_said_is_a_time_or_refused(text: str) -> None:
    try:
        found = route_time(text)
    except ValueError:
        return
    assert 0 <= found.first < MINUTES_OF_DAY
    assert 0 <= found.end <= MINUTES_OF_DAY


@given(st.integers(0, 7 * MINUTES_OF_DAY - 1), st.integers(0, MINUTES_OF_DAY - 1), st.integers(1, MINUTES_OF_DAY - 1))
def test_a_time_and_the_rest_of_the_day_cover_each_minute_once(minute: int, first: int, length: int) -> None:
    def written(number: int) -> str:
        return f"{number // 60:02d}:{number % 60:02d}"

    end = (first + length) % MINUTES_OF_DAY
    one, other = route_time(f"{written(first)}-{written(end)}"), route_time(f"{written(end)}-{written(first)}")
    at = MONDAY + timedelta(minutes=minute)
    assert one.covers(at) is not other.covers(at)


@pytest.mark.parametrize(
    ("utc", "is_covered"),
    [
        ("2026-03-29T00:59", False),  # 01:59
        ("2026-03-29T01:00", True),  # 03:00: the hour from 02:00 on is not there
        ("2026-10-25T00:00", True),  # 02:00, for the first time
        ("2026-10-25T01:59", True),  # 02:59, for the second time
        ("2026-10-25T02:00", True),  # 03:00
        ("2026-10-25T02:30", False),
    ],
)
def test_clocks_that_are_put_forward_or_back_are_followed(utc: str, is_covered: bool) -> None:
    local = datetime.fromisoformat(f"{utc}+00:00").astimezone(place_of_clocks("Europe/Berlin"))
    assert route_time("02:00-03:30").covers(local) is is_covered


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe/Nowhere",
        "localtime",
        "right/Europe/Berlin",
        "Europe",
        "../etc/passwd",
        "x" * 300,
        "Europe/Berlin\x00",
    ],
)
def test_a_place_without_clocks_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        place_of_clocks(name)
