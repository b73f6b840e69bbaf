"""A service with a sandbox behind it, and a caller who has money there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.api.conftest import Client
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import (
    client_with,
    leave_nothing_to_do,
    processing_service,
    processors_file,
    sandbox_running,
)
from zerosum.cli.sandbox.books import SandboxBooks
from zerosum.cli.sandbox.server import Sandbox
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    with sandbox_running() as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    """Who has carried out nothing yet."""
    _sandbox.books = SandboxBooks()
    return _sandbox


@pytest.fixture(scope="session")
async def _outside(
    test_database: TestDatabase, servers: Servers, _sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    file = processors_file(tmp_path_factory.mktemp("processors"), _sandbox.url)
    async with processing_service(test_database, servers, file) as running:
        yield running


@pytest.fixture
async def outside(_outside: Service, sandbox: Sandbox) -> AsyncIterator[Service]:
    """One for all tests of the room: to put it together takes longer than most of them."""
    assert sandbox.books.payments == {}
    yield _outside
    await leave_nothing_to_do(_outside)


@pytest.fixture
async def alice(outside: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    client = await client_with(outside, ledger_id)
    yield client
    await client.http.aclose()
