"""Refunds over HTTP: in full, in parts, many; never more than was paid; and the payment tells what they come to."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture
async def paid(client: Client) -> dict[str, Any]:
    """Alice had 100.00 and has paid bob 40.00."""
    await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "100")
    payment: dict[str, Any] = (await client.transfer("alice", "bob", "40")).json()
    return payment


async def refund(client: Client, payment: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/payments/{payment['id']}/refund", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def read(client: Client, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/payments/{payment['id']}")).json()
    return found


async def test_all_of_it_is_given_back(client: Client, paid: dict[str, Any]) -> None:
    answer = await client.post(f"/v1/payments/{paid['id']}/refund", key=fresh_key())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {
        "id": made["id"],
        "payment_id": paid["id"],
        "amount": "40.00",
        "currency": "USD",
        "status": "succeeded",
        "reason": None,
        "journal_entry_ids": [made["id"].replace("ref_", "je_")],
        "account_versions": {paid["to"]: 2, paid["from"]: 3},
        "created_at": made["created_at"],
        "metadata": {},
    }
    after = await read(client, paid)
    assert after == paid | {
        "status": "refunded",
        "refunded": "40.00",
        "journal_entry_ids": paid["journal_entry_ids"] + made["journal_entry_ids"],
    }
    assert (await client.balance("alice"))["available"] == "100.00"
    assert (await client.balance("bob"))["available"] == "0.00"


async def test_parts_of_it_until_nothing_is_left(client: Client, paid: dict[str, Any]) -> None:
    said = {"reason": "Returned", "metadata": {"item": "7"}}
    first = await refund(client, paid, amount="15", **said)
    assert {name: first[name] for name in said} == said
    between = await read(client, paid)
    assert (between["status"], between["refunded"]) == ("partially_refunded", "15.00")
    too_much = await client.post(f"/v1/payments/{paid['id']}/refund", {"amount": "25.01"}, key=fresh_key())
    refused(too_much, 422, "amount_exceeds_payment", "/amount", facts={"refundable": "25.00", "currency": "USD"})
    last = await refund(client, paid)
    assert last["amount"] == "25.00"
    after = await read(client, paid)
    assert (after["status"], after["refunded"], len(after["journal_entry_ids"])) == ("refunded", "40.00", 3)
    nothing_left = await client.post(f"/v1/payments/{paid['id']}/refund", key=fresh_key())
    refused(nothing_left, 422, "amount_exceeds_payment", facts={"refundable": "0.00", "currency": "USD"})
    listed = await all_pages(client, f"/v1/payments/{paid['id']}/refunds", limit=1)
    assert listed == [last, first]
    assert await all_pages(client, f"/v1/payments/{paid['id']}/refunds", order="asc") == [first, last]
    assert [one["id"] for one in await all_pages(client, "/v1/payments", status="refunded")] == [paid["id"]]


async def test_deposits_and_withdrawals_go_back_through_clearing(client: Client, paid: dict[str, Any]) -> None:
    deposit = await client.deposit("bob", "10")
    await refund(client, deposit, amount="4")
    body = {"type": "withdrawal", "amount": "6", "currency": "USD", "from": "bob"}
    withdrawal = (await client.pay(body)).json()
    await refund(client, withdrawal)
    assert (await client.balance("bob"))["available"] == "46.00"
    assert (await client.balance("clearing:internal:USD"))["posted"] == "106.00"


async def test_who_has_spent_it_cannot_give_it_back(client: Client, paid: dict[str, Any]) -> None:
    await client.transfer("bob", "alice", "30")
    answer = await client.post(f"/v1/payments/{paid['id']}/refund", {"amount": "10.01"}, key=fresh_key())
    refused(answer, 422, "insufficient_funds", "/amount")
    assert await read(client, paid) == paid
    await client.post("/v1/accounts/bob/freeze")
    answer = await client.post(f"/v1/payments/{paid['id']}/refund", {"amount": "1"}, key=fresh_key())
    refused(answer, 409, "account_frozen", "")


async def test_each_key_gives_its_first_answer(client: Client, paid: dict[str, Any]) -> None:
    path, key, body = f"/v1/payments/{paid['id']}/refund", fresh_key(), {"amount": "15"}
    first = await client.post(path, body, key=key)
    await refund(client, paid)
    again = await client.post(path, body, key=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    refused(await client.post(path, {"amount": "16"}, key=key), 422, "idempotency_key_reused")
    told = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert told["resource"] == {"type": "refund", "id": first.json()["id"]}


async def test_the_payment_is_replayed_as_it_was_made(client: Client, paid: dict[str, Any]) -> None:
    key = fresh_key()
    body = {"type": "transfer", "amount": "1", "currency": "USD", "from": "alice", "to": "bob"}
    first = await client.pay(body, key)
    await refund(client, first.json())
    again = await client.pay(body, key)
    assert (again.status_code, again.content) == (201, first.content)


async def test_what_is_no_payment(client: Client, paid: dict[str, Any], stranger: Client) -> None:
    made = await refund(client, paid, amount="1")
    refused(await client.post(f"/v1/payments/{made['id']}/refund", key=fresh_key()), 422, "invalid_id")
    missing = made["id"].replace("ref_", "pay_")
    refused(await client.post(f"/v1/payments/{missing}/refund", key=fresh_key()), 404, "payment_not_found")
    refused(await client.get(f"/v1/payments/{missing}/refunds"), 404, "payment_not_found")
    refused(await stranger.post(f"/v1/payments/{paid['id']}/refund", key=fresh_key()), 404, "payment_not_found")
    for amount, code in (("0", "invalid_amount"), ("1.001", "amount_too_precise"), (1, "invalid_amount")):
        answer = await client.post(f"/v1/payments/{paid['id']}/refund", {"amount": amount}, key=fresh_key())
        refused(answer, 422, code, "/amount")


async def test_a_dry_run_writes_nothing(client: Client, paid: dict[str, Any]) -> None:
    path = f"/v1/payments/{paid['id']}/refund"
    tried = await client.post(path, {"amount": "15"}, key=fresh_key(), params={"dry_run": "true"})
    assert (tried.status_code, tried.json()["dry_run"], tried.json()["amount"]) == (200, True, "15.00")
    assert await read(client, paid) == paid


async def test_the_entry_of_a_refund_is_not_reversed(client: Client, paid: dict[str, Any]) -> None:
    made = await refund(client, paid, amount="1")
    path = f"/v1/journal-entries/{made['journal_entry_ids'][0]}/reverse"
    refused(await client.post(path, {"reason": "a mistake"}, key=fresh_key()), 409, "invalid_state")


async def test_many_at_once_never_give_back_too_much(
    neighbours: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    """At two services."""
    here, there = neighbours
    await here.open_account("alice")
    await here.open_account("bob", min_available=None)
    await here.deposit("alice", "100")
    payment = (await here.transfer("alice", "bob", "10")).json()
    path = f"/v1/payments/{payment['id']}/refund"
    calls = [client.post(path, {"amount": "0.75"}, key=fresh_key()) for _ in range(16) for client in (here, there)]
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {201: 13, 422: 19}
    after = await read(there, payment)
    assert (after["refunded"], after["status"]) == ("9.75", "partially_refunded")
    assert (await here.balance("bob"))["available"] == "0.25"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
