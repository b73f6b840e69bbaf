"""Budgets, leased in slices; and what a worker does while nobody counts for all."""

from __future__ import annotations

import asyncio
import math
import tracemalloc
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.gateway.counted import Counted
from zerosum.adapters.rate_store import Grant
from zerosum.adapters.redis import RedisAway
from zerosum.domain.errors import RateLimited
from zerosum.gateway.limits import rate_limit
from zerosum.gateway.limits.rate_limit import RateLimiter
from zerosum.services.requests.limits import Limit


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def limiter(budgets: Counted | None, text: str = "100/s", workers: int = 1, clock: Clock | None = None) -> RateLimiter:
    return RateLimiter("principal", Limit.parse(text), budgets, workers, clock or Clock())


@pytest.mark.parametrize(
    ("text", "limit"),
    [("500/s", Limit(500, 1)), ("1/min", Limit(1, 60)), ("20/h", Limit(20, 3600)), ("off", None)],
)
def test_a_limit_is_written_as_requests_per_period(text: str, limit: Limit | None) -> None:
    assert Limit.parse(text) == limit


@pytest.mark.parametrize("text", ["", "0/s", "-1/s", "5", "5/d", "5 /s", "٥/s", "5/s ", "OFF", "1e3/s"])
def test_any_other_writing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        Limit.parse(text)


async def test_a_slice_is_spent_without_asking_again() -> None:
    budgets = Counted(100)
    one = limiter(budgets)
    await one.spend("a")
    assert one.spend_leased("a") is not None
    assert one.spend_leased("a") is None  # two percent of the budget is a slice
    assert budgets.calls == [("principal:a", 2, 0)]


async def test_a_slice_not_spent_in_its_time_goes_back() -> None:
    budgets, clock = Counted(100), Clock()
    one = limiter(budgets, clock=clock)
    await one.spend("a")
    clock.now += rate_limit.LEASE_SECONDS
    assert one.spend_leased("a") is None
    await one.spend("a")
    assert budgets.calls[-1] == ("principal:a", 2, 1)
    assert budgets.free == 97


async def test_callers_with_different_keys_do_not_share_a_budget() -> None:
    one = limiter(Counted(100))
    await one.spend("a")
    assert one.spend_leased("b") is None


async def test_an_empty_budget_refuses_and_says_how_long() -> None:
    budgets, clock = Counted(1), Clock()
    one = limiter(budgets, clock=clock)
    await one.spend("a")
    with pytest.raises(RateLimited) as caught:
        await one.spend("a")
    assert caught.value.facts == {"limit": "principal", "retry_after": 3}
    asked = len(budgets.calls)
    clock.now += 2.4
    with pytest.raises(RateLimited) as again:
        await one.spend("a")
    assert again.value.facts["retry_after"] == 1
    assert len(budgets.calls) == asked  # nobody is asked before the time has come
    clock.now += 0.2
    budgets.free = 1
    await one.spend("a")


async def test_requests_at_once_ask_for_one_slice_together() -> None:
    budgets = Counted(100)
    one = limiter(budgets)
    await asyncio.gather(one.spend("a"), one.spend("a"))
    assert len(budgets.calls) == 1


async def test_what_remains_is_told() -> None:
    one = limiter(Counted(100))
    allowance = one.allowance(await one.spend("a"))
    assert (allowance.remaining, allowance.reset_seconds) == (99, 1)
    assert one.policy_header == b'"principal";q=100;w=1'


@pytest.mark.parametrize("budgets", [None, Counted(0, is_away=True)])
async def test_while_nobody_counts_a_worker_keeps_to_its_share(budgets: Counted | None) -> None:
    clock = Clock()
    one = limiter(budgets, "10/s", workers=2, clock=clock)
    for _ in range(5):
        await one.spend("a")
    with pytest.raises(RateLimited):
        await one.spend("a")
    clock.now += 0.21
    await one.spend("a")
    with pytest.raises(RateLimited):
        await one.spend("a")
    clock.now += 60
    for _ in range(5):
        await one.spend("a")


async def test_a_share_of_less_than_one_request_is_one_and_fills_up_at_its_own_pace() -> None:
    """Of 1/min two workers have half a request a minute each: together no more than one, but for the first."""
    clock = Clock()
    one = limiter(None, "1/min", workers=2, clock=clock)
    await one.spend("a")
    clock.now += 61
    with pytest.raises(RateLimited) as caught:
        await one.spend("a")
    assert caught.value.facts["retry_after"] == 59
    clock.now += 60
    await one.spend("a")


async def test_budgets_used_lately_are_kept_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "BUCKETS_MAX", 10)
    one = limiter(None, "1/h")
    await one.spend("used again and again")
    for number in range(25):
        await one.spend(str(number))
        with pytest.raises(RateLimited):
            await one.spend("used again and again")
    assert len(one._buckets) == 10
    await one.spend("0")  # forgotten, hence full again


async def test_50_000_budgets_take_little_memory() -> None:
    one = limiter(None, "1/h")
    tracemalloc.start()
    for number in range(60_000):
        await one.spend(f"{number:032}")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(one._buckets) == rate_limit.BUCKETS_MAX
    assert used < 40_000_000


async def test_a_refused_request_costs_no_call_and_no_waiting() -> None:
    budgets = Counted(0)
    one = limiter(budgets)
    for _ in range(1000):
        with pytest.raises(RateLimited):
            await one.spend("a")
    assert len(budgets.calls) == 1


async def test_a_budget_that_fills_up_in_a_moment_is_not_looked_at_more_often_than_every_20_ms() -> None:
    budgets, clock = Counted(0, wait_milliseconds=1), Clock()
    one = limiter(budgets, "1000/s", clock=clock)
    for _ in range(100):
        with pytest.raises(RateLimited) as caught:
            await one.spend("a")
        assert caught.value.facts["retry_after"] == 1
        clock.now += 0.001
    assert len(budgets.calls) == 5


@pytest.mark.parametrize("text", ["5/s", "150/s", "1000/min"])
@pytest.mark.parametrize("counts", [True, False], ids=["Redis", "alone"])
async def test_200_requests_at_once_pass_as_far_as_the_budget_goes(text: str, counts: bool) -> None:
    limit = Limit.parse(text)
    assert limit is not None
    one = limiter(Counted(limit.amount) if counts else None, text)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*(one.spend("a") for _ in range(200)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, RateLimited)]
    assert len(refused) == max(0, 200 - limit.amount)


async def test_requests_that_are_cancelled_while_they_wait_block_nobody() -> None:
    budgets = Counted(100)
    one = limiter(budgets)
    waiting = [asyncio.create_task(one.spend("a")) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await one.spend("a")


async def test_a_slice_from_before_the_last_period_is_not_given_back() -> None:
    """The budget has filled up since; to give it back would make the budget larger."""
    budgets, clock = Counted(100), Clock()
    one = limiter(budgets, clock=clock)
    await one.spend("a")
    clock.now += 1.01
    await one.spend("a")
    assert budgets.calls[-1] == ("principal:a", 2, 0)


async def test_a_slice_is_leased_anew_before_many_wait_for_it_together() -> None:
    """By its age, or by what is left: who asks meanwhile spends the part that was kept."""
    budgets, clock = Counted(100_000), Clock()
    one = limiter(budgets, "1000/s", clock=clock)
    await one.spend("a")
    assert budgets.calls == [("principal:a", 20, 0)]
    clock.now += rate_limit.RENEWED_AFTER_SECONDS
    assert one.spend_leased("a") is not None
    for _ in range(5):
        assert one.spend_leased("a") is not None, "what was kept is spent while the lease is on its way"
        await asyncio.sleep(0)
    assert budgets.calls[1:] == [("principal:a", 20, 12)]
    while one.spend_leased("a") is not None:
        await asyncio.sleep(0)
        assert len(budgets.calls) < 20, "there is always something left"
        if len(budgets.calls) == 10:
            break
    assert len(budgets.calls) == 10
    assert one.allowed == sum(call[1] - call[2] for call in budgets.calls) - one._buckets["a"].left


async def test_what_would_be_given_back_while_redis_is_away_is_spent() -> None:
    budgets, clock = Counted(100_000), Clock()
    one = limiter(budgets, "1000/s", clock=clock)
    await one.spend("a")
    clock.now += rate_limit.RENEWED_AFTER_SECONDS
    budgets.is_away = True
    assert one.spend_leased("a") is not None
    for _ in range(3):
        await asyncio.sleep(0)
    assert budgets.calls[1:] == [("principal:a", 20, 13)], "it was tried once"
    spent = 0
    while one.spend_leased("a") is not None:
        await asyncio.sleep(0)
        spent += 1
    assert (spent, len(budgets.calls)) == (18, 2)


async def test_a_limiter_that_is_off_lets_everything_pass() -> None:
    budgets = Counted(0)
    one = limiter(budgets, "off")
    for _ in range(1000):
        await one.spend("a")
    assert budgets.calls == []
    assert one.policy_header == b""


class Limiters(RuleBasedStateMachine):
    """Workers that lease from one budget, at random times, with Redis there or away."""

    @initialize(amount=st.integers(1, 300), workers=st.integers(1, 4))
    def begin(self, amount: int, workers: int) -> None:
        self.clock = Clock()
        self.limit = Limit(amount, 60)
        self.budgets = Gcra(self.clock, self.limit)
        self.workers = [
            RateLimiter("principal", self.limit, self.budgets, workers, self.clock, done_at_once)
            for _ in range(workers)
        ]
        self.passed: list[float] = []
        self.was_away = False

    @rule(worker=st.integers(0, 3), requests=st.integers(1, 50))
    def ask(self, worker: int, requests: int) -> None:
        one = self.workers[worker % len(self.workers)]
        for _ in range(requests):
            bucket = one.spend_leased("a") or done_at_once(one.spend("a"))
            if isinstance(bucket, RateLimited):
                assert 1 <= bucket.facts["retry_after"] <= 60 * len(self.workers)
                continue
            allowance = one.allowance(bucket)
            assert 0 <= allowance.remaining < self.limit.amount or self.was_away
            assert 0 <= allowance.reset_seconds <= 60 * len(self.workers)
            self.passed.append(self.clock.now)

    @rule(seconds=st.floats(0.001, 90))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(is_away=st.booleans())
    def lose_redis(self, is_away: bool) -> None:
        self.budgets.is_away = is_away
        self.was_away = self.was_away or is_away

    @invariant()
    def no_more_pass_than_the_budget_and_a_slice_for_each_worker(self) -> None:
        slice_ = max(1, int(self.limit.amount * rate_limit.SLICE_SHARE))
        slices = len(self.workers) * (slice_ + int(slice_ * rate_limit.KEPT_SHARE))
        own = max(self.limit.amount, len(self.workers)) if self.was_away else 0
        for place, since in enumerate(self.passed):
            seconds = self.clock.now - since
            passed = len(self.passed) - place
            at_most = (self.limit.amount + own) * (1 + seconds / 60) + slices
            assert passed <= at_most + 1e-6


TestLimiters = Limiters.TestCase
TestLimiters.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


class Gcra:
    """The budget as the script in Redis counts it."""

    def __init__(self, clock: Clock, limit: Limit) -> None:
        self.clock, self.limit = clock, limit
        self.tat = 0.0
        self.is_away = False

    async def lease(self, key: str, *, amount: int, period_seconds: int, wanted: int, returned: int) -> Grant:
        if self.is_away:
            raise RedisAway
        interval, now = period_seconds / amount, self.clock.now
        tat = max(now, self.tat - returned * interval)
        free = int((now + period_seconds - tat) / interval + 1e-6)
        granted = max(0, min(wanted, free))
        self.tat = tat + granted * interval
        wait = 0 if granted else max(1, math.ceil((self.tat + interval - period_seconds - now) * 1000))
        return Grant(granted, max(0, free - granted), wait, math.ceil((self.tat - now) * 1000))


def done_at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """What comes of a coroutine that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    except RateLimited as refusal:
        return refusal
    raise AssertionError("it waited")
