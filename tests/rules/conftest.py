"""A service with rules, which tests write anew, and two people of one ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.conftest import Client, make_client
from tests.conftest import Servers, TestDatabase
from tests.rules.judging import HELD, judging_service, read_at_once, with_money, write_rules
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


@pytest.fixture(scope="session")
def rules_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rules(tmp_path_factory.mktemp("rules") / "rules.json")


@pytest.fixture(scope="session")
async def judging(test_database: TestDatabase, servers: Servers, rules_path: Path) -> AsyncIterator[Service]:
    async with judging_service(test_database, servers, rules_path) as running:
        yield running


@pytest.fixture
async def rules_file(judging: Service, rules_path: Path) -> AsyncIterator[Path]:
    """Empty at first, and again after the test."""
    yield rules_path
    write_rules(rules_path)
    await read_at_once(judging)


@pytest.fixture
async def alice(judging: Service, rules_file: Path, ledger_id: LedgerId) -> AsyncIterator[Client]:
    client = await with_money(judging, ledger_id)
    yield client
    await client.http.aclose()


@pytest.fixture
async def holding(judging: Service, rules_file: Path, alice: Client) -> str:
    """Transfers above 100 are held, those from 1,000 on for two. The version."""
    write_rules(rules_file, HELD)
    return await read_at_once(judging)


@pytest.fixture
async def people(judging: Service, ledger_id: LedgerId, holding: str) -> AsyncIterator[list[Client]]:
    """Two who have made nothing."""
    clients = [await make_client(judging, ledger_id) for _ in range(2)]
    yield clients
    for client in clients:
        await client.http.aclose()
