"""Keys: the first answer again, whatever it was; and what became of one."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import check_problem, refused


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


def deposit(amount: str = "1.00", **members: Any) -> dict[str, Any]:
    return {"type": "deposit", "amount": amount, "currency": "USD", "to": "alice", **members}


def is_replay(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("idempotency-replayed") == "true")


def same(first: httpx.Response, again: httpx.Response) -> bool:
    """Equal but for the request's id."""
    bodies = [dict(answer.json()) for answer in (first, again)]
    for body in bodies:
        body.pop("request_id", None)
    return first.status_code == again.status_code and bool(bodies[0] == bodies[1])


async def test_the_same_key_gives_the_first_answer_again(client: Client) -> None:
    await client.open_account("alice")
    key = fresh_key()
    first, again = await client.pay(deposit(), key), await client.pay(deposit(), key)
    assert same(first, again)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert (await client.balance("alice"))["posted"] == "1.00"


async def test_a_refusal_is_replayed_though_the_account_was_funded_since(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    key = fresh_key()
    first = await client.transfer("alice", "bob", "5", key)
    refused(first, 422, "insufficient_funds", "/from")
    await client.deposit("alice", "100")
    again = await client.transfer("alice", "bob", "5", key)
    assert same(first, again)
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


@pytest.mark.parametrize("action", ["freeze", "close"])
async def test_a_state_is_replayed_though_it_changed_since(client: Client, action: str) -> None:
    await client.open_account("alice")
    key = fresh_key()
    first = await client.pay(deposit(), key)
    await client.pay({"type": "withdrawal", "amount": "1", "currency": "USD", "from": "alice"})
    await client.post(f"/v1/accounts/alice/{action}")
    assert same(first, await client.pay(deposit(), key))


@pytest.mark.parametrize(
    "body",
    [
        b'{"to":"alice","currency":"USD","amount":"1.00","type":"deposit"}',
        b'{ "type" : "deposit",\n"amount":"1","currency":"USD","to":"alice" }',
        b'{"type":"deposit","amount":"1.0","currency":"USD","to":"\\u0061lice","from":null,"metadata":{}}',
    ],
)
async def test_the_same_meaning_in_another_writing_is_the_same_request(client: Client, body: bytes) -> None:
    await client.open_account("alice")
    key = fresh_key()
    first = await client.pay(deposit(), key)
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    again = await client.http.post("/v1/payments", content=body, headers=headers)
    assert same(first, again)
    assert is_replay(again)


async def test_a_quoted_key_and_a_bare_one_are_one_key(client: Client) -> None:
    await client.open_account("alice")
    key = fresh_key()
    first, again = await client.pay(deposit(), f'"{key}"'), await client.pay(deposit(), key)
    assert same(first, again)


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "2.00"},
        {"currency": "EUR"},
        {"to": "bob"},
        {"type": "withdrawal", "to": None, "from": "alice"},
        {"description": "x"},
        {"reference": "x"},
        {"metadata": {"a": "b"}},
        {"effective_at": "2026-01-01T00:00:00Z"},
        {"to": "nobody"},  # the key is looked at before what the request asks
        {"currency": "XXX"},
        {"type": "transfer", "from": "alice", "to": "alice"},
    ],
)
async def test_the_same_key_with_another_request_is_refused(client: Client, other: dict[str, Any]) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    key = fresh_key()
    first = await client.pay(deposit(), key)
    answer = await client.pay(deposit() | other, key)
    refused(answer, 422, "idempotency_key_reused", facts={})
    assert first.json()["id"] not in answer.text
    assert not is_replay(answer)
    assert same(first, await client.pay(deposit(), key))


async def test_a_key_belongs_to_all_routes_of_the_ledger(client: Client) -> None:
    await client.open_account("alice", min_available=None)
    await client.open_account("bob")
    key = fresh_key()
    await client.pay(deposit(), key)
    lines = [
        {"account": account, "side": side, "amount": "1", "currency": "USD"}
        for account, side in (("alice", "debit"), ("bob", "credit"))
    ]
    entry = {"reason": "x", "postings": lines}
    refused(await client.post("/v1/journal-entries", entry, key=key), 422, "idempotency_key_reused")
    (result,) = (await client.post("/v1/payments/bulk", {"items": [deposit(idempotency_key=key)]})).json()["results"]
    assert (result["status"], result["replayed"]) == (201, True)


async def test_a_refused_key_is_used_too(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    key = fresh_key()
    refused(await client.transfer("alice", "bob", "5", key), 422, "insufficient_funds")
    refused(await client.transfer("alice", "bob", "4", key), 422, "idempotency_key_reused")


async def test_another_ledgers_key_is_another_key(client: Client, stranger: Client) -> None:
    key = fresh_key()
    for one in (client, stranger):
        await one.open_account("alice")
        answer = await one.pay(deposit(), key)
        assert (answer.status_code, is_replay(answer)) == (201, False)


@pytest.mark.parametrize(
    "body", [{"type": "deposit"}, deposit("0"), deposit(to="nobody"), deposit(currency="XXX"), deposit(x=1)]
)
async def test_what_was_never_judged_by_the_books_does_not_use_up_the_key(client: Client, body: dict[str, Any]) -> None:
    await client.open_account("alice")
    key = fresh_key()
    assert (await client.pay(body, key)).status_code == 422
    assert (await client.pay(deposit(), key)).status_code == 201


async def test_many_at_once_with_one_key_pay_once(client: Client) -> None:
    await client.open_account("alice")
    key = fresh_key()
    answers = await asyncio.gather(*(client.pay(deposit(), key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(not is_replay(answer) for answer in answers) == 1
    assert (await client.balance("alice"))["posted"] == "1.00"


async def test_many_at_once_with_one_key_and_different_bodies_pay_once(client: Client) -> None:
    await client.open_account("alice")
    key = fresh_key()
    answers = await asyncio.gather(*(client.pay(deposit(f"{n}.00"), key) for n in range(1, 11)))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 9
    (paid,) = [answer.json()["amount"] for answer in answers if answer.status_code == 201]
    assert (await client.balance("alice"))["posted"] == paid


# --- Look-up ---------------------------------------------------------------------------------------------------------


async def test_what_was_posted_under_a_key_can_be_looked_up(client: Client) -> None:
    await client.open_account("alice")
    for key in (fresh_key(), "a/b?c#d%e&f=g+h~!", "k" * 255):
        made = (await client.pay(deposit(), key)).json()
        answer = await client.http.get(httpx.URL("/v1/idempotency-keys/").join(quoted(key)))
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "key": key,
            "outcome": "posted",
            "resource": {"type": "payment", "id": made["id"]},
            "created_at": made["created_at"],
        }


def quoted(key: str) -> str:
    return "/v1/idempotency-keys/" + "".join(f"%{ord(character):02X}" for character in key)


async def test_a_journal_entry_is_named_as_one(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    lines = [
        {"account": account, "side": side, "amount": "1", "currency": "USD"}
        for account, side in (("a", "debit"), ("b", "credit"))
    ]
    key = fresh_key()
    entry = (await client.post("/v1/journal-entries", {"reason": "x", "postings": lines}, key=key)).json()
    found = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert found["resource"] == {"type": "journal_entry", "id": entry["id"]}


async def test_why_a_key_was_refused_can_be_looked_up(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("bob")
    key = fresh_key()
    first = (await client.transfer("alice", "bob", "5", key)).json()
    found = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert (found["key"], found["outcome"], "resource" in found) == (key, "refused", False)
    check_problem(found["problem"], 422, "insufficient_funds", ("/from",))
    for name in ("request_id", "instance"):
        del first[name], found["problem"][name]
    assert found["problem"] == first


async def test_a_key_nobody_used_is_not_found(client: Client, stranger: Client) -> None:
    refused(await client.get("/v1/idempotency-keys/nobody"), 404, "idempotency_key_not_found", facts={})
    key = fresh_key()
    await stranger.open_account("alice")
    await stranger.pay(deposit(), key)
    refused(await client.get(f"/v1/idempotency-keys/{key}"), 404, "idempotency_key_not_found", facts={})
    refused(await client.get(f"/v1/idempotency-keys/{'k' * 256}"), 400, "idempotency_key_invalid", facts={})
    refused(await client.get("/v1/idempotency-keys/a%20b"), 400, "idempotency_key_invalid", facts={})
