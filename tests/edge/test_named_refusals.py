"""Refusals name an account as its caller has named it, and say which ones are missing; answers may carry balances."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused, without_ids


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


def transfer(payer: str, payee: str, amount: str = "4", **members: str) -> dict[str, Any]:
    return {"type": "transfer", "amount": amount, "currency": "USD", "from": payer, "to": payee, **members}


def entry(*accounts: str, amount: str = "4") -> dict[str, Any]:
    """One debit, of the first, and a credit of each of the others."""
    sides = ["debit", *["credit"] * (len(accounts) - 1)]
    total = str(int(amount) * (len(accounts) - 1))
    postings = [
        {"account": account, "side": side, "amount": total if side == "debit" else amount, "currency": "USD"}
        for account, side in zip(accounts, sides, strict=True)
    ]
    return {"reason": "x", "postings": postings}


async def post(
    client: Client, path: str, body: dict[str, Any], key: str | None = None, **options: Any
) -> httpx.Response:
    return await client.post(path, body, key=key or fresh_key(), **options)


async def test_too_little_is_told_by_the_name_the_caller_used_and_replayed_the_same(client: Client) -> None:
    a, b = await client.open_account("a"), await client.open_account("b")
    await client.deposit("a", "1")
    for called in ("a", a["id"], a["id"].upper().replace("ACC_", "acc_")):
        for path, body, pointer in (
            ("/v1/payments", transfer(called, b["id"]), "/from"),
            ("/v1/journal-entries", entry(called, "b"), "/postings/0/account"),
        ):
            facts = {"account": called, "account_id": a["id"], "account_code": "a", "currency": "USD"}
            facts |= {"available": "1.00", "required": "4.00", "min_available": "0.00"}
            key = fresh_key()
            first = await post(client, path, body, key)
            refused(first, 422, "insufficient_funds", pointer, facts=facts)
            again = await post(client, path, body, key)
            assert again.headers["idempotency-replayed"] == "true"
            assert without_ids(again) == without_ids(first)
            looked_up = (await client.get(f"/v1/idempotency-keys/{key}")).json()["problem"]
            assert {name: looked_up[name] for name in facts} == facts
            rehearsed = await post(client, path, body, params={"dry_run": "true"})
            assert without_ids(rehearsed) == without_ids(first)


@pytest.mark.parametrize(("action", "code"), [("freeze", "account_frozen"), ("close", "account_closed")])
async def test_an_account_that_takes_nothing_is_named_too(client: Client, action: str, code: str) -> None:
    b = await client.open_account("b")
    await client.open_account("a", min_available=None)
    await client.post(f"/v1/accounts/b/{action}")
    facts = {"account": "b", "account_id": b["id"], "account_code": "b"}
    refused(await post(client, "/v1/payments", transfer("a", "b")), 409, code, "/to", facts=facts)
    by_id = await post(client, "/v1/journal-entries", entry("a", b["id"]))
    refused(by_id, 409, code, "/postings/1/account", facts={**facts, "account": b["id"]})


async def test_one_account_under_two_names_is_told_by_the_one_at_fault(client: Client) -> None:
    a = await client.open_account("a")
    await client.open_account("b", currency="EUR")
    body = entry("a", a["id"], "b")
    poor = ("/postings/0/account", "insufficient_funds")
    answer = await post(client, "/v1/journal-entries", body)
    problem = refused(answer, 422, "currency_mismatch", "/postings/2/account", poor)
    assert (problem["account"], problem["account_code"]) == ("b", "b")
    await client.post("/v1/accounts/a/freeze")
    others = "/postings/1/account", ("/postings/2/account", "currency_mismatch"), poor
    answer = await post(client, "/v1/journal-entries", body)
    frozen = refused(answer, 409, "account_frozen", "/postings/0/account", *others)
    assert (frozen["account"], frozen["account_id"]) == ("a", a["id"])


async def test_the_side_nobody_named_is_told_by_its_code(client: Client) -> None:
    await client.open_account("a")
    await client.deposit("a", "1")
    await client.post("/v1/accounts/clearing:internal:USD/freeze")
    body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
    problem = refused(await post(client, "/v1/payments", body), 409, "account_frozen", "/from")
    assert problem["account"] == problem["account_code"] == "clearing:internal:USD"


async def test_a_client_and_a_reversal_are_told_by_code(client: Client) -> None:
    body = {"type": "deposit", "client": 7, "tx": 1, "amount": "1"}
    await post(client, "/v1/transactions", body)
    too_much = await post(client, "/v1/transactions", {**body, "type": "withdrawal", "tx": 2, "amount": "9"})
    problem = refused(too_much, 422, "insufficient_funds", "/client")
    assert (problem["account"], problem["account_code"]) == ("clients:7", "clients:7")
    await client.open_account("a")
    await client.open_account("b", min_available=None)
    sides = (("a", "credit"), ("b", "debit"))
    lines = [{"account": account, "side": side, "amount": "5", "currency": "USD"} for account, side in sides]
    made = (await post(client, "/v1/journal-entries", {"reason": "x", "postings": lines})).json()
    await client.pay({"type": "withdrawal", "amount": "5", "currency": "USD", "from": "a"})
    back = await post(client, f"/v1/journal-entries/{made['id']}/reverse", {"reason": "x"})
    problem = refused(back, 422, "insufficient_funds", "")
    assert (problem["account"], problem["account_code"], problem["required"]) == ("a", "a", "5.00")


async def test_every_account_that_is_missing_is_told_at_once(client: Client) -> None:
    await client.open_account("a")
    nobody = "acc_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"
    one = await post(client, "/v1/payments", transfer("a", "bob"))
    refused(one, 422, "account_not_found", "/to", facts={"account": "bob"})
    both = refused(
        await post(client, "/v1/payments", transfer("alice", nobody)), 422, "account_not_found", "/from", "/to"
    )
    assert both["account"] == "alice"
    assert [("alice" in fault["detail"], nobody in fault["detail"]) for fault in both["errors"]] == [
        (True, False),
        (False, True),
    ]
    body = entry("x", "a", "y", nobody)
    places = [f"/postings/{place}/account" for place in (0, 2, 3)]
    refused(await post(client, "/v1/journal-entries", body), 422, "account_not_found", *places)
    items = [{**transfer("a", "a2"), "idempotency_key": "i0"}, {**transfer("alice", "bob"), "idempotency_key": "i1"}]
    for mode in ("independent", "atomic"):
        answer = await client.post("/v1/payments/bulk", {"items": items}, params={"mode": mode})
        if mode == "atomic":
            refused(answer, 422, "account_not_found", "/items/0/to", facts={"account": "a2", "index": 0})
            continue
        first, second = (one["problem"] for one in answer.json()["results"])
        assert (first["account"], [fault["pointer"] for fault in first["errors"]]) == ("a2", ["/items/0/to"])
        assert [fault["pointer"] for fault in second["errors"]] == ["/items/1/from", "/items/1/to"]
    entries = [{**body, "idempotency_key": "e0"}]
    (result,) = (await client.post("/v1/journal-entries/bulk", {"items": entries})).json()["results"]
    assert [fault["pointer"] for fault in result["problem"]["errors"]] == [f"/items/0{place}" for place in places]


async def test_an_answer_carries_the_balances_after_it_and_so_does_its_replay(client: Client) -> None:
    a, b = await client.open_account("a"), await client.open_account("b")
    await client.deposit("a", "10")
    wanted = [
        {"account_id": a["id"], "posted": "6.00", "held": "0.00", "available": "6.00"},
        {"account_id": b["id"], "posted": "4.00", "held": "0.00", "available": "4.00"},
    ]
    with_balances = {"include": "balances"}
    key = fresh_key()
    made = (await post(client, "/v1/payments", transfer("a", "b"), key, params=with_balances)).json()
    assert made["balances"] == wanted
    await client.deposit("a", "90")
    again = await post(client, "/v1/payments", transfer("a", "b"), key, params=with_balances)
    assert (again.json(), again.headers["idempotency-replayed"]) == (made, "true")
    assert (await client.get(f"/v1/payments/{made['id']}", params=with_balances)).json() == made
    plain = (await post(client, "/v1/payments", transfer("a", "b"), key)).json()
    assert plain == {name: value for name, value in made.items() if name != "balances"}
    of_entry = await client.get(f"/v1/journal-entries/{made['journal_entry_ids'][0]}", params=with_balances)
    assert of_entry.json()["balances"] == wanted


async def test_entries_reversals_and_items_carry_them_as_well(client: Client) -> None:
    a, b = await client.open_account("a", min_available=None), await client.open_account("b", min_available=None)
    with_balances = {"include": "balances"}
    key = fresh_key()
    body = entry("a", "b", "b")
    made = (await post(client, "/v1/journal-entries", body, key, params=with_balances)).json()
    assert {one["account_id"]: one["posted"] for one in made["balances"]} == {a["id"]: "-8.00", b["id"]: "8.00"}
    reverse = f"/v1/journal-entries/{made['id']}/reverse"
    back = (await post(client, reverse, {"reason": "x"}, params=with_balances)).json()
    assert {one["posted"] for one in back["balances"]} == {"0.00"}
    assert (await post(client, "/v1/journal-entries", body, key, params=with_balances)).json()["balances"] == made[
        "balances"
    ]
    items = [{**transfer("a", "b"), "idempotency_key": fresh_key()} for _ in range(2)]
    first = (await client.post("/v1/payments/bulk", {"items": items}, params=with_balances)).json()["results"]
    assert [one["data"]["balances"][0]["posted"] for one in first] == ["-4.00", "-8.00"]
    again = (await client.post("/v1/payments/bulk", {"items": items}, params=with_balances)).json()["results"]
    assert [one["data"] for one in again] == [one["data"] for one in first]
    rehearsed = (
        await post(client, "/v1/payments", transfer("a", "b"), params={**with_balances, "dry_run": "true"})
    ).json()
    assert {one["posted"] for one in rehearsed["balances"]} == {"-12.00", "12.00"}


async def test_what_can_be_included_is_balances_and_nothing_else(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    payment = await client.deposit("a", "1")
    for value in ("", "Balances", "balances,postings", "events"):
        for path, body in (("/v1/payments", transfer("a", "b")), ("/v1/journal-entries", entry("a", "b"))):
            answer = await post(client, path, body, params={"include": value})
            refused(answer, 422, "invalid_parameter", "include")
        refused(
            await client.get(f"/v1/payments/{payment['id']}", params={"include": value}),
            422,
            "invalid_parameter",
            "include",
        )
    transaction = {"type": "deposit", "client": 1, "tx": 1, "amount": "1"}
    answer = await post(client, "/v1/transactions", transaction, params={"include": "balances"})
    refused(answer, 422, "unknown_parameter", "include")


async def test_one_account_on_both_sides_is_named(client: Client) -> None:
    a = await client.open_account("a")
    facts = {"account": a["id"], "account_id": a["id"], "account_code": "a"}
    refused(await post(client, "/v1/payments", transfer("a", a["id"])), 422, "same_account", "/to", facts=facts)
