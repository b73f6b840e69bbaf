"""What the copy of balances in Redis promises, sentence by sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from tests.adapters.redis_ground import OwnValkey, Proxy, started_proxy, until
from tests.cache.exploration import ACCOUNT, EPOCH_KEY, LEDGER, state_at
from tests.cache.ground import Process, started_process
from zerosum.adapters.balance_cache import BalanceCache, CachedBalance, Expiry, Lease
from zerosum.adapters.balance_text import render_balance
from zerosum.adapters.redis import RedisLink
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import AccountId, LedgerId

SHORT = Expiry(value_milliseconds=150, lease_milliseconds=100)


@pytest.fixture(autouse=True)
def empty(valkey: OwnValkey) -> None:
    valkey.command("FLUSHALL")


@pytest.fixture
async def process(valkey: OwnValkey) -> AsyncIterator[Process]:
    async with started_process(valkey) as process:
        yield process


@pytest.fixture
async def other(valkey: OwnValkey) -> AsyncIterator[Process]:
    """Another process. Where both are asked for, both have raised the epoch by the time the test begins."""
    async with started_process(valkey) as process:
        yield process


async def test_what_somebody_reads_is_served_with_its_balances(process: Process) -> None:
    state = state_at(7)
    state.held = state.posted_credits / 2
    await process.cache.fill(await process.lease(), state)
    assert await process.look() == CachedBalance(7, "7.00", "3.50", "3.50")
    assert (process.cache.hits, process.cache.misses) == (1, 1)


async def test_a_write_takes_the_place_of_what_is_there(process: Process, other: Process) -> None:
    await other.fill(1)
    await process.write(2)
    assert await other.version() == 2
    await process.write(3)
    assert await other.version() == 3


async def test_what_nobody_reads_is_not_put_there(process: Process) -> None:
    await process.write(1)
    assert process.content() is None


async def test_a_late_reader_never_fills_over_a_newer_version(process: Process, other: Process) -> None:
    lease = await other.lease()
    await process.write(2)
    await other.cache.fill(lease, state_at(1))
    assert process.content() is None
    await other.fill(2)
    assert await process.version() == 2


async def test_a_reader_fills_only_with_its_own_lease(process: Process, other: Process) -> None:
    lease = await process.lease()
    assert await other.look() is None  # somebody is fetching it already
    await other.cache.fill(Lease(ACCOUNT, "0123456789abcdef"), state_at(1))
    assert await other.version() is None
    await process.cache.fill(lease, state_at(1))
    assert await other.version() == 1


async def test_a_lease_is_void_after_a_flush(process: Process, valkey: OwnValkey) -> None:
    lease = await process.lease()
    valkey.command("FLUSHALL")
    await process.cache.fill(lease, state_at(1))
    assert await process.version() is None


async def test_what_is_between_commit_and_cache_is_not_read_from_it(process: Process) -> None:
    await process.put_in(1)
    process.cache.begins([ACCOUNT])
    assert await process.look() is None
    await process.write(2)
    assert await process.look() is None
    process.cache.ends([ACCOUNT])
    assert await process.version() == 2


async def test_nobody_who_reads_that_meanwhile_fills_the_cache(process: Process) -> None:
    """He has no lease: what PostgreSQL told him may be from before the commit."""
    process.cache.begins([ACCOUNT])
    assert await process.look() is None
    process.cache.ends([ACCOUNT])
    assert process.content() is None


async def test_the_earlier_of_two_commits_is_not_stored_after_the_later_one(process: Process, other: Process) -> None:
    await process.fill(0)
    await other.write(2)
    await process.write(1)
    assert await other.version() == 2


async def test_what_is_acknowledged_again_is_refreshed_too(process: Process, other: Process) -> None:
    """The first try may have died between its commit and its refresh."""
    await other.fill(1)
    await process.write(2)
    await process.write(2)
    assert await other.version() == 2


async def test_of_a_batch_only_what_is_there_is_refreshed(process: Process) -> None:
    second = AccountId(new_uuid())
    await process.fill(1)
    await process.cache.refresh([state_at(2), replace(state_at(2), id=second)])
    assert await process.version() == 2
    assert isinstance(await process.look(second), Lease)


async def test_a_balance_that_is_no_number_is_taken_away(process: Process) -> None:
    await process.fill(1)
    await process.cache.refresh([state_at(2, Decimal("NaN"))])
    assert process.content() is None


async def test_a_batch_of_any_size_is_refreshed(process: Process) -> None:
    states = [replace(state_at(number), id=AccountId(new_uuid())) for number in range(2500)]
    wanted = (0, 999, 1000, 2499)
    for number in wanted:
        lease = await process.look(states[number].id)
        assert isinstance(lease, Lease)
        await process.cache.fill(lease, states[number])
    await process.cache.refresh([replace(state, version=state.version + 1) for state in states])
    for number in wanted:
        found = await process.look(states[number].id)
        assert isinstance(found, CachedBalance)
        assert (found.version, found.posted) == (number + 1, f"{number}.00")


async def test_values_expire_however_often_they_are_refreshed(valkey: OwnValkey) -> None:
    """Counted from the lease: so it is known when the last of what was there before a commit is gone."""
    async with started_process(valkey, expiry=SHORT) as process:
        await process.fill(1)
        assert await process.version() == 1
        for version in range(2, 7):
            await asyncio.sleep(0.04)
            await process.write(version)
        assert await process.version() is None


async def test_a_filled_value_expires_as_if_it_had_been_there_since_its_lease(valkey: OwnValkey) -> None:
    """It is as old as the look at PostgreSQL, which came after the lease."""
    expiry = Expiry(value_milliseconds=5_000, lease_milliseconds=2_000)
    async with started_process(valkey, expiry=expiry) as process:
        lease = await process.lease()
        valkey.command("PEXPIRE", process.key, 500)  # as if it had been taken 1.5 s ago
        await process.cache.fill(lease, state_at(1))
        left = valkey.command("PTTL", process.key)
        assert isinstance(left, int)
        assert 3_000 < left <= 3_500


async def test_a_reader_that_never_comes_back_blocks_nobody_for_long(valkey: OwnValkey) -> None:
    async with started_process(valkey, expiry=SHORT) as process:
        await process.lease()
        assert await process.look() is None
        await asyncio.sleep(0.15)
        await process.fill(1)
        assert await process.version() == 1


async def test_ledgers_do_not_see_each_others_values(process: Process) -> None:
    await process.fill(1)
    assert await process.cache.read(LedgerId(new_uuid()), ACCOUNT) is None


ELSEWHERE = render_balance(replace(state_at(1), id=AccountId(UUID(int=99))))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"V",
        b"V1",
        b"V-1 x",
        b"Vx" + b"0" * 100,
        b"V999999999999999 and nonsense",
        ELSEWHERE.encode(),
        b"R",
        b"M",
        b"M|@,@@",
        b"M99999999999999999999|zz@zz",
        b"Mnan|",
        b"X",
        b'{"version": NaN}',
        b"\xff\x00\r\n",
        b"V" * 100_000,
    ],
)
async def test_whatever_lies_there_is_a_miss_and_is_taken_away_by_a_write(process: Process, text: bytes) -> None:
    await process.fill(1)
    process.put(text)
    assert await process.version() is None
    await process.write(2)
    await process.put_in(2)
    assert await process.version() == 2
    assert process.link.breaks == 0


@pytest.mark.parametrize("text", [b"V1", b"V999999999999999 and nonsense", b"\xff\x00\r\n"])
async def test_a_write_removes_what_is_no_balance(process: Process, text: bytes) -> None:
    await process.fill(1)
    process.put(text)
    await process.write(2)
    assert process.content() is None


async def test_a_write_removes_what_would_never_end(process: Process, valkey: OwnValkey) -> None:
    await process.fill(1)
    valkey.command("PERSIST", process.key)
    await process.write(2)
    assert process.content() is None


@pytest.mark.parametrize("kind", ["RPUSH", "SADD"])
@pytest.mark.parametrize("is_epoch", [False, True], ids=["account", "epoch"])
async def test_a_key_of_another_type_is_nobodys(process: Process, valkey: OwnValkey, kind: str, is_epoch: bool) -> None:
    await process.fill(1)
    for act in (lambda: process.write(1), process.look, lambda: process.write(2)):
        key = EPOCH_KEY if is_epoch else process.key
        valkey.command("DEL", key)
        valkey.command(kind, key, "x")
        await act()
    valkey.command("FLUSHALL")
    await process.fill(2)
    assert await process.version() == 2
    assert process.link.breaks == 0


async def test_after_the_epoch_is_lost_nothing_from_before_is_met(process: Process, valkey: OwnValkey) -> None:
    await process.fill(1)
    valkey.command("DEL", EPOCH_KEY)
    assert await process.version() is None


async def test_every_process_raises_the_epoch_when_it_starts(process: Process, valkey: OwnValkey) -> None:
    """Its predecessor may have died while its link was broken."""
    await process.fill(1)
    async with started_process(valkey) as newcomer:
        assert await newcomer.version() is None


@pytest.fixture
async def proxy(valkey: OwnValkey) -> AsyncIterator[Proxy]:
    async with started_proxy(valkey.url) as proxy:
        yield proxy


@pytest.fixture
async def remote(valkey: OwnValkey, proxy: Proxy) -> AsyncIterator[Process]:
    """A process whose link goes through the proxy."""
    async with started_process(valkey, proxy.url) as process:
        yield process


async def test_a_refresh_that_fails_opens_the_breaker_and_nothing_old_is_served_again(
    remote: Process, proxy: Proxy
) -> None:
    await remote.fill(1)
    proxy.is_deaf = True
    telling = asyncio.create_task(remote.write(2))
    await until(lambda: remote.link.is_away, "away")
    assert await remote.look() is None
    assert not telling.done()  # its caller may not be told yet: others could read the old value
    proxy.is_deaf = False
    await telling
    assert remote.cache._is_readable
    assert await remote.version() is None


async def test_a_writer_whose_refresh_is_lost_waits_until_nothing_old_can_be_left(
    valkey: OwnValkey, proxy: Proxy
) -> None:
    async with (
        started_process(valkey, expiry=SHORT) as other,
        started_process(valkey, proxy.url, expiry=SHORT) as remote,
    ):
        await other.fill(1)
        proxy.is_deaf = proxy.is_shut = True
        await remote.write(2)
        assert remote.link.is_away
        assert await other.version() is None


async def test_where_redis_comes_back_and_takes_no_writes_nobody_waits_again(
    valkey: OwnValkey, remote: Process
) -> None:
    """Each return ends before readers are let in: it was away all the time."""
    valkey.command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        await remote.look()
        await until(lambda: remote.link.is_away, "away")
        async with asyncio.timeout(2.5):
            for version in range(200):
                await remote.write(version)
                await asyncio.sleep(0.005)
    finally:
        valkey.command("CONFIG", "SET", "min-replicas-to-write", "0")
    await until(lambda: remote.cache._is_readable, "open to readers")


async def test_a_reply_that_names_another_account_is_a_lost_one(
    valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started_process(valkey, expiry=SHORT) as process:
        begun = asyncio.get_running_loop().time()

        async def lie(*_: object) -> list[bytes]:
            return [b"another"]

        monkeypatch.setattr(process.link, "run", lie)
        process.cache._is_opened.clear()
        await process.write(2)
        assert asyncio.get_running_loop().time() - begun > 0.14


async def test_what_is_written_while_redis_is_known_to_be_away_waits_for_nothing(proxy: Proxy, remote: Process) -> None:
    proxy.is_shut = True
    proxy.cut()
    await until(lambda: remote.link.is_away, "away")
    async with asyncio.timeout(1.0):
        for version in range(100):
            await remote.write(version)


async def test_another_process_serves_the_old_value_only_up_to_its_expiry(valkey: OwnValkey, proxy: Proxy) -> None:
    """The one exception: its own link is whole, and cannot know."""
    async with started_process(valkey, expiry=SHORT) as other, started_process(valkey, proxy.url) as remote:
        proxy.is_deaf = proxy.is_shut = True
        proxy.cut()
        await other.fill(1)
        await until(lambda: remote.link.is_away, "away")
        await remote.write(2)
        assert await other.version() in (1, None)
        await asyncio.sleep(0.2)
        assert await other.version() is None


async def test_nobody_raises_and_nobody_waits_while_redis_is_away() -> None:
    link = RedisLink("redis://127.0.0.1:1")
    cache = BalanceCache(link)
    await link.start()
    await cache.refresh([state_at(1)])
    assert await cache.read(LEDGER, ACCOUNT) is None
    await cache.fill(Lease(ACCOUNT, "00"), state_at(1))
    await link.close()


async def test_a_redis_without_memory_is_away_until_it_has_some(process: Process, valkey: OwnValkey) -> None:
    valkey.command("CONFIG", "SET", "maxmemory", "1")
    try:
        assert await process.look() is None
        await asyncio.sleep(0.3)
        assert not process.cache._is_readable
    finally:
        valkey.command("CONFIG", "SET", "maxmemory", "67108864")
    await until(lambda: process.cache._is_readable, "open to readers")
