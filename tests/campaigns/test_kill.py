"""kill -9 under load: nothing acknowledged is lost, nothing is doubled, and what is unknown settles by its key."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from tests.at_length import as_many_as
from tests.campaigns.installation import Installation, installed
from tests.campaigns.record import Campaign, prepared_accounts
from tests.committer.ground import transactions_left_open

CALLERS = 16
WORKERS_BACK_SECONDS_MAX = 10.0
BACKENDS = """
select pid from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""

KILLS = as_many_as(2, at_length=4)

one_or_two = pytest.mark.parametrize("processes", [1, 2])
"""One that is alone goes from memory, two batches at a time; two read under their locks what the other has changed."""


async def _under_load(installation: Installation, disturb: Callable[[], Awaitable[None]], least: int = 100) -> None:
    accounts = await prepared_accounts(installation.base_url, installation.headers, 12)
    record = installation.folder.parent / "record.jsonl"
    campaign = Campaign(installation.base_url, installation.headers, record, accounts)
    paying = asyncio.ensure_future(campaign.pay_until_stopped(CALLERS, seed=20261121))
    try:
        await disturb()
    finally:
        campaign.stop.set()
        await paying
    await asyncio.to_thread(installation.wait_until_ready)
    unknown = await campaign.settle()
    superuser = await installation.superuser()
    try:
        figures = await campaign.judge(superuser, UUID(installation.credentials["ledger"].removeprefix("led_")))
        left_open = await transactions_left_open(superuser)
    finally:
        await superuser.close()
    print(f"\n{figures}, {unknown} settled by their keys")
    assert not left_open
    assert figures["acknowledged"] > least


async def _kill_api_workers(installation: Installation, cycles: int, processes: int) -> None:
    generator = random.Random(1)
    for _ in range(cycles):
        await asyncio.sleep(generator.uniform(0.2, 0.8))
        victims = installation.api_pids()
        if victims:
            os.kill(generator.choice(victims), signal.SIGKILL)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WORKERS_BACK_SECONDS_MAX
    while len(installation.api_pids()) < processes:
        assert loop.time() < deadline, "an API process did not come back"
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)


async def _kill_postgres(installation: Installation, cycles: int) -> None:
    for _ in range(cycles):
        await asyncio.sleep(1.5)
        os.kill(installation.postgres_pid(), signal.SIGKILL)
        await asyncio.sleep(0.5)
        took = await asyncio.to_thread(installation.wait_until_ready)
        print(f"\nready {took + 0.5:.1f} s after PostgreSQL was killed")
    await asyncio.sleep(1.0)


async def _terminate_backends(installation: Installation, count: int) -> None:
    """Of the lanes and of everything else alike, also in the middle of a transaction."""
    generator = random.Random(2)
    superuser = await installation.superuser()
    ended = 0
    try:
        while ended < count:
            await asyncio.sleep(generator.uniform(0.05, 0.25))
            pids = [row[0] for row in await superuser.fetch(BACKENDS)]
            if pids:
                ended += await superuser.fetchval("select pg_terminate_backend($1)::int", generator.choice(pids))
    finally:
        await superuser.close()
    await asyncio.sleep(1.0)


@one_or_two
async def test_killed_api_processes_lose_and_double_nothing(processes: int) -> None:
    with installed("--workers", str(processes), is_warm=True) as installation:
        # While the only one is away nobody pays.
        await _under_load(
            installation, lambda: _kill_api_workers(installation, KILLS, processes), 10 if processes == 1 else 100
        )


async def test_a_killed_postgresql_loses_and_doubles_nothing() -> None:
    with installed(is_warm=True) as installation:
        await _under_load(installation, lambda: _kill_postgres(installation, cycles=1))


@pytest.mark.campaign
@one_or_two
async def test_20_killed_api_processes(processes: int) -> None:
    with installed("--workers", str(processes)) as installation:
        await _under_load(installation, lambda: _kill_api_workers(installation, 20, processes), 50)


@pytest.mark.campaign
async def test_12_killed_postgresqls() -> None:
    with installed() as installation:
        await _under_load(installation, lambda: _kill_postgres(installation, cycles=12))


async def test_terminated_backends_lose_and_double_nothing() -> None:
    with installed(is_warm=True) as installation:
        await _under_load(installation, lambda: _terminate_backends(installation, count=10))


@pytest.mark.campaign
@one_or_two
async def test_200_terminated_backends(processes: int) -> None:
    with installed("--workers", str(processes)) as installation:
        await _under_load(installation, lambda: _terminate_backends(installation, count=200))
