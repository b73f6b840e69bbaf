"""Payments through a processor: pending until it has said what became of them, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Client
from tests.api.processing import (
    client_with,
    completer_of,
    processing_service,
    processors_file,
    sandbox_running,
    withdrawn,
)
from tests.conftest import Servers, TestDatabase
from zerosum.cli.sandbox.server import Sandbox
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger


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


async def standing(client: Client, account: str) -> tuple[str, str, str]:
    balance = await client.balance(account)
    return balance["posted"], balance["held"], balance["available"]


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_withdrawal_is_pending_until_its_processor_has_carried_it_out(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, "20.00", reference="rent")
    assert (payment["status"], payment["processor"], payment["approved"]) == ("processing", "sandbox", None)
    assert payment["to_code"] == "clearing:sandbox:USD"
    assert await standing(alice, "alice") == ("1000.00", "20.00", "980.00")
    await must_be_right(database, ledger_id)
    assert await completer_of(outside).run_once() == 1
    after = (await alice.get(f"/v1/payments/{payment['id']}")).json()
    assert (after["status"], after["approved"]) == ("succeeded", "20.00")
    assert after["processor_payment_id"] == "sbx_1"
    assert len(after["journal_entry_ids"]) == 2
    assert await standing(alice, "alice") == ("980.00", "0.00", "980.00")
    assert await standing(alice, "clearing:sandbox:USD") == ("-20.00", "0.00", "-20.00")
    assert sandbox.books.figures()["approved"] == 1
    await must_be_right(database, ledger_id)
