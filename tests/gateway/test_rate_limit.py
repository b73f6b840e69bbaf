"""Budgets, leased in slices; and what a worker does while nobody counts for all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from zerosum.adapters.rate_store import Grant
from zerosum.adapters.redis import RedisAway
from zerosum.domain.errors import RateLimited
from zerosum.gateway import rate_limit
from zerosum.gateway.rate_limit import Limit, RateLimiter


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """Budgets as Redis would count them, without time: what is granted is gone."""

    free: int
    is_away: bool = False
    calls: list[tuple[str, int, int]] = field(default_factory=list)

    async def lease(self, key: str, *, amount: int, period_seconds: int, wanted: int, returned: int) -> Grant:
        await asyncio.sleep(0)
        self.calls.append((key, wanted, returned))
        if self.is_away:
            raise RedisAway
        self.free += returned
        granted = min(wanted, self.free)
        self.free -= granted
        return Grant(granted, self.free, 0 if granted else 2500, 1000)


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


async def test_the_number_of_budgets_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "BUCKETS_MAX", 10)
    one = limiter(None, "1/s")
    for number in range(25):
        await one.spend(str(number))
    assert len(one._buckets) <= 10
    assert len(one._local) <= 10
