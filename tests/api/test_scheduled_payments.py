"""Scheduled payments over HTTP: made once when they are due, again and again by a rule, cancelled, refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from tests.api.scheduling import RENT, SOON, read, run_at, scheduled, worker_at
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

DAILY = {"rule": "FREQ=DAILY;COUNT=3", "time_zone": "Europe/Berlin"}
RETRY = {"on_refusal": "retry", "retry": {"attempts": 2, "interval_seconds": 600}}


@pytest.fixture
async def tenant(client: Client) -> Client:
    """Has 25.00."""
    await client.open_account("tenant")
    await client.open_account("landlord")
    await client.deposit("tenant", "25")
    return client


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_it_is_paid_once_when_it_is_due_and_not_before(
    tenant: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    made = await scheduled(tenant, reference="rent", metadata={"flat": "7"})
    assert (made["status"], made["from_code"], made["amount"]) == ("scheduled", "tenant", "10.00")
    assert await run_at(service, now() + SOON / 2) == 0
    due = now() + SOON
    assert await run_at(service, due) == 1
    assert await run_at(service, due + SOON) == 0
    after = await read(tenant, made)
    assert (after["status"], after["next_at"], after["payments_made"]) == ("completed", None, 1)
    [run] = after["runs"]
    payment = (await tenant.get(f"/v1/payments/{run['payment_id']}")).json()
    assert (payment["amount"], payment["reference"], payment["metadata"]) == ("10.00", "rent", {"flat": "7"})
    entry = (await tenant.get(f"/v1/journal-entries/{payment['journal_entry_ids'][0]}")).json()
    assert entry["actor"] == made["scheduled_by"], "it is paid in the name of who has ordered it"
    assert (await tenant.balance("landlord"))["posted"] == "10.00"
    await must_be_right(database, ledger_id)
