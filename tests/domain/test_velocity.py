"""Velocity limits against a plain model: exact at both edges of every window, whatever has happened in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.ledger.velocity import (
    Direction,
    Use,
    Used,
    VelocityLimit,
    Window,
    WindowKind,
    frees_at,
    is_exceeded,
    velocity_limit,
)

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
STEP = timedelta(microseconds=1)
EDGES = [-STEP, timedelta(0), STEP]
BERLIN = ZoneInfo("Europe/Berlin")


class Limited(NamedTuple):
    seconds: int
    amount: Decimal | None
    number: int | None
    times: list[datetime]
    amounts: list[Decimal]
    asked: Decimal


@st.composite
def limited(draw: st.DrawFn) -> Limited:
    """Uses at and around the edge of the window, so that a microsecond decides."""
    seconds = draw(st.integers(1, 5))
    offsets = st.builds(lambda whole, edge: timedelta(seconds=-whole) + edge, st.integers(0, 7), st.sampled_from(EDGES))
    times = sorted(NOON + min(offset, timedelta(0)) for offset in draw(st.lists(offsets, max_size=8)))
    money = st.integers(1, 30).map(Decimal)
    amount, count = draw(st.tuples(st.none() | money, st.none() | st.integers(1, 5)).filter(any))
    return Limited(seconds, amount, count, times, [draw(money) for _ in times], draw(money))


def model_fits(case: Limited, now: datetime) -> bool:
    """Said plainly: everything that happened less than so many seconds ago, and what is asked, is within the limit."""
    within = [
        amount
        for at, amount in zip(case.times, case.amounts, strict=True)
        if now - at < timedelta(seconds=case.seconds)
    ]
    fits_amount = case.amount is None or sum(within) + case.asked <= case.amount
    return fits_amount and (case.number is None or len(within) + 1 <= case.number)


@given(limited())
def test_a_rolling_window_is_exact_to_the_microsecond_and_tells_when_it_is_free(case: Limited) -> None:
    window = Window(Direction.OUT, WindowKind.ROLLING, case.seconds)
    limit = VelocityLimit(window, case.amount, case.number)
    start = window.start(NOON, UTC)
    uses = tuple(Use(at, amount) for at, amount in zip(case.times, case.amounts, strict=True) if at >= start)
    used = Used(NOON, start, None, sum((use.amount for use in uses), Decimal(0)), len(uses), uses)
    assert is_exceeded(limit, used, case.asked) is not model_fits(case, NOON)
    free = frees_at(limit, used, case.asked)
    if free is None:
        alone = case._replace(times=[], amounts=[])
        assert not model_fits(alone, NOON) or model_fits(case, NOON)
    elif is_exceeded(limit, used, case.asked):
        assert model_fits(case, free)
        assert not model_fits(case, free - STEP)


@pytest.mark.parametrize(
    ("kind", "at", "start", "end"),
    [
        (WindowKind.HOUR, "2026-11-29T11:59:59.999999", "2026-11-29T11:00:00", "2026-11-29T12:00:00"),
        (WindowKind.HOUR, "2026-11-29T12:00:00", "2026-11-29T12:00:00", "2026-11-29T13:00:00"),
        (WindowKind.DAY, "2026-11-29T23:59:59.999999", "2026-11-29T00:00:00", "2026-11-30T00:00:00"),
        (WindowKind.DAY, "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-01T00:00:00"),
        (WindowKind.MONTH, "2028-02-29T23:59:59.999999", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
        (WindowKind.MONTH, "2026-12-31T10:00:00", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_calendar_windows_begin_and_end_at_their_instants(kind: WindowKind, at: str, start: str, end: str) -> None:
    window = Window(Direction.OUT, kind)
    moment, first, next_one = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (at, start, end))
    assert (window.start(moment, UTC), window.end(moment, UTC)) == (first, next_one)


@pytest.mark.parametrize(
    ("at", "hours"), [("2026-03-29T10:00:00", 23), ("2026-10-25T10:00:00", 25), ("2026-10-26T10:00:00", 24)]
)
def test_a_day_of_a_zone_is_as_long_as_it_is_there(at: str, hours: int) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    window = Window(Direction.OUT, WindowKind.DAY)
    start, end = window.start(moment, BERLIN), window.end(moment, BERLIN)
    assert end is not None
    assert end - start == timedelta(hours=hours)
    assert start.astimezone(BERLIN).time().isoformat() == "00:00:00"


@pytest.mark.parametrize("seconds", [None, 60])
def test_what_is_kept_of_a_limit_is_the_limit(seconds: int | None) -> None:
    kind = WindowKind.DAY if seconds is None else WindowKind.ROLLING
    for amount, number in ((Decimal("1.50"), None), (None, 3), (Decimal("2.00"), 1)):
        limit = VelocityLimit(Window(Direction.IN, kind, seconds), amount, number)
        assert velocity_limit(limit.content) == limit
