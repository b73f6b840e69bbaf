"""What a caller is told when nothing was done, when nobody knows, and what of it is counted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, over_socket, service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.committing.lane_loop import CommitterStats

COUNTED_AS = {
    "batches": "batches",
    "commands": "commands",
    "retries": "batch_retries",
    "unknown": "outcomes_unknown",
    "shed": "commands_shed",
    "expired": "commands_expired",
    "lanes_lost": "lanes_lost",
}
"""What a counter is called on /metrics."""


@pytest.fixture(params=["express", "framework"])
async def hasty(
    request: pytest.FixtureRequest, test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> AsyncIterator[tuple[Service, Client]]:
    """A service that waits a little longer for the rows that others hold than those may be held."""
    service = Service(
        service_settings(
            test_database, servers, deadline_seconds=3.5, lean_routes=request.param == "express", redis_url=None
        )
    )
    await service.start()
    async with AsyncExitStack() as stack:
        client = await over_socket(stack, service, ledger_id)
        await client.open_account("a")
        yield service, client
    await service.stop()


def deposit(client: Client, key: str) -> Any:
    return client.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}, key)


def unconfirmed(sound: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    async def lost(*arguments: Any) -> None:
        await sound(*arguments)
        raise CommitOutcomeUnknown

    return lost


async def test_a_commit_whose_fate_is_not_known_is_504_and_the_key_settles_it(
    hasty: tuple[Service, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = hasty
    await deposit(client, fresh_key())
    key = fresh_key()
    with monkeypatch.context() as patched:
        for way in ("commit", "post"):  # in steps, or in one round trip
            patched.setattr(BatchConnection, way, unconfirmed(getattr(BatchConnection, way)))
        problem = refused(await deposit(client, key), 504, "outcome_unknown")
    assert problem["retryable"] is True
    settled = await deposit(client, key)
    assert (settled.status_code, settled.headers["idempotency-replayed"]) == (201, "true")


async def test_accounts_that_somebody_holds_are_busy_for_a_second(
    hasty: tuple[Service, Client], superuser: Any, ledger_id: LedgerId
) -> None:
    _, client = hasty
    await deposit(client, fresh_key())
    key = fresh_key()
    async with superuser.transaction():
        await superuser.execute("select from accounts where ledger_id = $1 and code = 'a' for update", ledger_id)
        busy = await deposit(client, key)
    refused(busy, 503, "unavailable")
    assert busy.headers["retry-after"] == "1"
    assert (await deposit(client, key)).status_code == 201


async def test_every_counter_of_the_committer_is_told_under_its_name(hasty: tuple[Service, Client]) -> None:
    service, client = hasty
    assert {field.name for field in fields(CommitterStats)} - {"tally", "pace"} == COUNTED_AS.keys()
    for place, name in enumerate(COUNTED_AS):
        setattr(service.stats, name, 1000 + place)
    service.metrics.tell(service.readings())  # which it does itself once a second when it serves
    told = await _counters(client.http)
    assert {name: told(called) for name, called in COUNTED_AS.items()} == {
        name: 1000 + place for place, name in enumerate(COUNTED_AS)
    }


async def _counters(http: httpx.AsyncClient) -> Callable[[str], int]:
    text = (await http.get("/metrics")).text
    return lambda name: sum(int(float(one)) for one in re.findall(rf"^zerosum_{name}_total (\S+)", text, re.MULTILINE))
