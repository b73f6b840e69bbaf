"""A bank account of ours, payments in and out of it, and files that tell of them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.conftest import Client, fresh_key
from zerosum.adapters.clock import now

BANK = "assets:bank"

COLUMNS = {"date": "day", "amount": "amount", "id": "id", "references": ["reference"], "description": "text"}
HEADER = "day,id,reference,amount,text"


def today() -> str:
    return now().date().isoformat()


async def open_bank(client: Client, currency: str = "USD") -> None:
    """Our account at the bank, and what its money is against."""
    await client.open_account(BANK, type="asset", min_available=None, currency=currency)
    await client.open_account("equity:owner", type="equity", min_available=None, currency=currency)
    await client.open_account("expenses:fees", type="expense", min_available=None, currency=currency)


async def entry(client: Client, amount: str, *, currency: str = "USD", **members: Any) -> dict[str, Any]:
    """So much comes in at the bank; below zero it goes out."""
    goes_out = amount.startswith("-")
    sides = ("credit", "debit") if goes_out else ("debit", "credit")
    lines = [
        {"account": account, "side": side, "amount": amount.removeprefix("-"), "currency": currency}
        for account, side in zip((BANK, "equity:owner"), sides, strict=True)
    ]
    key = members.pop("key", None) or fresh_key()
    answer = await client.post("/v1/journal-entries", {"reason": "test", "postings": lines, **members}, key=key)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_source(client: Client, name: str = "bank", **members: Any) -> httpx.Response:
    csv = {"columns": {**COLUMNS, **members.pop("columns", {})}, **members.pop("csv", {})}
    body = {"name": name, "account": BANK, "format": "csv", "csv": csv, **members}
    return await client.post("/v1/reconciliation/sources", body)


def csv_of(*rows: str, header: str = HEADER) -> bytes:
    return "".join(f"{row}\n" for row in (header, *rows)).encode()


async def send(client: Client, content: bytes, source: str = "bank", kind: str = "text/csv") -> httpx.Response:
    return await client.http.post(
        "/v1/reconciliation/files", params={"source": source}, content=content, headers={"content-type": kind}
    )


async def sent(client: Client, content: bytes, source: str = "bank", kind: str = "text/csv") -> dict[str, Any]:
    answer = await send(client, content, source, kind)
    assert answer.status_code == 200, answer.text
    file: dict[str, Any] = answer.json()
    return file


async def breaks(client: Client, **parameters: Any) -> list[dict[str, Any]]:
    """The oldest first."""
    answer = await client.get("/v1/reconciliation/breaks", params={"order": "asc", "limit": 200, **parameters})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def report(client: Client, **parameters: Any) -> dict[str, Any]:
    answer = await client.get("/v1/reconciliation/report", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
