"""Budgets as Redis counts them, and two workers that share one."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.redis_ground import OwnValkey, Proxy, started_link
from zerosum.adapters import rate_store
from zerosum.adapters.rate_store import Grant, RateStore
from zerosum.adapters.redis import RedisAway, RedisLink, Script
from zerosum.domain.errors import RateLimited
from zerosum.gateway.limits.rate_limit import RateLimiter
from zerosum.services.requests.limits import Limit

HOUR = 3600
_keys = count()


def fresh_key() -> str:
    return f"test:{next(_keys)}"


@pytest.fixture
def store(link: RedisLink) -> RateStore:
    return RateStore(link)


async def lease(
    store: RateStore, key: str, wanted: int, returned: int = 0, *, amount: int, period: int = HOUR
) -> Grant:
    return await store.lease(key, amount=amount, period_seconds=period, wanted=wanted, returned=returned)


async def test_a_budget_is_granted_to_the_last_request_and_not_beyond(store: RateStore) -> None:
    key = fresh_key()
    assert [(await lease(store, key, 20, amount=50)).granted for _ in range(4)] == [20, 20, 10, 0]


async def test_what_is_told_beside_the_grant(store: RateStore) -> None:
    key = fresh_key()
    first = await lease(store, key, 1, amount=10)
    assert (first.granted, first.remaining, first.retry_milliseconds) == (1, 9, 0)
    assert 359_000 < first.reset_milliseconds <= 360_000
    await lease(store, key, 9, amount=10)
    refused = await lease(store, key, 1, amount=10)
    assert (refused.granted, refused.remaining) == (0, 0)
    assert 359_000 < refused.retry_milliseconds <= 360_000
    assert 3_599_000 < refused.reset_milliseconds <= 3_600_000


async def test_what_was_not_used_is_taken_back(store: RateStore) -> None:
    key = fresh_key()
    await lease(store, key, 10, amount=10)
    again = await lease(store, key, 10, 4, amount=10)
    assert again.granted == 4


async def test_more_than_was_leased_cannot_be_given_back(store: RateStore) -> None:
    key = fresh_key()
    await lease(store, key, 3, amount=10)
    assert (await lease(store, key, 20, 1000, amount=10)).granted == 10


async def test_a_request_after_the_time_that_was_named_passes(store: RateStore) -> None:
    key = fresh_key()
    await lease(store, key, 20, amount=20, period=1)
    refused = await lease(store, key, 1, amount=20, period=1)
    assert 0 < refused.retry_milliseconds <= 50
    await asyncio.sleep(refused.retry_milliseconds / 1000)
    assert (await lease(store, key, 1, amount=20, period=1)).granted == 1


async def test_a_budget_that_is_full_again_leaves_nothing_behind(store: RateStore, valkey: OwnValkey) -> None:
    key = fresh_key()
    await lease(store, key, 10, amount=100, period=1)
    assert valkey.command("EXISTS", f"zerosum:rate:{key}") == 1
    await asyncio.sleep(0.15)
    assert valkey.command("EXISTS", f"zerosum:rate:{key}") == 0


@pytest.mark.parametrize("text", [b"", b"nonsense", b"nan", b"inf", b"-inf", b"1e308", b"-1", b"9" * 400, b"0x10"])
async def test_nonsense_in_place_of_a_count_neither_opens_nor_closes_for_long(
    store: RateStore, link: RedisLink, valkey: OwnValkey, text: bytes
) -> None:
    key = fresh_key()
    valkey.command("SET", f"zerosum:rate:{key}", text)
    grant = await lease(store, key, 1000, amount=10, period=1)
    assert grant.granted <= 10
    assert grant.retry_milliseconds <= 101
    assert link.breaks == 0


async def test_a_key_of_another_type_is_written_over(store: RateStore, link: RedisLink, valkey: OwnValkey) -> None:
    key = fresh_key()
    valkey.command("RPUSH", f"zerosum:rate:{key}", "x")
    await lease(store, key, 1, amount=10, period=1)
    await asyncio.sleep(0.11)
    assert (await lease(store, key, 1, amount=10, period=1)).granted == 1
    assert link.breaks == 0


async def test_another_limit_is_in_force_at_once(store: RateStore) -> None:
    """Used up under the old one, a budget is as if just used up under the new one."""
    key = fresh_key()
    await lease(store, key, 1, amount=1)
    assert (await lease(store, key, 1, amount=1000, period=1)).retry_milliseconds <= 1
    await asyncio.sleep(0.02)
    assert (await lease(store, key, 1, amount=1000, period=1)).granted == 1


@pytest.mark.parametrize("forged", [b"+lots", b"$-1", b":-1", b":1000000"])
async def test_an_impossible_grant_is_none(proxy: Proxy, proxied: RedisLink, forged: bytes) -> None:
    proxy.forge = lambda reply: reply.replace(b":5\r\n", forged + b"\r\n")
    with pytest.raises(RedisAway):
        await lease(RateStore(proxied), fresh_key(), 5, amount=100)


class ClockedLink(RedisLink):
    """Gives the script the time of the test in place of the server's."""

    def __init__(self, real: RedisLink) -> None:
        super().__init__("redis://nowhere")
        self.real = real
        self.microseconds = 1_800_000_000_000_000
        self._script = Script(rate_store._LEASE.source.replace("redis.call('TIME')", "{ARGV[6], ARGV[7]}"))

    async def run(self, script: Script, keys: tuple[str, ...], *arguments: Any) -> list[Any]:
        now = divmod(self.microseconds, 1_000_000)
        return await self.real.run(self._script, keys, *arguments, *now)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount=st.one_of(st.integers(1, 10), st.sampled_from([3, 7, 99, 999, 1_000_003, 999_999_999])),
    period=st.sampled_from([1, 60, 3600]),
    steps=st.lists(st.tuples(st.integers(0, 2 * 10**6), st.integers(1, 30)), min_size=1, max_size=30),
)
async def test_grants_are_those_of_exact_arithmetic(
    link: RedisLink, amount: int, period: int, steps: list[tuple[int, int]]
) -> None:
    """And so no more pass within any time than the budget and what fills up meanwhile, and all that could pass do."""
    clocked = ClockedLink(link)
    store, key = RateStore(clocked), fresh_key()
    interval = Fraction(period * 1_000_000, amount)
    arrival = Fraction(clocked.microseconds)
    for pause_millionths, share in steps:
        clocked.microseconds += pause_millionths * period
        wanted = max(1, amount * share // 20)
        grant = await lease(store, key, wanted, amount=amount, period=period)
        now = Fraction(clocked.microseconds)
        arrival = max(arrival, now)
        free = (now + period * 1_000_000 - arrival) / interval
        # A float holds these times to a quarter of a microsecond.
        error = Fraction(1, 100_000) + len(steps) / interval
        at_least, at_most = math.floor(free - error), math.floor(free + error)
        assert min(wanted, at_least) <= grant.granted <= min(wanted, at_most)
        arrival += grant.granted * interval


def worker(link: RedisLink, text: str, key: str, workers: int = 2) -> RateLimiter:
    return RateLimiter(key, Limit.parse(text), RateStore(link), workers, time.monotonic)


@pytest.fixture
async def second_link(valkey: OwnValkey) -> AsyncIterator[RedisLink]:
    async with started_link(valkey.url) as link:
        yield link


async def passing(one: RateLimiter, requests: int) -> int:
    results = await asyncio.gather(*(one.spend("a") for _ in range(requests)), return_exceptions=True)
    assert all(not isinstance(result, BaseException) or isinstance(result, RateLimited) for result in results)
    return sum(not isinstance(result, BaseException) for result in results)


@pytest.mark.parametrize(
    ("text", "amount"), [("1/h", 1), ("5/h", 5), ("49/h", 49), ("1000/h", 1000), ("10000/h", 10000)]
)
async def test_two_workers_share_one_budget_to_the_last_request(
    link: RedisLink, second_link: RedisLink, text: str, amount: int
) -> None:
    name = fresh_key()
    workers = [worker(link, text, name), worker(second_link, text, name)]
    began, passed = time.monotonic(), 0
    while sum(now := [await passing(one, max(1, amount // 7)) for one in workers]) > 0:
        passed += sum(now)
    assert amount <= passed <= amount * (1 + (time.monotonic() - began) / HOUR)


async def test_five_a_second_over_two_workers(link: RedisLink, second_link: RedisLink) -> None:
    name = fresh_key()
    workers = [worker(link, "5/s", name), worker(second_link, "5/s", name)]
    began, passed = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < 2:
        passed += sum([await passing(one, 3) for one in workers])
        assert passed <= 5 + 5 * (time.monotonic() - began)
        await asyncio.sleep(0.01)
    assert passed >= 5 + int(5 * elapsed) - 2  # every 200 ms one more, looked for every 20 ms


async def test_a_worker_that_leased_and_spent_little_holds_back_no_more_than_a_slice(
    link: RedisLink, second_link: RedisLink
) -> None:
    name = fresh_key()
    idle, busy = worker(link, "1000/h", name), worker(second_link, "1000/h", name)
    await idle.spend("a")
    assert await passing(busy, 1200) == 980
    assert await passing(idle, 1200) == 19


async def test_workers_without_redis_keep_to_their_shares(link: RedisLink, second_link: RedisLink) -> None:
    name = fresh_key()
    workers = [worker(link, "100/h", name), worker(second_link, "100/h", name)]
    await link.close()
    await second_link.close()
    assert [await passing(one, 200) for one in workers] == [50, 50]
