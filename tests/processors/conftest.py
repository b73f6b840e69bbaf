"""A service with a sandbox behind it, and a caller who has money there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Client
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import client_with, processing_service, processors_file, sandbox_running
from zerosum.cli.sandbox.server import Sandbox
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_running() as running:
        yield running


@pytest.fixture
async def outside(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Service]:
    async with processing_service(test_database, servers, processors_file(tmp_path, sandbox.url)) as running:
        yield running


@pytest.fixture
async def alice(outside: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    client = await client_with(outside, ledger_id)
    yield client
    await client.http.aclose()
