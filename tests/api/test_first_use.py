"""Accounts that their first payment opens, by the ledger's chart."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.conftest import Client
from zerosum.domain.errors import AccountNotFound

WALLETS = {"pattern": "customers:*", "type": "liability", "currency": "USD", "min_available": "0"}


async def put_chart(client: Client, *rules: dict[str, Any]) -> Any:
    return await client.http.put("/v1/chart", json={"rules": list(rules)})


async def codes(client: Client) -> set[str]:
    answer = await client.get("/v1/accounts", params={"code_prefix": "customers:", "limit": 200})
    return {account["code"] for account in answer.json()["data"]}


async def test_a_first_payment_opens_its_account(client: Client) -> None:
    answer = await put_chart(client, WALLETS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 1
    await client.deposit("customers:alice", "100")
    assert (await client.transfer("customers:alice", "customers:bob", "40")).status_code == 201
    assert (await client.balance("customers:bob"))["available"] == "40.00"
    assert (await client.balance("customers:alice"))["available"] == "60.00"
    answer = await client.transfer("customers:carol", "customers:alice", "1")
    assert answer.json()["code"] == "insufficient_funds"
    assert await codes(client) == {"customers:alice", "customers:bob"}


async def test_many_first_payments_at_once_open_one_account(client: Client) -> None:
    await put_chart(client, WALLETS)
    await client.open_account("rich", min_available=None)
    answers = await asyncio.gather(*(client.transfer("rich", "customers:new", "1") for _ in range(16)))
    assert [answer.status_code for answer in answers] == [201] * 16
    assert (await client.balance("customers:new"))["available"] == "16.00"


async def test_without_a_rule_nothing_is_opened(client: Client) -> None:
    await client.open_account("rich", min_available=None)
    answer = await client.transfer("rich", "customers:new", "1")
    assert answer.json()["code"] == AccountNotFound.code
    assert await codes(client) == set()


async def test_another_currency_than_the_rule_has_is_explained_and_opens_nothing(client: Client) -> None:
    await put_chart(client, WALLETS)
    answer = await client.pay({"type": "deposit", "amount": "1", "currency": "EUR", "to": "customers:eve"})
    assert answer.json()["code"] == "currency_mismatch"
    assert ":eur" in answer.json()["detail"]
    assert await codes(client) == set()
