"""Rehearsals over HTTP, both ways: all checks, nothing written."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


async def rehearse(
    client: Client, body: dict[str, Any], key: str | None = None, *, entry: bool = False
) -> httpx.Response:
    path = "/v1/journal-entries" if entry else "/v1/payments"
    return await client.post(path, body, key=key or fresh_key(), params={"dry_run": "true"})


def transfer(amount: str = "4", **members: Any) -> dict[str, Any]:
    return {"type": "transfer", "amount": amount, "currency": "USD", "from": "a", "to": "b", **members}


def lines(amount: str = "4") -> dict[str, Any]:
    common = {"amount": amount, "currency": "USD"}
    postings = [{"account": "a", "side": "debit", **common}, {"account": "b", "side": "credit", **common}]
    return {"reason": "test", "postings": postings}


async def open_pair(client: Client, funds: str = "10", **b: Any) -> tuple[str, str]:
    """Account a with funds, account b as it is told."""
    first, second = await client.open_account("a"), await client.open_account("b", **b)
    await client.deposit("a", funds)
    return first["id"], second["id"]


async def test_it_shows_the_payment_and_the_balances_after_it(client: Client) -> None:
    a, b = await open_pair(client)
    answer = await rehearse(client, transfer(metadata={"x": "y"}))
    assert answer.status_code == 200
    shown = answer.json()
    assert shown.pop("dry_run") is True
    assert sorted(shown.pop("balances"), key=lambda one: one["posted"]) == [
        {"account_id": b, "posted": "4.00", "held": "0.00", "available": "4.00"},
        {"account_id": a, "posted": "6.00", "held": "0.00", "available": "6.00"},
    ]
    made = (await client.pay(transfer(metadata={"x": "y"}))).json()
    assert shown.keys() == made.keys()
    differs = {"id", "journal_entry_ids", "created_at", "effective_at"}
    assert {name: shown[name] for name in made.keys() - differs} == {name: made[name] for name in made.keys() - differs}


async def test_nothing_is_written_and_the_key_is_not_used_up(client: Client) -> None:
    await open_pair(client)
    key = fresh_key()
    for body, is_entry in ((transfer(), False), (lines(), True), (transfer("99"), False)):
        await rehearse(client, body, key, entry=is_entry)
    assert (await client.balance("a"))["version"] == 1
    assert len(await all_pages(client, "/v1/journal-entries")) == 1
    refused(await client.get(f"/v1/idempotency-keys/{key}"), 404, "idempotency_key_not_found")
    answer = await client.pay(transfer("5"), key)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False)


async def test_a_shown_id_leads_nowhere(client: Client) -> None:
    await open_pair(client)
    shown = (await rehearse(client, transfer())).json()
    refused(await client.get(f"/v1/payments/{shown['id']}"), 404, "payment_not_found")


async def test_an_entry_is_rehearsed_as_well(client: Client) -> None:
    a, b = await open_pair(client)
    shown = (await rehearse(client, lines(), entry=True)).json()
    assert (shown["dry_run"], shown["reason"]) == (True, "test")
    assert [(one["account_version"], one["balance_after"]) for one in shown["postings"]] == [(2, "6.00"), (1, "4.00")]
    assert {one["account_id"]: one["posted"] for one in shown["balances"]} == {a: "6.00", b: "4.00"}


async def test_every_failed_condition_is_told(client: Client) -> None:
    a, _ = await open_pair(client, max_available="20")
    problem = refused(
        await rehearse(client, transfer("30")), 422, "insufficient_funds", "/from", ("/to", "limit_exceeded")
    )
    assert (problem["account"], problem["account_id"], problem["account_code"]) == ("a", a, "a")
    assert (problem["available"], problem["required"]) == ("10.00", "30.00")
    await client.post("/v1/accounts/a/freeze")
    await client.post("/v1/accounts/b/freeze")
    both = refused(await rehearse(client, transfer()), 409, "account_frozen", "/from", "/to")
    assert [fault["code"] for fault in both["errors"]] == ["account_frozen", "account_frozen"]
    entry = await rehearse(client, lines(), entry=True)
    refused(entry, 409, "account_frozen", "/postings/0/account", "/postings/1/account")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (transfer("0"), "invalid_amount", "/amount"),
        (transfer("0.001"), "amount_too_precise", "/amount"),
        (transfer(to="nobody"), "account_not_found", "/to"),
        (transfer(to="a"), "same_account", "/to"),
        (transfer(currency="XXX"), "invalid_currency", "/currency"),
        (transfer(x=1), "unknown_field", "/x"),
    ],
)
async def test_it_is_refused_as_in_earnest(client: Client, body: dict[str, Any], code: str, pointer: str) -> None:
    await open_pair(client)
    refused(await rehearse(client, body), 422, code, pointer)


async def test_a_key_is_needed_all_the_same(client: Client) -> None:
    await open_pair(client)
    for path, body in (("/v1/payments", transfer()), ("/v1/journal-entries", lines())):
        answer = await client.post(path, body, params={"dry_run": "true"})
        refused(answer, 400, "idempotency_key_missing")


async def test_a_used_key_shows_what_it_would_answer(client: Client) -> None:
    await open_pair(client)
    key = fresh_key()
    made = (await client.pay(transfer(), key)).json()
    shown = (await rehearse(client, transfer(), key)).json()
    assert shown["id"] == made["id"]
    refused(await rehearse(client, transfer("5"), key), 422, "idempotency_key_reused")
    refused_key = fresh_key()
    refused(await client.pay(transfer("99"), refused_key), 422, "insufficient_funds")
    refused(await rehearse(client, transfer("99"), refused_key), 422, "insufficient_funds", "/from")


@pytest.mark.parametrize("value", ["", "1", "yes", "TRUE", "null"])
async def test_it_is_true_or_false(client: Client, value: str) -> None:
    await open_pair(client)
    for path, body in (("/v1/payments", transfer()), ("/v1/journal-entries", lines())):
        answer = await client.post(path, body, key=fresh_key(), params={"dry_run": value})
        refused(answer, 422, "invalid_parameter", "dry_run")
    assert (await client.balance("b"))["version"] == 0


async def test_false_is_in_earnest(client: Client) -> None:
    await open_pair(client)
    answer = await client.post("/v1/payments", transfer(), key=fresh_key(), params={"dry_run": "false"})
    assert answer.status_code == 201
    assert "dry_run" not in answer.json()


async def test_an_account_made_on_first_use_is_only_imagined(client: Client) -> None:
    y = await client.open_account("y", currency="JPY")
    body = {"type": "deposit", "amount": "5", "currency": "JPY", "to": "y"}
    answer = await rehearse(client, body)
    shown = answer.json()
    assert (answer.status_code, shown["from_code"]) == (200, "clearing:internal:JPY")
    assert {one["account_id"]: one["posted"] for one in shown["balances"]} == {y["id"]: "5", shown["from"]: "5"}
    refused(await client.get("/v1/accounts/clearing:internal:JPY"), 404, "account_not_found")
    assert len(await all_pages(client, "/v1/accounts")) == 1


async def test_a_used_key_is_told_as_a_replay(client: Client) -> None:
    await open_pair(client)
    key = fresh_key()
    await client.pay(transfer(), key)
    shown = await rehearse(client, transfer(), key)
    assert shown.headers["idempotency-replayed"] == "true"
    assert {one["posted"] for one in shown.json()["balances"]} == {"6.00", "4.00"}


# --- In bulk ---------------------------------------------------------------------------------------------------------


async def rehearse_all(client: Client, items: list[Any], mode: str) -> httpx.Response:
    return await client.post("/v1/payments/bulk", {"items": items}, params={"mode": mode, "dry_run": "true"})


def item(amount: str = "4", **members: Any) -> dict[str, Any]:
    return transfer(amount, idempotency_key=fresh_key(), **members)


@pytest.mark.parametrize("mode", ["independent", "atomic"])
async def test_a_bulk_call_is_rehearsed_in_its_order(client: Client, mode: str) -> None:
    a, b = await open_pair(client)
    twice = item("4")
    answer = await rehearse_all(client, [item("5"), twice, twice, item("1")], mode)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["dry_run"] is True
    assert [(one["index"], one["status"], one.get("replayed")) for one in shown["results"]] == [
        (0, 201, None),
        (1, 201, None),
        (2, 201, True),
        (3, 201, None),
    ]
    assert {one["account_id"]: one["available"] for one in shown["balances"]} == {a: "0.00", b: "10.00"}
    assert [(await client.balance(account))["posted"] for account in (a, b)] == ["10.00", "0.00"]
    assert len(await all_pages(client, "/v1/payments")) == 1
    key = twice["idempotency_key"]
    refused(await client.get(f"/v1/idempotency-keys/{key}"), 404, "idempotency_key_not_found")


async def test_each_refusal_of_an_independent_rehearsal_is_told(client: Client) -> None:
    _, b = await open_pair(client, max_available="5")
    answer = await rehearse_all(client, [item("4"), item("7"), {}, item("1")], "independent")
    shown = answer.json()
    assert [one["status"] for one in shown["results"]] == [201, 422, 422, 201]
    faults = shown["results"][1]["problem"]["errors"]
    assert [(fault["pointer"], fault["code"]) for fault in faults] == [
        ("/items/1/from", "insufficient_funds"),
        ("/items/1/to", "limit_exceeded"),
    ]
    assert {one["posted"] for one in shown["balances"] if one["account_id"] == b} == {"5.00"}


async def test_the_refusal_of_an_atomic_rehearsal_is_told_in_full(client: Client) -> None:
    await open_pair(client, max_available="5")
    answer = await rehearse_all(client, [item("4"), item("7")], "atomic")
    problem = refused(answer, 422, "insufficient_funds", "/items/1/from", ("/items/1/to", "limit_exceeded"))
    assert (problem["index"], problem["available"]) == (1, "6.00")
    refused(await rehearse_all(client, [item("1"), {}], "atomic"), 422, "validation_error", members=["index"])


async def test_entries_in_bulk_are_rehearsed_too(client: Client) -> None:
    a, b = await open_pair(client)
    items = [{**lines("4"), "idempotency_key": fresh_key()}]
    answer = await client.post("/v1/journal-entries/bulk", {"items": items}, params={"dry_run": "true"})
    assert {one["account_id"]: one["posted"] for one in answer.json()["balances"]} == {a: "6.00", b: "4.00"}
    assert len(await all_pages(client, "/v1/journal-entries")) == 1
