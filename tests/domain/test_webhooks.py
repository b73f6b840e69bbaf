"""When a delivery is tried again, and what becomes of an endpoint that only fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.webhooks import (
    BREAKER_FAILURES,
    DISABLED_AFTER,
    FAILING_AFTER,
    FIRST_PAUSE,
    HEALTHY,
    JITTER_PERCENT,
    PAUSE_MAX,
    RETRIES,
    RETRY_AFTER_MAX,
    EndpointHealth,
    retry_delay,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
percents = st.integers(100 - JITTER_PERCENT, 100 + JITTER_PERCENT)


def failed(times: int, apart: timedelta = timedelta(seconds=1)) -> EndpointHealth:
    health = HEALTHY
    for number in range(times):
        health = health.failed(NOON + apart * number)
    return health


@given(percents)
def test_the_first_retry_comes_within_ten_seconds_and_all_take_about_three_days(percent: int) -> None:
    delays = [retry_delay(attempts, percent, None) for attempts in range(1, len(RETRIES) + 1)]
    assert delays[0] is not None
    assert delays[0] <= timedelta(seconds=10)
    assert timedelta(days=2) < sum((delay for delay in delays if delay), timedelta()) < timedelta(days=4)
    assert retry_delay(len(RETRIES) + 1, percent, None) is None


@given(st.integers(1, len(RETRIES)), percents, st.timedeltas(timedelta(), timedelta(days=3650)))
def test_a_receiver_never_shortens_the_wait_and_lengthens_it_to_an_hour_at_most(
    attempts: int, percent: int, asked: timedelta
) -> None:
    plain, given_more = retry_delay(attempts, percent, None), retry_delay(attempts, percent, asked)
    assert plain is not None
    assert given_more is not None
    assert plain <= given_more <= max(plain, RETRY_AFTER_MAX)


@given(st.integers(0, 200))
def test_pauses_begin_with_the_fifth_failure_and_stay_bounded(failures: int) -> None:
    health = failed(failures)
    if failures < BREAKER_FAILURES:
        assert health.paused_until is None
    else:
        assert health.paused_until is not None
        assert timedelta() < health.paused_until - (NOON + timedelta(seconds=failures - 1)) <= PAUSE_MAX


def test_what_was_under_way_when_a_pause_began_makes_it_no_longer() -> None:
    """Of one mishap there are as many failures as were sent at that moment."""
    health = HEALTHY
    for _ in range(16):
        health = health.failed(NOON)
    assert (health.consecutive_failures, health.paused_until) == (BREAKER_FAILURES, NOON + FIRST_PAUSE)


def test_one_success_forgets_all_failures() -> None:
    assert failed(50).succeeded() == HEALTHY


def test_it_is_told_of_after_a_day_and_disabled_after_five_of_nothing_but_failures() -> None:
    health = failed(3)
    assert not health.is_to_be_told(NOON + FAILING_AFTER - timedelta(seconds=1))
    assert health.is_to_be_told(NOON + FAILING_AFTER)
    assert not health.is_to_be_disabled(NOON + DISABLED_AFTER - timedelta(seconds=1))
    assert health.is_to_be_disabled(NOON + DISABLED_AFTER)
    assert not HEALTHY.is_to_be_told(NOON + DISABLED_AFTER)
    assert not HEALTHY.is_to_be_disabled(NOON + DISABLED_AFTER)
