"""Reversals over HTTP: a new entry with the sides swapped, at most once, under its own key."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import refused
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.gateway.identity.principal import ALL_SCOPES, Scope
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

UNKNOWN = "je_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


async def reverse(
    client: Client, entry: str, key: str | None = None, reason: Any = "posted twice", **parameters: str
) -> httpx.Response:
    path = f"/v1/journal-entries/{entry}/reverse"
    return await client.post(path, {"reason": reason}, key=key or fresh_key(), params=parameters)


async def posted_entry(client: Client) -> dict[str, Any]:
    await client.open_account("a")
    await client.open_account("b")
    await client.deposit("a", "10")
    sides = (("a", "debit"), ("b", "credit"))
    lines = [{"account": account, "side": side, "amount": "4", "currency": "USD"} for account, side in sides]
    answer = await client.post("/v1/journal-entries", {"reason": "move", "postings": lines}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    entry: dict[str, Any] = answer.json()
    return entry


async def test_a_reversal_is_a_new_entry_with_the_sides_swapped(client: Client) -> None:
    original = await posted_entry(client)
    answer = await reverse(client, original["id"])
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["reason"], made["reverses"], made["reversed_by"]) == ("posted twice", original["id"], None)
    shown = [(line["account_code"], line["side"], line["amount"], line["balance_after"]) for line in made["postings"]]
    assert shown == [("a", "credit", "4.00", "10.00"), ("b", "debit", "4.00", "0.00")]
    assert made["account_versions"][original["postings"][0]["account_id"]] == 3
    assert (await client.get(f"/v1/journal-entries/{made['id']}")).json() == made
    assert (await client.get(f"/v1/journal-entries/{original['id']}")).json()["reversed_by"] == made["id"]
    assert (await client.get("/v1/integrity")).json()["is_intact"] is True


async def test_it_is_replayed_under_its_key_and_refused_under_another(client: Client) -> None:
    original = await posted_entry(client)
    key = fresh_key()
    first = await reverse(client, original["id"], key)
    again = await reverse(client, original["id"], key)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, first.json(), "true")
    other_reason = await reverse(client, original["id"], key, reason="another")
    refused(other_reason, 422, "idempotency_key_reused")
    second = await reverse(client, original["id"])
    refused(second, 409, "already_reversed", facts={"reversed_by": first.json()["id"]})
    outcome = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert outcome["resource"] == {"type": "journal_entry", "id": first.json()["id"]}
    assert (await client.balance("a"))["version"] == 3


async def test_of_many_at_once_one_is_posted(client: Client) -> None:
    original = await posted_entry(client)
    answers = await asyncio.gather(*(reverse(client, original["id"]) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert (await client.balance("b"))["posted"] == "0.00"


async def test_what_was_spent_cannot_be_taken_back_and_the_refusal_is_kept(client: Client) -> None:
    original = await posted_entry(client)
    await client.transfer("b", "a", "1")
    key = fresh_key()
    for _ in range(2):
        refused(
            await reverse(client, original["id"], key), 422, "insufficient_funds", "", members=("account", "available")
        )
    await client.deposit("b", "1")
    refused(await reverse(client, original["id"], key), 422, "insufficient_funds")
    assert (await reverse(client, original["id"])).status_code == 201


async def test_it_is_forced_by_whoever_may_administer(service: Service, client: Client) -> None:
    """A fact that nothing refuses: the account is flagged, and the next money that comes makes up for it."""
    await client.open_account("alice")
    await client.open_account("bob")
    await client.open_account("fees", type="revenue", min_available=None)
    postings = [
        {"account": "fees", "side": "debit", "amount": "5", "currency": "USD"},
        {"account": "alice", "side": "credit", "amount": "5", "currency": "USD"},
    ]
    made = await client.post("/v1/journal-entries", {"reason": "bonus", "postings": postings}, key=fresh_key())
    await client.transfer("alice", "bob", "4")
    await client.post("/v1/accounts/alice/freeze")
    path, body = f"/v1/journal-entries/{made.json()['id']}/reverse", {"reason": "fraud", "force": True}
    clerk = await make_client(service, parse_ledger(client), ALL_SCOPES - {Scope.ADMIN})
    refused(await clerk.post(path, body, key=fresh_key()), 403, "forbidden", "/force")
    refused(
        await client.post(path, {"reason": "fraud"}, key=fresh_key()),
        409,
        "account_frozen",
        "",
        ("", "insufficient_funds"),
    )
    key = fresh_key()
    answer = await client.post(path, body, key=key)
    assert answer.status_code == 201, answer.text
    assert (await client.balance("alice"))["available"] == "-4.00"
    assert (await client.post(path, body, key=key)).content == answer.content
    refused(await client.post(path, {"reason": "fraud"}, key=key), 422, "idempotency_key_reused")
    assert (await verify_ledger(service.database, parse_ledger(client), lambda *_: None)).breaks == []


def parse_ledger(client: Client) -> LedgerId:
    return LedgerId(parse_id(Prefix.LEDGER, client.ledger))


async def test_the_entry_of_a_payment_is_paid_back_and_not_reversed(client: Client) -> None:
    await client.open_account("a")
    payment = await client.deposit("a", "10")
    told = refused(await reverse(client, payment["journal_entry_ids"][0]), 409, "invalid_state", facts={})
    assert "refunded, not reversed" in told["detail"]
    assert (await client.balance("a"))["posted"] == "10.00"


async def test_that_an_entry_is_never_reversed_is_kept_under_the_key(client: Client) -> None:
    await client.open_account("a")
    entry, other = [(await client.deposit("a", "10"))["journal_entry_ids"][0] for _ in range(2)]
    key, body = fresh_key(), {"reason": "x"}
    rehearsed = await client.post(f"/v1/journal-entries/{entry}/reverse", body, key=key, params={"dry_run": "true"})
    refused(rehearsed, 409, "invalid_state")
    first = await client.post(f"/v1/journal-entries/{entry}/reverse", body, key=key)
    again = await client.post(f"/v1/journal-entries/{entry}/reverse", body, key=key)
    refused(first, 409, "invalid_state")
    refused(again, 409, "invalid_state")
    assert ("idempotency-replayed" in first.headers, again.headers.get("idempotency-replayed")) == (False, "true")
    for path, asked in ((entry, {"reason": "y"}), (other, body)):
        answer = await client.post(f"/v1/journal-entries/{path}/reverse", asked, key=key)
        refused(answer, 422, "idempotency_key_reused")


async def test_a_rehearsal_reverses_nothing(client: Client) -> None:
    original = await posted_entry(client)
    answer = await reverse(client, original["id"], dry_run="true")
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    by_account = {one["account_id"]: one["posted"] for one in answer.json()["balances"]}
    assert [by_account[line["account_id"]] for line in original["postings"]] == ["10.00", "0.00"]
    assert (await client.balance("a"))["posted"] == "6.00"
    made = (await reverse(client, original["id"])).json()
    await client.transfer("a", "b", "10")
    told = refused(await reverse(client, original["id"], dry_run="true"), 409, "already_reversed")
    assert told["reversed_by"] == made["id"]
    assert "errors" not in told  # a has nothing more to give, but the swap credits it: nothing else stands in the way


@pytest.mark.parametrize(
    ("entry", "status", "code"),
    [(UNKNOWN, 404, "journal_entry_not_found"), ("je_x", 422, "invalid_id"), (UNKNOWN.upper(), 422, "invalid_id")],
)
async def test_what_is_not_there_cannot_be_reversed(client: Client, entry: str, status: int, code: str) -> None:
    refused(await reverse(client, entry), status, code, facts={})


async def test_a_key_that_was_used_is_told_before_all_else(client: Client) -> None:
    await client.open_account("a")
    key = fresh_key()
    await client.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}, key)
    refused(await reverse(client, UNKNOWN, key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation_error", "/reason"),
        ({"reason": None}, "validation_error", "/reason"),
        ({"reason": ""}, "validation_error", "/reason"),
        ({"reason": "x" * 501}, "validation_error", "/reason"),
        ({"reason": "x", "amount": "1"}, "unknown_field", "/amount"),
    ],
)
async def test_a_reversal_needs_a_reason_and_nothing_else(
    client: Client, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await client.post(f"/v1/journal-entries/{UNKNOWN}/reverse", body, key=fresh_key())
    refused(answer, 422, code, pointer, facts={})


async def test_another_ledger_cannot_reverse_it(client: Client, stranger: Client) -> None:
    original = await posted_entry(client)
    refused(await reverse(stranger, original["id"]), 404, "journal_entry_not_found", facts={})
