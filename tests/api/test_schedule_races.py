"""Cancelling against running, workers against each other, and a worker that is killed: it ends one way, and once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.scheduling import RENT, SOON, read, scheduled, worker_at
from tests.cli.test_serve import SECRET
from tests.conftest import Servers, TestDatabase
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

ROUNDS = 5
AT_ONCE = 10
KILLED_OF = 300
DUE_IN = timedelta(seconds=3)
SECONDS_MAX = 60.0


@pytest.fixture
async def both(neighbours: tuple[Client, Client]) -> tuple[Client, Client]:
    for code in ("tenant", "landlord"):
        await neighbours[0].open_account(code, min_available=None)
    return neighbours


async def test_it_is_paid_or_cancelled_and_paid_by_one_of_two_workers(
    both: tuple[Client, Client],
    service: Service,
    framework_service: Service,
    database: Database,
    ledger_id: LedgerId,
) -> None:
    paid = 0
    for number in range(ROUNDS):
        due = [await scheduled(both[0]) for _ in range(AT_ONCE)]
        moment = now() + SOON
        async with worker_at(service, moment) as one, worker_at(framework_service, moment) as other:

            async def cancel(index: int, schedule: str) -> int:
                await asyncio.sleep(index * 0.002)
                path = f"/v1/scheduled-payments/{schedule}/cancel"
                return (await both[index % 2].post(path, key=fresh_key())).status_code

            calls = [cancel(index + number, made["id"]) for index, made in enumerate(due)]
            *statuses, _, _ = await asyncio.gather(*calls, one.run_once(), other.run_once())
        after = [await read(both[1], made) for made in due]
        for status, schedule in zip(statuses, after, strict=True):
            assert (status, schedule["status"]) in {(200, "cancelled"), (409, "completed")}
            assert schedule["payments_made"] == (schedule["status"] == "completed")
        paid += sum(schedule["payments_made"] for schedule in after)
    assert (await both[0].balance("landlord"))["posted"] == f"{10 * paid}.00"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_killed_worker_neither_loses_nor_doubles(
    client: Client,
    service: Service,
    test_database: TestDatabase,
    servers: Servers,
    database: Database,
    ledger_id: LedgerId,
) -> None:
    """It dies while it runs what was due; another one does the rest."""
    for code in ("tenant", "landlord"):
        await client.open_account(code, min_available=None)
    environment = {
        **os.environ,
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_REDIS_URL": servers.redis_url,
        "ZEROSUM_API_KEY_PEPPER": SECRET,
        "ZEROSUM_CURSOR_SECRET": SECRET,
        "ZEROSUM_MASTER_KEYS": f"test:{SECRET}",
    }
    body = {**RENT, "amount": "1", "execute_at": (now() + DUE_IN).isoformat()}
    calls = [client.post("/v1/scheduled-payments", body, key=fresh_key()) for _ in range(KILLED_OF)]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {201}
    worker = subprocess.Popen([sys.executable, "-m", "zerosum", "worker"], env=environment)

    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not (await client.balance("landlord"))["version"]:
                await asyncio.sleep(0.002)
    finally:
        worker.kill()
        worker.wait()
    # What the dead one still holds is passed by, until PostgreSQL has noticed.
    async with asyncio.timeout(SECONDS_MAX), worker_at(service, now()) as another:
        while (await client.balance("landlord"))["version"] < KILLED_OF:
            await another.run_once()
    assert (await client.balance("landlord"))["posted"] == f"{KILLED_OF}.00"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
