"""SIGTERM under load: what was accepted is answered, nothing acknowledged is lost, and the service comes back.

A caller sends its next request when it has the answer to the last one, on the same connection unless it was told to
close it. A connection that ends between a request and its answer is the one thing that must not happen.

That is promised to callers who go on at once: a connection that was idle for `LINGER_SECONDS` is closed. Where the
callers themselves stood still for about as long (a machine that takes the processor from them does that), the run says
nothing of the service and is taken again.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest

from tests.campaigns.installation import Installation, installed, start
from tests.campaigns.record import prepared_accounts
from tests.campaigns.wire import CutOff, NotTaken, Wire
from tests.committer.ground import assert_books_are_right
from zerosum.gateway.server.lingering_server import LINGER_SECONDS

CALLERS = 32
BACK_SECONDS_MAX = 10.0
END_SECONDS_MAX = 10.0
PAUSE_SECONDS_MAX = LINGER_SECONDS / 2
RUNS_MAX = 4


class CallersStoodStill(Exception):
    """For longer than any caller who is called busy."""


@dataclass
class Load:
    """Callers that keep paying, and what they were told."""

    installation: Installation
    accounts: list[str]
    name: str
    paid: dict[str, str] = field(default_factory=dict)
    """The payment's id by key."""
    refused: dict[str, int] = field(default_factory=dict)
    cut_off: list[str] = field(default_factory=list)
    not_taken: int = 0
    longest_pause: float = 0.0
    """Of the callers themselves, in seconds."""
    is_over: bool = False

    async def run(self) -> None:
        await asyncio.gather(self._note_pauses(), *(self._caller(number) for number in range(CALLERS)))

    async def _note_pauses(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.is_over:
            before = loop.time()
            await asyncio.sleep(0.01)
            self.longest_pause = max(self.longest_pause, loop.time() - before)

    async def _caller(self, number: int) -> None:
        chance = random.Random(number)
        wire = Wire(self.installation.base_url, self.installation.credentials["api_key"])
        sent = 0
        while not self.is_over:
            sent += 1
            key = f"{self.name}-{number}-{sent}"
            payer, payee = chance.sample(self.accounts, 2)
            try:
                answer = await wire.pay(payer, payee, "0.01", key)
            except NotTaken:
                self.not_taken += 1
                await asyncio.sleep(0.02)
            except CutOff as error:
                self.cut_off.append(f"{key}: {error}")
            else:
                if answer.status == 201:
                    self.paid[key] = answer.content["id"]
                else:
                    self.refused[key] = answer.status
        wire.close()


async def judge(installation: Installation, load: Load) -> None:
    superuser = await installation.superuser()
    ledger_id = UUID(installation.credentials["ledger"].removeprefix("led_"))
    try:
        rows = await superuser.fetch(
            "select idempotency_key as key, id from journal_entries where ledger_id = $1 and idempotency_key like $2",
            ledger_id,
            f"{load.name}-%",
        )
        stored = {row["key"]: f"pay_{row['id']}" for row in rows}
        assert load.paid == stored, "what was acknowledged, and nothing else, is there"
        await assert_books_are_right(superuser, ledger_id)
    finally:
        await superuser.close()
    print(
        f"\n{len(load.paid)} paid, {len(load.refused)} refused, {load.not_taken} not taken, {len(load.cut_off)} cut off"
    )
    if load.cut_off and load.longest_pause > PAUSE_SECONDS_MAX:
        raise CallersStoodStill
    assert load.cut_off == [], f"the callers paused for {load.longest_pause:.2f} s at most; {installation.log()}"
    assert set(load.refused.values()) <= {503}
    assert len(load.paid) > 100


async def terminate_one_after_another(installation: Installation, cycles: int) -> None:
    """A single API process at a time; each is back before the next goes."""
    chance = random.Random(1)
    for _ in range(cycles):
        await asyncio.sleep(chance.uniform(0.1, 0.4))
        before = installation.api_pids()
        victim = chance.choice(before)
        os.kill(victim, signal.SIGTERM)
        await until_back(installation, victim)
    await asyncio.sleep(0.5)


async def until_back(installation: Installation, victim: int) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BACK_SECONDS_MAX
    while victim in (pids := installation.api_pids()) or len(pids) < 2:
        assert loop.time() < deadline, "an API process did not come back"
        await asyncio.sleep(0.05)


async def under_load(
    installation: Installation, accounts: list[str], name: str, disturb: Callable[[], Awaitable[None]]
) -> Load:
    load = Load(installation, accounts, name)
    running = asyncio.ensure_future(load.run())
    try:
        await disturb()
    finally:
        load.is_over = True
        await running
    return load


async def single_processes(cycles: int) -> None:
    with installed("--workers", "2", is_warm=True) as installation:
        accounts = await prepared_accounts(installation.base_url, installation.headers, 12)
        load = await under_load(
            installation, accounts, "single", lambda: terminate_one_after_another(installation, cycles)
        )
        await judge(installation, load)
        assert load.not_taken == 0, "the other process, and the queue of this one, are there all the time"


async def whole_service(cycles: int) -> None:
    with installed(is_warm=True) as installation:
        accounts = await prepared_accounts(installation.base_url, installation.headers, 12)
        again = installation
        for cycle in range(cycles):
            running = again

            async def end(running: Installation = running) -> None:
                await asyncio.sleep(0.7)
                running.process.send_signal(signal.SIGTERM)
                code = await asyncio.to_thread(running.process.wait, END_SECONDS_MAX)
                assert code == 0

            load = await under_load(running, accounts, f"whole-{cycle}", end)
            again = await asyncio.to_thread(start, installation.folder, is_warm=True)
            await judge(again, load)
        again.stop()


async def with_busy_callers(run: Callable[[], Awaitable[None]]) -> None:
    for _ in range(RUNS_MAX):
        try:
            await run()
        except CallersStoodStill:
            continue
        return
    pytest.fail("the callers stood still in every run: this machine cannot tell")


async def test_api_processes_that_are_told_to_stop_answer_what_they_accepted() -> None:
    await with_busy_callers(lambda: single_processes(cycles=3))


async def test_a_service_that_is_told_to_stop_answers_what_it_accepted() -> None:
    await with_busy_callers(lambda: whole_service(cycles=1))


@pytest.mark.campaign
async def test_20_api_processes_that_are_told_to_stop() -> None:
    await with_busy_callers(lambda: single_processes(cycles=20))


@pytest.mark.campaign
async def test_5_services_that_are_told_to_stop() -> None:
    await with_busy_callers(lambda: whole_service(cycles=5))


def test_who_follows_the_feed_is_let_go_at_once() -> None:
    """An answer that would go on for half an hour holds up no end."""
    with installed("--workers", "1", is_warm=True) as installation:
        headers = {**installation.headers, "accept": "text/event-stream"}
        url = f"{installation.base_url}/v1/events?after=latest"
        with httpx.stream("GET", url, headers=headers, timeout=20, trust_env=False) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            installation.process.send_signal(signal.SIGINT)
            told_at = time.monotonic()
            assert all(not line or line.startswith(("id: ", ":")) for line in lines), "and its answer ends as it should"
            assert time.monotonic() - told_at < END_SECONDS_MAX / 2
        installation.stop()
        assert installation.process.returncode == 0, installation.log()
