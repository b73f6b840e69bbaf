"""Templates over HTTP: made in versions, refused unless they always balance, posted as entries are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

SALE = {"price": "100.00", "fee": "2.9", "buyer": "alice", "seller": "bob", "order": "A-1"}


@pytest.fixture
async def client(either_client: Client) -> Client:
    """Alice has 500.00, and there is an account for fees."""
    for code in ("alice", "bob"):
        await either_client.open_account(code)
    await either_client.open_account("revenue:fees", type="revenue")
    await either_client.deposit("alice", "500")
    return either_client


async def made(client: Client, **members: Any) -> dict[str, Any]:
    answer = await client.post("/v1/templates", {**MARKETPLACE, **members}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def path(of: dict[str, Any]) -> str:
    return f"/v1/templates/{of['name']}/post"


async def posted_balances(client: Client) -> list[str]:
    return [(await client.balance(code))["posted"] for code in ("alice", "bob", "revenue:fees")]


async def test_a_marketplace_sale_is_posted_by_its_template(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    template = await made(client)
    assert (template["version"], template["rounding"]) == (1, "half_even")
    assert (await client.get("/v1/templates/marketplace-sale")).json() == template
    entry = (await client.post(path(template), {"parameters": SALE}, key=fresh_key())).json()
    assert entry["reason"] == "Sale A-1"
    assert entry["template"] == {
        "name": "marketplace-sale",
        "version": 1,
        "parameters": {"buyer": "alice", "fee": "2.9", "order": "A-1", "price": "100.00", "seller": "bob"},
    }
    assert [(line["account_code"], line["side"], line["amount"]) for line in entry["postings"]] == [
        ("alice", "debit", "100.00"),
        ("revenue:fees", "credit", "3.20"),
        ("bob", "credit", "96.80"),
    ]
    assert await posted_balances(client) == ["400.00", "96.80", "3.20"]
    assert (await client.get(f"/v1/journal-entries/{entry['id']}")).json() == entry
    listed = (await client.get("/v1/journal-entries", params={"limit": 1})).json()["data"]
    assert listed == [entry]
    assert not (await verify_ledger(database, ledger_id, lambda *_: None)).breaks
