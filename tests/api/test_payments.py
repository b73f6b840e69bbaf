"""Payments over HTTP."""

from __future__ import annotations

from tests.api.conftest import Client, fresh_key


async def test_a_deposit_and_a_transfer_move_money(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "100")
    answer = await client.transfer("alice", "bob", "12.5")
    assert answer.status_code == 201
    payment = answer.json()
    assert (payment["amount"], payment["from_code"], payment["to_code"]) == ("12.50", "alice", "bob")
    assert (await client.balance("alice"))["available"] == "87.50"
    assert (await client.balance("bob"))["available"] == "12.50"
    assert (await client.balance("clearing:internal:USD"))["posted"] == "100.00"


async def test_the_same_key_gives_the_first_answer_again(client: Client) -> None:
    await client.open_account("alice")
    body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": "alice"}
    key = fresh_key()
    first = await client.pay(body, key)
    again = await client.pay(body, key)
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (await client.balance("alice"))["posted"] == "1.00"


async def test_a_refusal_is_replayed_though_the_account_was_funded_since(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    key = fresh_key()
    refused = await client.transfer("alice", "bob", "5", key)
    assert (refused.status_code, refused.json()["code"]) == (422, "insufficient_funds")
    await client.deposit("alice", "100")
    again = await client.transfer("alice", "bob", "5", key)
    first, second = refused.json(), again.json()
    assert first.pop("request_id") != second.pop("request_id")
    assert first == second
    assert again.headers["idempotency-replayed"] == "true"
