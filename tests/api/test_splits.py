"""Payments, captures and refunds in parts, over HTTP: the whole is always kept, and each gives back what it got."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

FEES = [{"to": "fees", "percent": "2.9"}, {"to": "tips", "amount": "0.30"}]


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture(autouse=True)
async def ground(client: Client) -> None:
    for code in ("alice", "bob"):
        await client.open_account(code)
    for code in ("fees", "tips"):
        await client.open_account(code, type="revenue")
    await client.deposit("alice", "1000")


async def pay(client: Client, amount: str, splits: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    answer = await client.pay(order(amount, splits, **members))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def order(amount: str, splits: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    said = {"type": "transfer", "amount": amount, "currency": "USD", "from": "alice", "to": "bob", "splits": splits}
    return {name: value for name, value in (said | members).items() if value is not None}


async def balances(client: Client, *codes: str) -> list[str]:
    return [(await client.balance(code))["posted"] for code in codes]


def parts(payment: dict[str, Any]) -> dict[str, str]:
    return {split["to_code"]: split["amount"] for split in payment["splits"]}


async def test_the_platform_keeps_its_fees(client: Client) -> None:
    made = await pay(client, "50", FEES)
    assert parts(made) == {"fees": "1.45", "tips": "0.30", "bob": "48.25"}
    assert made["splits"][0] == {
        "to": made["splits"][0]["to"],
        "to_code": "fees",
        "percent": "2.9",
        "fixed": None,
        "remainder": False,
        "amount": "1.45",
        "refunded": "0.00",
    }
    assert (made["to_code"], made["amount"], len(made["account_versions"])) == ("bob", "50.00", 4)
    assert await balances(client, "alice", "bob", "fees", "tips") == ["950.00", "48.25", "1.45", "0.30"]
    assert (await client.get(f"/v1/payments/{made['id']}")).json() == made
    entry = (await client.get(f"/v1/journal-entries/{made['journal_entry_ids'][0]}")).json()
    lines = [(line["side"], line["account_code"], line["amount"]) for line in entry["postings"]]
    assert lines == [
        ("debit", "alice", "50.00"),
        ("credit", "fees", "1.45"),
        ("credit", "tips", "0.30"),
        ("credit", "bob", "48.25"),
    ]


async def test_full_refund(client: Client, database: Database, ledger_id: LedgerId) -> None:
    made = await pay(client, "50", FEES)
    answer = await client.post(f"/v1/payments/{made['id']}/refund", key=fresh_key())
    assert answer.status_code == 201, answer.text
    assert await balances(client, "alice", "bob", "fees", "tips") == ["1000.00", "0.00", "0.00", "0.00"]
