"""Somebody holds a row or a key, or stands still in a transaction: what is left of the others' rates.

Quiet phases and disturbed ones alternate in one run, and medians are compared: others may work on this machine too.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from tests.campaigns.installation import Installation, installed
from tests.campaigns.wire import CutOff, NotTaken, Wire
from tests.cli.command import zerosum

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROUNDS = 5
PHASE_SECONDS = 2.0
SETTLING_SECONDS = 2.5
"""A lane waits for what is held once, for a second; PostgreSQL ends who hangs in a transaction after two."""

SAME_LEDGER_MIN = 0.8
OTHER_LEDGER_MIN = 0.9
CALLERS = 4
_numbers = count(1)


@dataclass(eq=False)
class Caller:
    """Pays between two accounts on a connection of its own, again and again."""

    wire: Wire
    payer: str
    payee: str
    key: str | None = None
    paid: int = 0

    async def run(self) -> None:
        while True:
            key = self.key or f"neighbour-{next(_numbers)}"
            try:
                self.paid += (await self.wire.pay(self.payer, self.payee, "0.01", key)).status == 201
            except (CutOff, NotTaken, TimeoutError):
                self.wire.close()


@dataclass
class Rates:
    """Payments in a phase, in all that went on, in quiet and in disturbed phases."""

    quiet: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)

    @property
    def kept(self) -> float:
        return statistics.median(self.disturbed) / statistics.median(self.quiet)

    def __str__(self) -> str:
        quiet, disturbed = (statistics.median(one) / PHASE_SECONDS for one in (self.quiet, self.disturbed))
        return f"{quiet:.0f}/s quiet, {disturbed:.0f}/s disturbed, {self.kept:.2f} kept"


@dataclass
class Town:
    """Two ledgers on one service, who pays in them, and who asks for what is held."""

    installation: Installation
    superuser: Superuser
    ledger_id: UUID
    same: list[Caller]
    other: list[Caller]
    asking: list[Caller]

    async def measure(self, disturb: Callable[[], AbstractAsyncContextManager[None]]) -> tuple[Rates, Rates]:
        """Of the same ledger and of the other one. Who stands still with a process of his own does not count."""
        rates = Rates(), Rates()
        others = (*self.same, *self.other)
        paying = [asyncio.create_task(caller.run()) for caller in others]
        try:
            for _ in range(ROUNDS):
                quiet = await self._phase(others)
                async with disturb():
                    disturbed = await self._phase(others)
                alive = {caller for caller in others if disturbed[caller]}
                for rate, callers in zip(rates, (self.same, self.other), strict=True):
                    rate.quiet.append(sum(quiet[caller] for caller in callers if caller in alive))
                    rate.disturbed.append(sum(disturbed[caller] for caller in callers))
        finally:
            await ended(paying)
        return rates

    async def _phase(self, callers: tuple[Caller, ...]) -> dict[Caller, int]:
        await asyncio.sleep(SETTLING_SECONDS)
        before = {caller: caller.paid for caller in callers}
        await asyncio.sleep(PHASE_SECONDS)
        return {caller: caller.paid - before[caller] for caller in callers}

    @asynccontextmanager
    async def asked_for(self, statement: str, *arguments: object) -> AsyncIterator[None]:
        """Another session's transaction has done this and hangs, and four callers want what it holds."""
        transaction = self.superuser.transaction()
        await transaction.start()
        await self.superuser.execute(statement, *arguments)
        asking = [asyncio.create_task(caller.run()) for caller in self.asking]
        before = [caller.paid for caller in self.asking]
        try:
            yield
            assert [caller.paid for caller in self.asking] == before, "it was not held"
        finally:
            await ended(asking)
            close_all(self.asking)  # Answers that are still to come belong to no request of the next round.
            await transaction.rollback()

    @asynccontextmanager
    async def one_stopped(self) -> AsyncIterator[None]:
        """One API process stands still inside its transaction."""
        pid = await self._stop_in_transaction(self.installation.api_pids()[0])
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _stop_in_transaction(self, pid: int) -> int:
        hanging = (
            "select pid, xact_start from pg_stat_activity "
            "where application_name = 'zerosum lane' and state = 'idle in transaction'"
        )
        async with asyncio.timeout(60):
            while True:
                os.kill(pid, signal.SIGSTOP)
                seen = {tuple(row) for row in await self.superuser.fetch(hanging)}
                await asyncio.sleep(0.05)
                if seen.intersection(tuple(row) for row in await self.superuser.fetch(hanging)):
                    return pid
                os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(0.01)


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def close_all(callers: list[Caller]) -> None:
    for caller in callers:
        caller.wire.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed("--workers", "2") as installation:
        yield installation


@pytest.fixture
async def town(running: Installation) -> AsyncIterator[Town]:
    created = json.loads(zerosum("ledgers", "create", "other", "--data-dir", str(running.folder)).out)
    first, second = running.credentials["api_key"], created["api_key"]
    suffix = next(_numbers)
    ours = [f"{code}:{suffix}" for code in ("stuck", "target", "a", "b")]
    await opened(running, first, ours)
    await opened(running, second, ours)

    def callers(api_key: str, number: int, payer: str, payee: str, key: str | None = None) -> list[Caller]:
        return [Caller(Wire(running.base_url, api_key), payer, payee, key) for _ in range(number)]

    stuck, target, a, b = ours
    superuser = await running.superuser()
    await superuser.execute("set idle_in_transaction_session_timeout = 0")  # a holder whom nothing ends
    made = Town(
        running,
        superuser,
        UUID(running.credentials["ledger"].removeprefix("led_")),
        same=callers(first, 2 * CALLERS, a, b),
        other=callers(second, 2 * CALLERS, a, b),
        asking=callers(first, CALLERS, stuck, target),
    )
    yield made
    close_all([*made.same, *made.other, *made.asking])
    await superuser.close()


async def opened(running: Installation, api_key: str, codes: list[str]) -> None:
    wire = Wire(running.base_url, api_key)
    for code in codes:
        body = {"code": code, "currency": "USD", "type": "liability", "min_available": None}
        assert (await wire.ask("POST", "/v1/accounts", body)).status == 201
    wire.close()


def judge(name: str, rates: tuple[Rates, Rates]) -> None:
    same, other = rates
    print(f"\n{name}: same ledger {same}; other ledger {other}")
    assert same.kept >= SAME_LEDGER_MIN
    assert other.kept >= OTHER_LEDGER_MIN


@pytest.mark.campaign
async def test_a_row_that_is_held_costs_only_those_who_want_it(town: Town) -> None:
    statement = "select from accounts where ledger_id = $1 and code = $2 for update"
    rates = await town.measure(lambda: town.asked_for(statement, town.ledger_id, town.asking[0].payer))
    judge("a row that is held", rates)


@pytest.mark.campaign
async def test_a_key_that_is_not_committed_costs_only_those_who_use_it(town: Town) -> None:
    statement = (
        "insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint, "
        "resource_type, reason, actor) select $1, gen_random_uuid(), now(), now(), key, '', 'journal_entry', 'x', 'x' "
        "from unnest($2::text[]) key"
    )

    def held() -> AbstractAsyncContextManager[None]:
        """Others in each round: once they are free, who asked for them is carried out."""
        for caller in town.asking:
            caller.key = f"held-{next(_numbers)}"
        return town.asked_for(statement, town.ledger_id, [caller.key for caller in town.asking])

    rates = await town.measure(held)
    judge("a key that is not committed", rates)


@pytest.mark.campaign
async def test_an_api_process_that_stands_still_in_its_transaction_costs_the_others_little(town: Town) -> None:
    judge("an API process stopped in its transaction", await town.measure(town.one_stopped))
