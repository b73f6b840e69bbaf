"""A service whose webhooks may go to this machine, and dispatchers for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest

from tests.api.conftest import Client, make_client, service_settings
from tests.conftest import Servers, TestDatabase
from zerosum.adapters.address_guard import AddressGuard
from zerosum.adapters.clock import now
from zerosum.adapters.webhook_client import WebhookClient
from zerosum.api.schemas.events import event_body
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.webhooks.dispatcher import Dispatcher
from zerosum.services.webhooks.secrets import EndpointSecrets

Found = TypeVar("Found")
Dispatching = Callable[..., AbstractAsyncContextManager[Dispatcher]]


@pytest.fixture(scope="session")
async def webhook_service(test_database: TestDatabase, servers: Servers) -> AsyncIterator[Service]:
    running = Service(service_settings(test_database, servers, webhook_allow_private=True))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(webhook_service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    made = await make_client(webhook_service, ledger_id)
    yield made
    await made.http.aclose()


@pytest.fixture(scope="session")
async def strict_service(test_database: TestDatabase, servers: Servers) -> AsyncIterator[Service]:
    """One as it is without any setting about webhooks."""
    service = Service(service_settings(test_database, servers, base_url="https://pay.zerosum.example.com"))
    yield service
    await service.database.close()


@pytest.fixture
async def strict_client(strict_service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    made = await make_client(strict_service, ledger_id)
    made.http.base_url = "https://pay.zerosum.example.com"
    yield made
    await made.http.aclose()


@pytest.fixture
def dispatching(database: Database, webhook_service: Service, ledger_id: LedgerId) -> Dispatching:
    """A dispatcher that sees this test's ledger alone: others of the same database have endpoints too."""

    @contextlib.asynccontextmanager
    async def run(*, is_running: bool = True, clock: Any = now, **options: Any) -> AsyncIterator[Dispatcher]:
        client = WebhookClient(AddressGuard(allow_private=True), **options)
        current_id, keys = webhook_service.settings.master_key_pairs()
        sealer = Sealer(database, MasterKeys(current_id, keys), now)
        dispatcher = Dispatcher(database, EndpointSecrets(sealer), client, event_body, clock, only=[ledger_id])
        stop = asyncio.Event()
        task = asyncio.create_task(dispatcher.run(stop)) if is_running else None
        try:
            yield dispatcher
        finally:
            stop.set()
            if task is not None:
                await task
            await client.close()

    return run


async def endpoint_of(client: Client, url: str, **members: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhook-endpoints", {"url": url, **members})
    assert answer.status_code == 201, answer.text
    endpoint: dict[str, Any] = answer.json()
    return endpoint


async def deliveries_of(client: Client, endpoint: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/webhook-endpoints/{endpoint['id']}/deliveries", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


class Clock:
    """The real one, put forward as far as a test wants."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self._ahead

    def forward(self, by: timedelta) -> None:
        self._ahead += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def until(look: Callable[[], Awaitable[Found]], is_enough: Callable[[Found], bool], seconds: float = 20) -> Found:
    """What is found, once that is enough."""
    async with asyncio.timeout(seconds):
        while True:
            found = await look()
            if is_enough(found):
                return found
            await asyncio.sleep(0.05)
