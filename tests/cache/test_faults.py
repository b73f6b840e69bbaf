"""Payments and balances while Redis is killed, frozen, emptied, cut off, slow, or lies.

Payments go on, and no read is older than what was acknowledged before it. A short round runs with every change; the
long one (`make campaign`) prints what it saw.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.adapters.redis_ground import OwnValkey, Proxy, started_proxy
from tests.api.conftest import service_settings
from tests.cache.traffic import Findings, Traffic
from tests.committer.ground import Ground
from tests.conftest import Servers, TestDatabase
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

ACCOUNTS = 30
SERVICES = 2
CHECKS_MIN = 4_000
CAMPAIGN_SECONDS = 30.0
OUTAGE_SECONDS = 10.0


class Faults:
    """What can happen to Redis. Each one heals before it returns."""

    def __init__(self, valkey: OwnValkey, proxies: list[Proxy], seed: int) -> None:
        self.valkey = valkey
        self.proxies = proxies
        self.chance = random.Random(seed)

    async def nothing(self) -> None:
        await asyncio.sleep(0.3)

    async def killed(self) -> None:
        await asyncio.to_thread(self.valkey.kill)
        await asyncio.sleep(self.chance.random() * 0.3)
        await asyncio.to_thread(self.valkey.start)

    async def killed_and_empty(self) -> None:
        await asyncio.to_thread(self.valkey.kill)
        self.valkey.replace_log({})
        await asyncio.to_thread(self.valkey.start)

    async def killed_and_back_from_an_old_copy(self) -> None:
        """As a fail-over to a copy that lagged behind: values that were served and replaced since are there again."""
        copy = self.valkey.copy_of_log()
        await asyncio.sleep(0.2)
        await asyncio.to_thread(self.valkey.kill)
        self.valkey.replace_log(copy)
        await asyncio.to_thread(self.valkey.start)

    async def away_for_long(self) -> None:
        await asyncio.to_thread(self.valkey.kill)
        await asyncio.sleep(OUTAGE_SECONDS)
        await asyncio.to_thread(self.valkey.start)

    async def frozen_for_long(self) -> None:
        self.valkey.freeze()
        await asyncio.sleep(OUTAGE_SECONDS)
        self.valkey.thaw()

    async def frozen(self) -> None:
        self.valkey.freeze()
        await asyncio.sleep(self.chance.choice([0.01, 0.03, 0.05, 0.07, 0.5]))
        self.valkey.thaw()

    async def flushed(self) -> None:
        for _ in range(20):
            await asyncio.to_thread(self.valkey.command, "FLUSHALL")
            await asyncio.sleep(self.chance.random() * 0.02)

    async def without_scripts(self) -> None:
        for _ in range(10):
            await asyncio.to_thread(self.valkey.command, "SCRIPT", "FLUSH")
            await asyncio.sleep(self.chance.random() * 0.02)

    async def robbed_of_keys(self) -> None:
        for _ in range(100):
            key = await asyncio.to_thread(self.valkey.command, "RANDOMKEY")
            if isinstance(key, bytes):
                await asyncio.to_thread(self.valkey.command, "DEL", key)

    async def cut(self) -> None:
        for _ in range(5):
            proxy = self.chance.choice(self.proxies)
            proxy.cut_after = self.chance.randrange(1, 2000)
            await asyncio.sleep(0.1)
            proxy.cut_after = None

    async def slow(self) -> None:
        for proxy in self.proxies:
            proxy.delay_seconds = self.chance.choice([0.005, 0.02, 0.045, 0.06])
        await asyncio.sleep(0.5)
        for proxy in self.proxies:
            proxy.delay_seconds = 0.0

    async def deaf(self) -> None:
        proxy = self.chance.choice(self.proxies)
        proxy.is_deaf = True
        await asyncio.sleep(0.3)
        proxy.is_deaf = False

    async def lying(self) -> None:
        earlier: list[bytes] = [b"+OK\r\n"]

        def forge(reply: bytes) -> bytes:
            earlier.append(reply)
            del earlier[:-50]
            place = self.chance.randrange(len(reply))
            kind = self.chance.randrange(20)
            if kind == 0:
                return self.chance.choice(earlier)
            if kind == 1:
                return reply + self.chance.choice(earlier)
            if kind == 2:
                return self.chance.randbytes(len(reply))
            if kind == 3:
                return reply[:place]
            if kind < 10:
                return reply[:place] + self.chance.randbytes(1) + reply[place + 1 :]
            return reply

        for proxy in self.proxies:
            proxy.forge = forge
        await asyncio.sleep(0.5)
        for proxy in self.proxies:
            proxy.forge = lambda reply: reply

    def quick(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self.nothing,
            self.killed,
            self.killed_and_empty,
            self.killed_and_back_from_an_old_copy,
            self.frozen,
            self.flushed,
            self.without_scripts,
            self.robbed_of_keys,
            self.cut,
            self.slow,
            self.deaf,
            self.lying,
        ]

    def all(self) -> list[Callable[[], Awaitable[None]]]:
        return [*self.quick(), self.away_for_long, self.frozen_for_long]


@pytest.fixture
async def proxies(valkey: OwnValkey) -> AsyncIterator[list[Proxy]]:
    """Each service has its own."""
    async with started_proxy(valkey.url) as first, started_proxy(valkey.url) as second:
        yield [first, second]


@pytest.fixture
async def services(proxies: list[Proxy], test_database: TestDatabase, servers: Servers) -> AsyncIterator[list[Service]]:
    running = [Service(service_settings(test_database, servers, redis_url=proxy.url, lanes=2)) for proxy in proxies]
    for service in running:
        await service.start()
    yield running
    for service in running:
        await service.stop()


@pytest.fixture
async def traffic(services: list[Service], database: Database, ledger_id: LedgerId) -> Traffic:
    ground = Ground(database, ledger_id)
    return Traffic(ground, services, await ground.open(ACCOUNTS, floor=None))


@pytest.fixture
def faults(valkey: OwnValkey, proxies: list[Proxy]) -> Faults:
    return Faults(valkey, proxies, seed=1)


@pytest.mark.timeout(170)
async def test_nothing_that_happens_to_redis_makes_a_read_stale_or_a_payment_fail(
    traffic: Traffic, faults: Faults
) -> None:
    findings = traffic.findings
    async with traffic.running():
        while findings.checks < CHECKS_MIN:
            for fault in faults.quick():
                await fault()
    print(findings.told())
    findings.assert_nothing_wrong()
    assert findings.cached > findings.checks / 100  # the cache was there to be wrong


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", [fault.__name__ for fault in Faults.all(Faults.__new__(Faults))])
async def test_each_fault_for_half_a_minute(
    traffic: Traffic, faults: Faults, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    act: Callable[[], Awaitable[None]] = getattr(faults, fault)
    loop = asyncio.get_running_loop()
    async with traffic.running():
        await faults.nothing()
        ends_at = loop.time() + CAMPAIGN_SECONDS
        traffic.findings = Findings()
        while loop.time() < ends_at:
            await act()
            await asyncio.sleep(faults.chance.random())
    with capsys.disabled():
        print(f"\n{fault.replace('_', ' ')}: {traffic.findings.told()}")
    traffic.findings.assert_nothing_wrong()
