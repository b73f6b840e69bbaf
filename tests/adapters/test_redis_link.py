"""The way to Redis: short waits, nobody else's replies, no retries, and a breaker that closes again."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
import uvloop

from tests.adapters.redis_ground import OwnValkey, Proxy, started_link, until
from zerosum.adapters.redis import RedisAway, RedisLink, Script

ECHO = Script("return {ARGV[1], ARGV[2]}")
COUNT = Script("return {ARGV[1], redis.call('INCR', KEYS[1])}")
FAIL = Script("return redis.error_reply('OOM command not allowed')")
TAKES_A_LIST = Script("return {ARGV[1], redis.call('LPUSH', KEYS[1], 'x'), redis.call('GET', KEYS[1])}")

WAIT_SECONDS_MAX = 0.2
"""Of a call that gets no reply: 60 ms, and what a busy test machine adds."""


async def echo(link: RedisLink, text: str = "hello") -> str:
    (reply,) = await link.run(ECHO, (), text)
    assert isinstance(reply, bytes)
    return reply.decode()


async def seconds_until_away(link: RedisLink) -> float:
    began = time.perf_counter()
    with pytest.raises(RedisAway):
        await echo(link)
    return time.perf_counter() - began


async def test_a_script_returns_what_follows_the_number_of_the_call(link: RedisLink) -> None:
    assert await link.run(ECHO, (), "hello") == [b"hello"]
    assert not link.is_away


async def test_scripts_survive_script_flush(link: RedisLink, valkey: OwnValkey) -> None:
    assert await echo(link) == "hello"
    valkey.command("SCRIPT", "FLUSH")
    assert await echo(link) == "hello"
    assert link.breaks == 0


async def test_one_connection_carries_500_calls_at_once(proxy: Proxy, proxied: RedisLink) -> None:
    texts = [str(number) for number in range(500)]
    assert await asyncio.gather(*(echo(proxied, text) for text in texts)) == texts
    assert (proxied.breaks, proxy.connections) == (0, 1)


async def test_a_reply_that_does_not_come_is_awaited_for_60_ms_and_only_once(proxy: Proxy, proxied: RedisLink) -> None:
    proxy.is_deaf = True
    assert 0.04 < await seconds_until_away(proxied) < WAIT_SECONDS_MAX
    assert proxied.is_away
    assert await seconds_until_away(proxied) < 0.02


async def test_a_frozen_redis_is_away_and_is_back_two_seconds_after_it_thaws(valkey: OwnValkey) -> None:
    async with started_link(valkey.url) as link:
        valkey.freeze()
        waits = await asyncio.gather(*(seconds_until_away(link) for _ in range(100)))
        assert max(waits) < WAIT_SECONDS_MAX
        await asyncio.sleep(0.3)
        assert await seconds_until_away(link) < 0.02
        valkey.thaw()
        assert await until(lambda: not link.is_away, "back") < 2.5
        assert await echo(link) == "hello"


async def test_a_killed_redis_is_noticed_without_a_call_and_used_again_when_it_is_back(valkey: OwnValkey) -> None:
    async with started_link(valkey.url) as link:
        await asyncio.to_thread(valkey.kill)
        await until(lambda: link.is_away, "death noticed", 1.0)
        await asyncio.to_thread(valkey.start)
        assert await until(lambda: not link.is_away, "back") < 2.5
        assert await echo(link) == "hello"


async def test_a_link_starts_without_redis_and_finds_it_later(valkey: OwnValkey) -> None:
    await asyncio.to_thread(valkey.kill)
    async with started_link(valkey.url) as link:
        assert link.is_away
        await asyncio.to_thread(valkey.start)
        await until(lambda: not link.is_away, "back")
        assert await echo(link) == "hello"


async def test_a_connection_that_is_lost_with_the_last_word_of_the_greeting_is_tried_again(proxy: Proxy) -> None:
    """Its loss comes before anybody holds the connection; whoever took it for good then would hold it for ever."""

    def say_more(reply: bytes) -> bytes:
        return reply + b"+PONG\r\n" if b"PONG" in reply else reply

    proxy.forge = say_more
    async with started_link(proxy.url) as link:
        assert link.is_away
        proxy.forge = lambda reply: reply
        await until(lambda: not link.is_away, "back")
        assert await echo(link) == "hello"


async def test_a_wrong_password_is_a_redis_that_is_away(valkey: OwnValkey) -> None:
    async with started_link(valkey.url.replace("redis://:", "redis://:wrong")) as link:
        assert link.is_away


async def test_our_own_busy_event_loop_does_not_open_the_breaker(link: RedisLink) -> None:
    await blocks_are_forgiven(link)


async def test_nor_does_a_busy_uvloop(valkey: OwnValkey) -> None:
    async def run() -> None:
        async with started_link(valkey.url) as link:
            await blocks_are_forgiven(link)

    await asyncio.to_thread(uvloop.run, run())


async def blocks_are_forgiven(link: RedisLink) -> None:
    """Calls in flight while this process does nothing but compute, in one piece of 200 ms and in many of 30."""
    for seconds, times in ((0.2, 2), (0.03, 10)):
        calls = [asyncio.create_task(echo(link, str(number))) for number in range(20)]
        for _ in range(times):
            await asyncio.sleep(0)
            time.sleep(seconds)
        assert await asyncio.gather(*calls) == [str(number) for number in range(20)]
    assert link.breaks == 0


async def test_callers_that_go_away_never_leave_their_reply_to_another(proxy: Proxy, proxied: RedisLink) -> None:
    """The fault of CVE-2023-28858: a cancelled call left its reply on the connection for the next caller."""
    proxy.delay_seconds = 0.002
    chance = random.Random(1)
    answered = 0

    async def call(number: int) -> None:
        nonlocal answered
        task = asyncio.create_task(echo(proxied, f"text {number}"))
        if number % 3 == 0:
            await asyncio.sleep(chance.random() * 0.004)
            task.cancel()
        try:
            assert await task == f"text {number}"
            answered += 1
        except asyncio.CancelledError:
            pass

    for start in range(0, 6000, 100):
        await asyncio.gather(*(call(number) for number in range(start, start + 100)))
    assert answered >= 4000
    assert proxied.breaks == 0


async def test_a_call_without_a_reply_is_not_repeated(proxy: Proxy, proxied: RedisLink, valkey: OwnValkey) -> None:
    valkey.command("DEL", "counter")
    await proxied.run(COUNT, ("counter",))
    proxy.is_deaf = True
    with pytest.raises(RedisAway):
        await proxied.run(COUNT, ("counter",))
    proxy.is_deaf = False
    await until(lambda: not proxied.is_away, "back")
    assert await proxied.run(COUNT, ("counter",)) == [3]


@pytest.mark.parametrize("script", [FAIL, TAKES_A_LIST], ids=["out of memory", "wrong type"])
async def test_an_error_reply_opens_the_breaker(link: RedisLink, script: Script) -> None:
    with pytest.raises(RedisAway):
        await link.run(script, ("a list",))
    assert link.is_away
    await until(lambda: not link.is_away, "back")


@pytest.fixture
async def forging(proxy: Proxy, proxied: RedisLink) -> Proxy:
    assert await echo(proxied) == "hello"
    return proxy


@pytest.mark.parametrize(
    "forged",
    [
        b"+OK\r\n",
        b"$-1\r\n",
        b":1\r\n",
        b"*0\r\n",
        b"*1\r\n$3\r\nabc\r\n",
        b"*2\r\n$3\r\nabc\r\n$5\r\nhello\r\n",
        b"*2\r\n$-1\r\n$5\r\nhello\r\n",
        b"-ERR no\r\n",
        b"-NOSCRIPT no\r\n",
        b"\x00\xff\xfe nonsense \r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$100000000\r\nabc",
        b"*1\r\n" * 50,
        b"",
    ],
)
async def test_a_reply_that_does_not_fit_is_none(forging: Proxy, proxied: RedisLink, forged: bytes) -> None:
    forging.forge = lambda _: forged
    with pytest.raises(RedisAway):
        await echo(proxied)
    forging.forge = lambda reply: reply
    await until(lambda: not proxied.is_away, "back")
    assert await echo(proxied) == "hello"


async def test_replies_that_come_twice_or_late_are_given_to_nobody(forging: Proxy, proxied: RedisLink) -> None:
    forging.forge = lambda reply: reply * 2

    async def call(number: int) -> None:
        try:
            assert await echo(proxied, f"text {number}") == f"text {number}"
        except RedisAway:
            return

    await asyncio.gather(*(call(number) for number in range(50)))
    assert proxied.breaks == 1


async def test_acts_of_the_break_come_before_anybody_is_told_and_acts_of_the_return_before_it_counts(
    proxy: Proxy,
) -> None:
    told: list[str] = []
    link = RedisLink(proxy.url)

    async def come_back() -> None:
        told.append(f"return: {await echo(link)}")

    link.on_break(lambda: told.append("break"))
    link.on_return(come_back)
    await link.start()
    proxy.is_deaf = True
    with pytest.raises(RedisAway):
        await echo(link)
    told.append("caller")
    proxy.is_deaf = False
    await until(lambda: not link.is_away, "back")
    await until(lambda: len(told) == 4, "the act of the return")
    assert told == ["return: hello", "break", "caller", "return: hello"]
    await link.close()


async def test_a_connection_that_breaks_again_and_again_is_tried_ever_more_seldom(proxy: Proxy) -> None:
    async with started_link(proxy.url):
        proxy.is_shut = True
        proxy.cut()
        await asyncio.sleep(1.5)
        assert 3 <= proxy.connections <= 7


async def test_a_closed_link_is_away(proxy: Proxy) -> None:
    async with started_link(proxy.url) as link:
        proxy.is_deaf = True
        pending = asyncio.create_task(echo(link))
        await asyncio.sleep(0)
    with pytest.raises(RedisAway):
        await pending
    with pytest.raises(RedisAway):
        await echo(link)


async def test_what_waits_for_a_frozen_redis_is_bounded(valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.adapters.redis_wire.WAITING_MAX", 50)
    async with started_link(valkey.url) as link:
        results = await asyncio.gather(*(echo(link) for _ in range(60)), return_exceptions=True)
        assert all(result == "hello" or isinstance(result, RedisAway) for result in results)
        assert link.breaks == 1
