"""A COMMIT whose reply is lost, seen by callers of both API processes of a real `zerosum serve`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.api.conftest import make_client
from tests.api.conftest import service as service
from tests.campaigns.installation import answers, children
from tests.campaigns.wire import Answer, Wire, transfer
from tests.cli.lost_commits import LossyWay
from tests.cli.test_serve import SECRET, serving
from tests.committer.ground import assert_books_are_right
from tests.conftest import Servers, TestDatabase
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PROCESSES = 2
DEADLINE_SECONDS = 2.0
"""Longer than a lane waits for a database that is away: who asks with another key is told so before."""

WIRES_MAX = 64
CALLS_TO_MEET_ALL = 4
"""Or most: which process answers is not looked at."""

_numbers = count(1)


@dataclass
class Town:
    """Two connections to each of the processes, and what these reach PostgreSQL by."""

    way: LossyWay
    url: str
    unseen_api_key: str
    wires: list[tuple[Wire, Wire]]

    async def pay(self, key: str) -> list[Answer]:
        """Asked of each process at once."""
        return await asyncio.gather(*(wire.pay("payer", "payee", "1.00", key) for wire, _ in self.wires))

    async def pay_another(self) -> list[Answer]:
        """With keys that nobody has used."""
        return await asyncio.gather(
            *(wire.pay("payer", "payee", "2.00", f"another-{next(_numbers)}") for _, wire in self.wires)
        )

    async def ask_as_stranger(self, path: str, body: Any, key: str | None) -> Answer:
        """On a new connection, by a credential that no process has seen: the database would have to say whose it is."""
        wire = Wire(self.url, self.unseen_api_key)
        answer = await wire.ask("POST", path, body, key=key)
        wire.close()
        return answer

    async def paid(self) -> int:
        """So many payments to the payee."""
        answer = await self.wires[0][0].ask("GET", "/v1/accounts/payee/balance")
        version: int = answer.content["version"]
        return version


@asynccontextmanager
async def started(environment: dict[str, str]) -> AsyncIterator[tuple[str, int]]:
    """Its address and its process. It is started beside this loop, in which its way to the database is."""
    running = serving(environment, "--workers", str(PROCESSES))
    url, process = await asyncio.to_thread(running.__enter__)
    try:
        yield url, process.pid
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def wires_to_each(url: str, supervisor: int, api_key: str) -> list[tuple[Wire, Wire]]:
    """The kernel gives each connection to a process of its choice: as many are made as are needed."""
    found: dict[int, list[Wire]] = {pid: [] for pid in children(supervisor)}
    for _ in range(WIRES_MAX):
        wire = Wire(url, api_key)
        assert (await wire.ask("GET", "/v1/accounts")).status == 200
        [pid] = [pid for pid in found if answers(pid, int(url.rsplit(":", 1)[1]), wire.port)]
        if len(found[pid]) < 2:
            found[pid].append(wire)
        else:
            wire.close()
        if all(len(wires) == 2 for wires in found.values()):
            break
    return [(one, other) for one, other in found.values()]


@pytest.fixture
async def town(
    service: Service, test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> AsyncIterator[Town]:
    way = LossyWay(test_database.service_dsn)
    await way.start()
    client = await make_client(service, ledger_id)
    for code in ("payer", "payee"):
        await client.open_account(code, min_available=None)
    stranger = await make_client(service, ledger_id)
    for made in (client, stranger):
        await made.http.aclose()
    environment = {
        "ZEROSUM_DATABASE_URL": way.dsn,
        "ZEROSUM_REDIS_URL": servers.redis_url,
        "ZEROSUM_API_KEY_PEPPER": SECRET,
        "ZEROSUM_CURSOR_SECRET": SECRET,
        "ZEROSUM_MASTER_KEYS": f"test:{SECRET}",
        "ZEROSUM_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
    }
    try:
        async with started(environment) as (url, pid):
            wires = await wires_to_each(url, pid, client.api_key)
            assert len(wires) == PROCESSES
            yield Town(way, url, stranger.api_key, wires)
            for wire in (wire for pair in wires for wire in pair):
                wire.close()
    finally:
        await way.close()


async def test_a_key_whose_commit_was_lost_is_504_at_each_process_until_it_is_known(
    town: Town, superuser: Superuser, ledger_id: LedgerId
) -> None:
    for is_done in (True, False):
        assert {answer.status for answer in await town.pay_another()} == {201}
        paid, key = await town.paid(), f"lost-{is_done}"
        town.way.lose_next(commits=is_done)
        losing, _ = town.wires[is_done]
        assert told(await losing.pay("payer", "payee", "1.00", key)) == (504, "outcome_unknown")
        assert town.way.is_away
        assert town.way.committed == 1
        unknown, others = await asyncio.gather(town.pay(key), town.pay_another())
        assert [told(answer) for answer in unknown] == [(504, "outcome_unknown")] * PROCESSES
        assert [told(answer) for answer in others] == [(503, "unavailable")] * PROCESSES
        await strangers_are_told_the_same(town, key)

        town.way.come_back()
        known = await town.pay(key)
        assert [answer.status for answer in known] == [201] * PROCESSES
        assert len({answer.body for answer in known}) == 1
        replayed = sum("idempotency-replayed" in answer.headers for answer in known)
        assert replayed == PROCESSES - (not is_done)
        assert [answer.body for answer in await town.pay(key)] == [known[0].body] * PROCESSES
        assert await town.paid() == paid + 1
    await assert_books_are_right(superuser, ledger_id)


async def strangers_are_told_the_same(town: Town, key: str) -> None:
    """As everybody is a stranger whom the database has not confirmed for five seconds."""
    payment = transfer("payer", "payee", "1.00")
    bulk = {"items": [{**payment, "idempotency_key": key}]}
    for _ in range(CALLS_TO_MEET_ALL):
        assert told(await town.ask_as_stranger("/v1/payments", payment, key)) == (504, "outcome_unknown")
        assert told(await town.ask_as_stranger("/v1/payments/bulk", bulk, None)) == (504, "outcome_unknown")
        assert told(await town.ask_as_stranger("/v1/payments", payment, "other")) == (503, "unavailable")


def told(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.code
