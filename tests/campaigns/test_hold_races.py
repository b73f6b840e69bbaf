"""Two verbs at one hold at the same moment, asked of two processes, a thousand times for each pair of verbs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.conftest import service as service
from tests.api.test_hold_races import PAIRS, must_be_right, race
from tests.cli.test_serve import SECRET, serving
from tests.conftest import Servers, TestDatabase
from zerosum.db.engine import Database
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

ROUNDS = int(os.environ.get("ROUNDS", "1000"))
AT_ONCE = 50
"""So many holds at once, each of them asked of both processes."""

TRIES_MAX = 20


@dataclass
class PatientClient(Client):
    """Asks again, under the same key, where a busy machine or a connection closed for being idle was the answer:
    that tells nothing of who has won.
    """

    asked_again: int = 0

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self._asked(lambda: super(PatientClient, self).get(path, **options))

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> httpx.Response:
        key = key or fresh_key()
        return await self._asked(lambda: super(PatientClient, self).post(path, body, key=key, **options))

    async def _asked(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        for _ in range(TRIES_MAX):
            with contextlib.suppress(httpx.TransportError):
                answer = await ask()
                if answer.status_code not in (503, 504) and "idempotency_in_progress" not in answer.text:
                    return answer
            self.asked_again += 1
            await asyncio.sleep(0.25)
        return answer


@pytest.fixture(scope="module")
def urls(test_database: TestDatabase, servers: Servers) -> Iterator[tuple[str, str]]:
    """Each of a `zerosum serve` of one process, as on two machines."""
    environment = {
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_REDIS_URL": servers.redis_url,
        "ZEROSUM_API_KEY_PEPPER": SECRET,
        "ZEROSUM_CURSOR_SECRET": SECRET,
        "ZEROSUM_MASTER_KEYS": f"test:{SECRET}",
        "ZEROSUM_RATE_LIMIT_PER_PRINCIPAL": "off",
        "ZEROSUM_RATE_LIMIT_PER_LEDGER": "off",
    }
    with serving(environment, "--workers", "1") as (one, _), serving(environment, "--workers", "1") as (other, _):
        yield one, other


@pytest.fixture
async def both(
    service: Service, urls: tuple[str, str], ledger_id: LedgerId
) -> AsyncIterator[tuple[PatientClient, PatientClient]]:
    made = await make_client(service, ledger_id)
    await made.http.aclose()
    headers = {"Authorization": f"Bearer {made.api_key}"}
    clients = []
    async with AsyncExitStack() as stack:
        for url in urls:
            http = httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, verify=False, timeout=60.0)
            clients.append(PatientClient(await stack.enter_async_context(http), made.ledger, made.api_key))
        yield clients[0], clients[1]


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
async def test_of_each_pair_of_verbs_over_two_processes_one_ends_it_a_thousand_times(
    both: tuple[PatientClient, PatientClient], pair: tuple[str, str], database: Database, ledger_id: LedgerId
) -> None:
    for code in ("guest", "hotel"):
        await both[0].open_account(code, min_available=None)
    began, turned = time.monotonic(), (both[1], both[0])
    for first in range(0, ROUNDS, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, ROUNDS))
        try:
            async with asyncio.TaskGroup() as races:
                for number in numbers:
                    races.create_task(race(both if number % 2 else turned, pair))
        except* Exception as several:
            print(f"{pair}, within {numbers}: {several.exceptions[0]!r}", flush=True)  # also where a later pair hangs
            raise
    print(f"{pair}: {time.monotonic() - began:.0f} s, looking at the books", flush=True)
    for attempt in range(1, TRIES_MAX + 1):
        try:
            await must_be_right(both[0], database, ledger_id)
            break
        except Unavailable:  # a busy machine lets a transaction of the proofs lie for longer than it may
            if attempt == TRIES_MAX:
                raise
    again = sum(one.asked_again for one in both)
    print(f"{pair}: {ROUNDS} rounds, {time.monotonic() - began:.0f} s, asked again {again} times", flush=True)
