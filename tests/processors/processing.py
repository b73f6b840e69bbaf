"""A service with processors: the sandbox in a thread of its own, and the worker's turns when a test wants them."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.api.conftest import Client, make_client, service_settings
from tests.conftest import Servers, TestDatabase
from zerosum.adapters.clock import now
from zerosum.cli.sandbox.server import Sandbox, SandboxOptions
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background.completer import Completer

SECRET = "a secret of the sandbox"

QUICK = {
    "timeout_seconds": 2.0,
    "backoff_seconds": 0.05,
    "backoff_seconds_max": 0.2,
    "at_once": 8,
    "attempts_max": 100,
    "breaker_failures": 0,
}


@contextmanager
def sandbox_running(**options: Any) -> Iterator[Sandbox]:
    given = {"port": 0, "secret": SECRET.encode(), "hang_seconds": 3.0, **options}
    sandbox = Sandbox(SandboxOptions(**given))
    thread = threading.Thread(target=sandbox.serve_forever, daemon=True)
    thread.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
        thread.join()


def processors_file(folder: Path, url: str, **rules: Any) -> Path:
    members = {"kind": "sandbox", "base_url": url, "secret": SECRET, **QUICK, **rules}
    path = folder / "processors.json"
    path.write_text(json.dumps({"processors": {"sandbox": members}}), encoding="utf-8")
    return path


@asynccontextmanager
async def processing_service(database: TestDatabase, servers: Servers, file: Path) -> AsyncIterator[Service]:
    running = Service(service_settings(database, servers, processors_file=file))
    await running.start()
    try:
        yield running
    finally:
        await leave_nothing_to_do(running)
        await running.stop()


async def leave_nothing_to_do(service: Service) -> None:
    """Whoever looks next, looks over all ledgers of this database."""
    async with service.database.operator_work() as connection:
        await connection.exec_driver_sql(
            "update processor_calls set state = 'parked', next_at = null where next_at is not null "
            "and processor <> 'away'"
        )


def completer_of(service: Service, name: str = "sandbox", **rules: Any) -> Completer:
    configured = service.settings.processors()[name]
    asked = replace(configured, rules=configured.rules.model_copy(update=rules))
    return Completer(service.database, service.committer, asked, now)


async def client_with(service: Service, ledger_id: LedgerId, amount: str = "1000.00") -> Client:
    """Alice has so much, and the internal processor has brought it."""
    client = await make_client(service, ledger_id)
    await client.open_account("alice")
    await client.deposit("alice", amount)
    return client


async def withdrawn(client: Client, amount: str = "20.00", **members: Any) -> dict[str, Any]:
    body = {
        "type": "withdrawal",
        "amount": amount,
        "currency": "USD",
        "from": "alice",
        "processor": "sandbox",
        **members,
    }
    answer = await client.pay(body)
    assert answer.status_code == 201, answer.text
    payment: dict[str, Any] = answer.json()
    return payment
