"""Writers and readers on real services, who note what was acknowledged and hold every read against it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.committer.ground import Ground
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.outcome import Posted
from zerosum.main import Service

WRITERS = 3
READERS = 3
"""Of each service."""

WRITER_PAUSE_SECONDS_MAX = 0.06
READER_PAUSE_SECONDS_MAX = 0.004
"""An account written to all the time would never be in the cache; one never written to could not be stale."""

LATELY = 16
"""Accounts, of the latest payments, of which some are named twice."""


@dataclass
class Findings:
    payments: int = 0
    checks: int = 0
    cached: int = 0
    failures: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    payment_seconds: list[float] = field(default_factory=list)
    redis_seconds: list[float] = field(default_factory=list)

    def assert_nothing_wrong(self) -> None:
        assert not self.failures, (len(self.failures), self.failures[:3])
        assert not self.stale, (len(self.stale), self.stale[:3])
        assert not self.wrong, (len(self.wrong), self.wrong[:3])

    def told(self) -> str:
        return (
            f"{self.payments} payments, {len(self.failures)} failed, "
            f"p50 {_milliseconds(self.payment_seconds, 0.5)}, p99 {_milliseconds(self.payment_seconds, 0.99)}; "
            f"{self.checks} reads checked, {self.cached} cached, {len(self.stale)} stale, {len(self.wrong)} wrong; "
            f"longest wait for Redis {_milliseconds(self.redis_seconds, 1.0)}"
        )


class Traffic:
    """Payments between a few accounts through several services, and reads of their balances."""

    def __init__(self, ground: Ground, services: list[Service], account_ids: list[AccountId]) -> None:
        self.findings = Findings()
        self._ground = ground
        self._services = services
        self._account_ids = account_ids
        self._balances: dict[tuple[UUID, int], str] = {}
        """By account and version, as the postings tell."""
        self._promised_to_all: dict[UUID, int] = dict.fromkeys(account_ids, 0)
        self._promised_by: list[dict[UUID, int]] = [dict.fromkeys(account_ids, 0) for _ in services]
        self._lately: deque[AccountId] = deque(maxlen=LATELY)
        for service in services:
            _time_calls(service, self)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(act(number, random.Random(1000 * number + copy)))
            for number in range(len(self._services))
            for act, copies in ((self._write, WRITERS), (self._read, READERS))
            for copy in range(copies)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if not isinstance(result, asyncio.CancelledError):
                    self.findings.failures.append(repr(result))

    async def _write(self, number: int, chance: random.Random) -> None:
        while True:
            payer, payee = chance.sample(self._account_ids, 2)
            await self.pay(number, payer, payee)
            await asyncio.sleep(chance.random() * WRITER_PAUSE_SECONDS_MAX)

    async def pay(self, number: int, payer: AccountId, payee: AccountId) -> None:
        service, findings = self._services[number], self.findings
        assert service.redis is not None
        breaks, began = service.redis.breaks, time.perf_counter()
        try:
            answer = await service.committer.carry_out(self._ground.transfer(payer, payee, "1.00"))
        except Exception as error:
            findings.failures.append(repr(error))
            return
        findings.payment_seconds.append(time.perf_counter() - began)
        findings.payments += 1
        if not isinstance(answer, Posted):
            findings.failures.append(repr(answer))
            return
        # The one exception: while this service's link is broken, the others cannot know of its writes.
        is_known_to_all = not service.redis.is_away and service.redis.breaks == breaks
        self._lately += [payer, payee]
        for line in answer.entry.postings:
            account_id, version = line.posting.account_id, line.account_version
            self._balances[account_id, version] = f"{line.balance_after:f}"
            for promised in (
                (self._promised_by[number], self._promised_to_all) if is_known_to_all else (self._promised_by[number],)
            ):
                promised[account_id] = max(promised[account_id], version)

    async def _read(self, number: int, chance: random.Random) -> None:
        while True:
            # Mostly what was written just now, by whichever service.
            account_id = chance.choice(self._lately or self._account_ids)
            for _ in range(chance.randrange(1, 6)):
                await self.check(number, account_id)
                await asyncio.sleep(chance.random() * READER_PAUSE_SECONDS_MAX)

    async def check(self, number: int, account_id: AccountId) -> None:
        promised = max(self._promised_by[number][account_id], self._promised_to_all[account_id])
        balances, findings = self._services[number].services.balances, self.findings
        try:
            balance = await balances.now(self._ground.caller, f"acc_{account_id}", min_version=0)
        except Exception as error:
            findings.failures.append(repr(error))
            return
        findings.checks += 1
        findings.cached += balance.is_cached
        if balance.version < promised:
            findings.stale.append(f"version {balance.version} of {account_id}, {promised} was promised to {number}")
        known = self._balances.get((account_id, balance.version))
        if known is not None and known != balance.posted:
            findings.wrong.append(f"{balance} of {account_id}, {known} is right")


def _time_calls(service: Service, traffic: Traffic) -> None:
    """Note how long each call of the cache takes its caller."""
    for name in ("find", "store", "read", "fill"):
        _time_call(service.cache, name, traffic)


def _time_call(cache: Any, name: str, traffic: Traffic) -> None:
    call: Callable[..., Awaitable[Any]] = getattr(cache, name)

    async def timed(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return await call(*arguments)
        finally:
            traffic.findings.redis_seconds.append(time.perf_counter() - began)

    setattr(cache, name, timed)


def _milliseconds(values: list[float], share: float) -> str:
    if not values:
        return "-"
    return f"{1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))]:.1f} ms"
