"""Conditions of payments and journal entries: judged under the lock, all that fail are told, by the caller's names."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused


@pytest.fixture
async def client(either_client: Client) -> Client:
    """Account a with 10.00 at version 1, b with nothing, and c beside them with 3.00."""
    for code in ("a", "b", "c"):
        await either_client.open_account(code)
    await either_client.deposit("a", "10")
    await either_client.deposit("c", "3")
    return either_client


def paying(amount: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    money = {"amount": amount, "currency": "USD"}
    return {"type": "transfer", **money, "from": "a", "to": "b", "conditions": list(conditions)}


def posting(amount: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    money = {"amount": amount, "currency": "USD"}
    lines = [{"account": "a", "side": "debit", **money}, {"account": "b", "side": "credit", **money}]
    return {"reason": "test", "postings": lines, "conditions": list(conditions)}


async def send(
    client: Client, body: dict[str, Any], key: str | None = None, params: dict[str, str] | None = None
) -> httpx.Response:
    path = "/v1/journal-entries" if "postings" in body else "/v1/payments"
    return await client.post(path, body, key=key or fresh_key(), params=params)


@pytest.mark.parametrize("order", [paying, posting])
async def test_what_is_true_is_no_hindrance_and_what_is_not_posts_nothing(client: Client, order: Any) -> None:
    good = [
        {"account": "a", "expected_version": 1, "available_at_least": "6.00", "available_at_most": "6"},
        {"account": "b", "expected_version": 0, "available_at_least": "4", "available_at_most": "4"},
        {"account": "c", "expected_version": 1, "available_at_least": "-3", "available_at_most": "3.00"},
    ]
    for place, name, value, code, status in (
        (0, "expected_version", 0, "version_conflict", 409),
        (0, "available_at_least", "6.01", "condition_failed", 422),
        (0, "available_at_most", "5.99", "condition_failed", 422),
        (1, "available_at_most", "3.99", "condition_failed", 422),
        (2, "expected_version", 2, "version_conflict", 409),
        (2, "available_at_least", "3.01", "condition_failed", 422),
    ):
        bad = [{**one, name: value} if place == index else one for index, one in enumerate(good)]
        refused(await send(client, order("4", *bad)), status, code, f"/conditions/{place}/{name}")
    assert [(await client.balance(code))["version"] for code in "abc"] == [1, 0, 1]
    assert (await send(client, order("4", *good))).status_code == 201
    assert [(await client.balance(code))["posted"] for code in "abc"] == ["6.00", "4.00", "3.00"]


@pytest.mark.parametrize("order", [paying, posting])
@pytest.mark.parametrize("params", [None, {"dry_run": "true"}], ids=["in earnest", "a rehearsal"])
async def test_what_a_frozen_account_lacks_is_told_as_well(
    client: Client, order: Any, params: dict[str, str] | None
) -> None:
    """All of it is in the way: whoever unfreezes it is not to find the next by trying."""
    await client.post("/v1/accounts/a/freeze", {"reason": "x"}, key=fresh_key())
    body = order("11", {"account": "a", "available_at_least": "0"}, {"account": "c", "expected_version": 7})
    payer = "/from" if "from" in body else "/postings/0/account"
    refused(
        await send(client, body, params=params),
        409,
        "account_frozen",
        payer,
        ("/conditions/0/available_at_least", "condition_failed"),
        ("/conditions/1/expected_version", "version_conflict"),
        (payer, "insufficient_funds"),
    )


@pytest.mark.parametrize("order", [paying, posting])
async def test_every_condition_that_fails_is_told_with_what_was_seen(client: Client, order: Any) -> None:
    """In a rehearsal and in earnest alike, and to the key again whatever has become of the books since."""
    c = (await client.get("/v1/accounts/c")).json()["id"]
    body = order(
        "30",
        {"account": "b", "expected_version": 4},
        {"account": c, "available_at_least": "5.00", "available_at_most": "2"},
    )
    key = fresh_key()
    payer = "/from" if order is paying else "/postings/0/account"
    pointers = (
        "/conditions/0/expected_version",
        ("/conditions/1/available_at_least", "condition_failed"),
        ("/conditions/1/available_at_most", "condition_failed"),
        (payer, "insufficient_funds"),
    )
    rehearsed = refused(await send(client, body, key, {"dry_run": "true"}), 409, "version_conflict", *pointers)
    first = await send(client, body, key)
    told = refused(first, 409, "version_conflict", *pointers)
    assert {**rehearsed, "request_id": ""} == {**told, "request_id": ""}
    assert (told["account"], told["account_code"], told["expected_version"], told["version"]) == ("b", "b", 4, 0)
    _, least, most, funds = told["errors"]
    seen = {"account": c, "account_id": c, "account_code": "c", "available": "3.00", "available_after": "3.00"}
    assert seen.items() <= least.items()
    assert (least["available_at_least"], most["available_at_most"]) == ("5.00", "2.00")
    assert (funds["code"], funds["account"], funds["available"], funds["required"]) == (
        "insufficient_funds",
        "a",
        "10.00",
        "30.00",
    )
    await client.deposit("b", "1")
    again = await send(client, body, key)
    assert again.headers["idempotency-replayed"] == "true"
    assert list(again.json().items())[:6] == list(first.json().items())[:6]
    assert {**again.json(), "request_id": ""} == {**told, "request_id": ""}


async def test_items_of_a_bulk_are_judged_one_after_the_other(client: Client) -> None:
    items = [
        {**paying("1", {"account": "a", "expected_version": 1 + done}), "idempotency_key": fresh_key()}
        for done in range(3)
    ]
    answer = await client.post("/v1/payments/bulk", {"items": items}, params={"mode": "atomic"})
    assert [result["status"] for result in answer.json()["results"]] == [201, 201, 201]
    items = [
        {**item, "idempotency_key": fresh_key()}
        for item in (paying("1"), paying("90", {"account": "a", "expected_version": 4}))
    ]
    for parameters in ({"mode": "atomic"}, {"mode": "atomic", "dry_run": "true"}):
        problem = refused(
            await client.post("/v1/payments/bulk", {"items": items}, params=parameters),
            409,
            "version_conflict",
            "/items/1/conditions/0/expected_version",
            ("/items/1/from", "insufficient_funds"),
        )
        assert (problem["version"], problem["errors"][1]["available"]) == (5, "6.00"), "after the item before it"


async def test_of_many_at_once_one_finds_the_version(neighbours: tuple[Client, Client]) -> None:
    for code in ("a", "b"):
        await neighbours[0].open_account(code)
    await neighbours[0].deposit("a", "10")
    body = paying("1", {"account": "a", "expected_version": 1})
    answers = await asyncio.gather(*(send(neighbours[number % 2], body) for number in range(32)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 31}
    assert {answer.json()["version"] for answer in answers if answer.status_code == 409} == {2}


async def test_the_same_key_with_other_conditions_is_another_request(client: Client) -> None:
    key = fresh_key()
    condition = {"account": "a", "available_at_least": "1.0"}
    first = await send(client, paying("1", condition), key)
    again = await send(client, paying("1", {**condition, "available_at_least": "1.00", "expected_version": None}), key)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    for other in ((), ({**condition, "available_at_least": "1.01"},), ({**condition, "account": "c"},)):
        refused(await send(client, paying("1", *other), key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("condition", "code", "pointer"),
    [
        ({"account": "a"}, "validation_error", "/conditions/0"),
        ({"account": "a", "available_at_least": 5}, "invalid_amount", "/conditions/0/available_at_least"),
        ({"account": "a", "available_at_most": "0.001"}, "amount_too_precise", "/conditions/0/available_at_most"),
        ({"account": "nobody", "expected_version": 1}, "account_not_found", "/conditions/0/account"),
        ({"account": "a", "expected_version": -1}, "validation_error", "/conditions/0/expected_version"),
        ({"account": "a", "expected_version": "1"}, "validation_error", "/conditions/0/expected_version"),
        ({"account": "a", "version": 1}, "unknown_field", "/conditions/0/version"),
    ],
)
async def test_a_condition_that_cannot_be_read_is_refused(
    client: Client, condition: dict[str, Any], code: str, pointer: str
) -> None:
    for order in (paying, posting):
        refused(await send(client, order("1", condition)), 422, code, pointer)
