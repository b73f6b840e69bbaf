"""The service in this process: gateway, framework, committer and all, on the run's real PostgreSQL and Redis."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.serving import served
from tests.conftest import Once, Servers, TestDatabase
from zerosum.config import Settings, load_settings
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import ALL_SCOPES
from zerosum.main import Service

_keys = count(1)


def service_settings(test_database: TestDatabase, servers: Servers, **overrides: Any) -> Settings:
    """Settings for a service on the test servers, with fixed secrets and no rate limits unless a test wants them."""
    secret = base64.b64encode(bytes(range(32))).decode()
    return load_settings(
        **{
            "database_url": test_database.service_dsn,
            "redis_url": servers.redis_url,
            "api_key_pepper": secret,
            "cursor_secret": secret,
            "master_keys": f"test:{secret}",
            "rate_limit_per_principal": "off",
            "rate_limit_per_ledger": "off",
            "costly_reads_per_ledger": "off",
            "rate_limit_per_address": "off",
            "auth_failures_per_address": "off",
            "new_connections_per_address": 1_000_000,
            "base_url": "http://zerosum.test",
            "smtp_url": "smtp://mail.example.com",
            "mail_sender": "alerts@example.com",
            "processors_file": Path(__file__).with_name("processors.toml"),
            "trace_ratio": 1.0,
            **overrides,
        }
    )


@asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[Service]:
    running = Service(settings)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(scope="session")
async def service(once: Once, test_database: TestDatabase, servers: Servers) -> Service:
    """The same for all folders that import it: each takes half a second to start, and looks around meanwhile."""
    return await once.enter("service", lambda: _running(service_settings(test_database, servers)))


@pytest.fixture(scope="session")
async def framework_service(once: Once, test_database: TestDatabase, servers: Servers) -> Service:
    """The same service with every call going through the web framework."""
    settings = service_settings(test_database, servers, lean_routes=False)
    return await once.enter("framework service", lambda: _running(settings))


@pytest.fixture(scope="session")
async def service_port(once: Once, service: Service) -> int:
    """One listener for all: a server of each test's own takes a tenth of a second to notice that it is to stop."""
    return await once.enter("service port", lambda: served(service))


@pytest.fixture(scope="session")
async def framework_port(once: Once, framework_service: Service) -> int:
    return await once.enter("framework port", lambda: served(framework_service))


@dataclass
class Client:
    """An authenticated caller of one ledger. Money calls get a fresh key unless one is given."""

    http: httpx.AsyncClient
    ledger: str
    api_key: str
    codes: Any = field(default_factory=lambda: count(1))

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(path, **options)

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        sent = dict(headers or {})
        if key is not None:
            sent["Idempotency-Key"] = key
        return await self.http.post(path, json=body, headers=sent, **options)

    async def open_account(self, code: str | None = None, **members: Any) -> dict[str, Any]:
        """A liability in USD with a floor of zero, unless `members` say otherwise."""
        body = {"code": code or f"account:{next(self.codes)}", "currency": "USD", "type": "liability", **members}
        answer = await self.post("/v1/accounts", body)
        assert answer.status_code == 201, answer.text
        account: dict[str, Any] = answer.json()
        return account

    async def pay(self, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        return await self.post("/v1/payments", body, key=key or fresh_key())

    async def deposit(self, to: str, amount: str, currency: str = "USD") -> dict[str, Any]:
        answer = await self.pay({"type": "deposit", "amount": amount, "currency": currency, "to": to})
        assert answer.status_code == 201, answer.text
        payment: dict[str, Any] = answer.json()
        return payment

    async def transfer(self, from_: str, to: str, amount: str, key: str | None = None) -> httpx.Response:
        return await self.pay({"type": "transfer", "amount": amount, "currency": "USD", "from": from_, "to": to}, key)

    async def balance(self, account: str, **parameters: Any) -> dict[str, Any]:
        answer = await self.get(f"/v1/accounts/{account}/balance", params=parameters)
        assert answer.status_code == 200, answer.text
        balance: dict[str, Any] = answer.json()
        return balance


def fresh_key() -> str:
    return f"test-{next(_keys)}"


async def make_client(service: Service, ledger_id: LedgerId, scopes: Any = ALL_SCOPES) -> Client:
    record, text = await service.services.api_keys.create(ledger_id, "test", sorted(scope.value for scope in scopes))
    return client_of(service, f"led_{record.ledger_id}", text)


def client_of(service: Service, ledger: str, text: str) -> Client:
    """Who has this API key."""
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=service.app, raise_app_exceptions=False),  # type: ignore[arg-type]
        base_url="http://zerosum.test",
        headers={"Authorization": f"Bearer {text}"},
    )
    return Client(http, ledger, text)


@pytest.fixture
async def client(service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    """Every scope, in a fresh ledger."""
    made = await make_client(service, ledger_id)
    yield made
    await made.http.aclose()


async def over_socket(stack: AsyncExitStack, service: Service, ledger_id: LedgerId, port: int | None = None) -> Client:
    """The same through a connection, where requests may go express; without a port through a listener of its own."""
    made = await make_client(service, ledger_id)
    await made.http.aclose()
    if port is None:
        port = await stack.enter_async_context(served(service))
    headers = {"Authorization": f"Bearer {made.api_key}"}
    # There is no TLS to verify, and to load the certificates of the world takes longer than most of these tests.
    http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, verify=False)
    return Client(await stack.enter_async_context(http), made.ledger, made.api_key)


@pytest.fixture(params=["express", "framework"])
async def either_client(
    request: pytest.FixtureRequest,
    service: Service,
    service_port: int,
    framework_service: Service,
    framework_port: int,
    ledger_id: LedgerId,
) -> AsyncIterator[Client]:
    """The same over both ways to the hot routes, which must give the same answers."""
    ways = {"express": (service, service_port), "framework": (framework_service, framework_port)}
    way, port = ways[request.param]
    async with AsyncExitStack() as stack:
        yield await over_socket(stack, way, ledger_id, port)


@pytest.fixture(params=["express", "framework"])
async def either_client_in_process(
    request: pytest.FixtureRequest, service: Service, framework_service: Service, ledger_id: LedgerId
) -> AsyncIterator[Client]:
    """The same without a connection, for headers that no client would send: the gateway asks the express endpoints."""
    made = await make_client(service if request.param == "express" else framework_service, ledger_id)
    yield made
    await made.http.aclose()


@pytest.fixture
async def neighbours(
    service: Service, service_port: int, framework_service: Service, framework_port: int, ledger_id: LedgerId
) -> AsyncIterator[tuple[Client, Client]]:
    """Two services as two processes would run them: each with its own memory, one of them without the express way."""
    async with AsyncExitStack() as stack:
        express = await over_socket(stack, service, ledger_id, service_port)
        yield express, await over_socket(stack, framework_service, ledger_id, framework_port)


@pytest.fixture
async def stranger(service: Service) -> AsyncIterator[Client]:
    """Every scope, in another ledger."""
    other = await service.services.ledgers.create("another")
    made = await make_client(service, LedgerId(other.id))
    yield made
    await made.http.aclose()
