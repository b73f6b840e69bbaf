"""Velocity limits over HTTP: made, changed and taken away; reached exactly, also by two services at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger


@pytest.fixture
async def client(either_client: Client) -> Client:
    """Account a with 100.00, and b and c with nothing."""
    await with_accounts(either_client)
    return either_client


async def with_accounts(client: Client) -> None:
    for code in ("a", "b", "c"):
        await client.open_account(code)
    await client.deposit("a", "100")


def limit(window: str = "day", direction: str = "out", **members: Any) -> dict[str, Any]:
    return {"direction": direction, "window": window, **members}


async def limited(client: Client, account: str, *limits: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.http.patch(f"/v1/accounts/{account}", json={"velocity_limits": list(limits)}, headers=headers)


async def test_limits_are_set_shown_and_taken_away(client: Client) -> None:
    key = fresh_key()
    answer = await limited(client, "a", limit(amount="30.0"), limit("rolling", seconds=600, count=3), key=key)
    assert answer.status_code == 200, answer.text
    shown = [
        {"direction": "out", "window": "day", "seconds": None, "amount": "30.00", "count": None},
        {"direction": "out", "window": "rolling", "seconds": 600, "amount": None, "count": 3},
    ]
    assert answer.json()["velocity_limits"] == shown
    assert (await client.get("/v1/accounts/a")).json()["velocity_limits"] == shown
    log = (await client.get("/v1/audit-log", params={"type": "account.limits_changed"})).json()["data"]
    assert log[0]["facts"]["velocity_limits"] == {"from": [], "to": shown}
    again = await limited(client, "a", limit("rolling", seconds=600, count=3), limit(amount="30"), key=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")
    refused(await limited(client, "a", limit(amount="31"), key=key), 422, "idempotency_key_reused")
    assert (await limited(client, "a")).json()["velocity_limits"] == []
    assert (await client.transfer("a", "b", "99")).status_code == 201


async def test_a_limit_is_reached_and_not_passed(client: Client) -> None:
    """What was before it counts as well."""
    assert (await client.transfer("a", "b", "10")).status_code == 201
    await limited(client, "a", limit(amount="30"))
    problem = refused(await client.transfer("a", "b", "20.01"), 422, "velocity_limit_exceeded", "/from")
    assert (problem["account"], problem["used"], problem["used_count"], problem["asked"]) == ("a", "10.00", 1, "20.01")
    start, end = (datetime.fromisoformat(problem[name]) for name in ("window_start", "window_end"))
    assert (end - start, problem["frees_at"]) == (timedelta(days=1), problem["window_end"])
    assert (await client.transfer("a", "b", "20")).status_code == 201
    never = refused(await client.transfer("a", "b", "30.01"), 422, "velocity_limit_exceeded", "/from")
    assert never["frees_at"] is None
    rehearsal = {"type": "withdrawal", "amount": "0.01", "currency": "USD", "from": "a"}
    answer = await client.post("/v1/payments", rehearsal, key=fresh_key(), params={"dry_run": "true"})
    refused(answer, 422, "velocity_limit_exceeded", "/from")


async def test_what_comes_in_and_how_often_is_limited_too(client: Client) -> None:
    await limited(client, "b", limit("hour", "in", amount="20", count=2), limit("month", "out", count=1))
    assert [(await client.transfer("a", "b", amount)).status_code for amount in ("15", "6", "5", "1")] == [
        201,
        422,
        201,
        422,
    ]
    assert [(await client.transfer("b", "c", "1")).status_code for _ in range(2)] == [201, 422]
    entry = [
        {"account": "a", "side": "debit", "amount": "90", "currency": "USD"},
        {"account": "b", "side": "credit", "amount": "90", "currency": "USD"},
    ]
    answer = await client.post("/v1/journal-entries", {"reason": "x", "postings": entry}, key=fresh_key())
    problem = refused(
        answer, 422, "insufficient_funds", "/postings/0/account", ("/postings/1/account", "velocity_limit_exceeded")
    )
    assert problem["errors"][1]["asked"]


async def test_a_hold_counts_when_it_is_placed_and_what_gives_back_is_never_refused(client: Client) -> None:
    await limited(client, "a", limit(amount="30"))
    hold = {"from": "a", "to": "b", "amount": "20", "currency": "USD", "capture_max": "40"}
    placed = (await client.post("/v1/holds", hold, key=fresh_key())).json()
    refused(await client.post("/v1/holds", hold, key=fresh_key()), 422, "velocity_limit_exceeded", "/from")
    capture = f"/v1/holds/{placed['id']}/capture"
    captured = await client.post(capture, {"amount": "15"}, key=fresh_key())
    assert captured.status_code == 200
    refused(
        await client.post(capture, {"amount": "15.01", "final": True}, key=fresh_key()),
        422,
        "velocity_limit_exceeded",
        "/amount",
    )
    assert (await client.post(capture, {"amount": "15", "final": True}, key=fresh_key())).status_code == 200
    await limited(client, "b", limit(amount="0.01"))
    for _ in range(2):
        refund = f"/v1/payments/{captured.json()['payment_ids'][0]}/refund"
        assert (await client.post(refund, {"amount": "5"}, key=fresh_key())).status_code == 201


@pytest.mark.parametrize("splits", [None, [{"to": "c", "percent": "10"}, {"to": "b", "remainder": True}]])
async def test_a_capture_within_the_hold_is_not_judged_for_its_payee_and_counts(client: Client, splits: Any) -> None:
    hold = {"from": "a", "to": "b", "amount": "20", "currency": "USD", "capture_max": "40"}
    placed = (await client.post("/v1/holds", hold, key=fresh_key())).json()
    await limited(client, "b", limit(direction="in", amount="5"))
    await limited(client, "c", limit(direction="in", amount="1"))
    capture, parts = f"/v1/holds/{placed['id']}/capture", {} if splits is None else {"splits": splits}
    captured = await client.post(capture, {"amount": "15", **parts}, key=fresh_key())
    assert captured.status_code == 200, captured.text
    above = {"amount": "5.01", "final": True}
    problem = refused(await client.post(capture, above, key=fresh_key()), 422, "velocity_limit_exceeded", "/amount")
    assert (problem["used"], problem["asked"]) == ("15.00" if splits is None else "13.50", "5.01")
    assert (await client.post(capture, {"final": True}, key=fresh_key())).status_code == 200
    refused(await client.transfer("a", "b", "0.01"), 422, "velocity_limit_exceeded", "/to")


async def test_a_refund_of_a_payment_in_parts_is_never_refused_either(client: Client) -> None:
    splits = [{"to": "c", "percent": "10"}]
    body = {"type": "transfer", "amount": "20", "currency": "USD", "from": "a", "to": "b", "splits": splits}
    paid = (await client.pay(body)).json()
    for code in ("b", "c"):
        await limited(client, code, limit(amount="0.01"))
    await limited(client, "a", limit(direction="in", count=1))
    for _ in range(2):
        answer = await client.post(f"/v1/payments/{paid['id']}/refund", {"amount": "5"}, key=fresh_key())
        assert answer.status_code == 201, answer.text


async def test_many_at_once_at_two_services_reach_the_limit_exactly(neighbours: tuple[Client, Client]) -> None:
    await with_accounts(neighbours[0])
    await limited(neighbours[0], "a", limit("rolling", seconds=3600, amount="20"), limit(count=9, amount="90"))
    sent = [neighbours[number % 2].transfer("a", "bc"[number % 2], "2.5") for number in range(32)]
    answers = await asyncio.gather(*sent)
    assert Counter(answer.status_code for answer in answers) == {201: 8, 422: 24}
    assert (await neighbours[1].balance("a"))["posted"] == "80.00"
    assert (await limited(neighbours[1], "a", limit(count=9))).status_code == 200
    answers = await asyncio.gather(*(neighbours[number % 2].transfer("a", "b", "1") for number in range(8)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 7}


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"amount": "0"}, "invalid_amount", "/velocity_limits/0/amount"),
        ({}, "validation_error", "/velocity_limits/0"),
        ({"count": 0}, "validation_error", "/velocity_limits/0/count"),
        ({"count": 1, "seconds": 5}, "validation_error", "/velocity_limits/0/seconds"),
        ({"count": 1, "window": "rolling"}, "validation_error", "/velocity_limits/0/seconds"),
        ({"count": 1, "window": "week"}, "validation_error", "/velocity_limits/0/window"),
    ],
)
async def test_a_limit_that_cannot_be_read_is_refused(
    client: Client, members: dict[str, Any], code: str, pointer: str
) -> None:
    refused(await limited(client, "a", {**limit(), **members}), 422, code, pointer)
    if members.get("count") == 1:
        twice = limit(count=1), limit(count=2)
        refused(await limited(client, "a", *twice), 422, "validation_error", "/velocity_limits/1/window")


async def test_an_account_is_opened_with_its_limits(client: Client, database: Database, ledger_id: LedgerId) -> None:
    """In the same transaction: there is no moment without them. The key knows them by their amounts."""
    body = {"code": "d", "currency": "USD", "type": "liability", "velocity_limits": [limit(amount="30.0")]}
    key = fresh_key()
    made = await client.post("/v1/accounts", body, key=key)
    assert made.status_code == 201, made.text
    shown = [{"direction": "out", "window": "day", "seconds": None, "amount": "30.00", "count": None}]
    assert made.json()["velocity_limits"] == (await client.get("/v1/accounts/d")).json()["velocity_limits"] == shown
    again = await client.post("/v1/accounts", {**body, "velocity_limits": [limit(amount="30")]}, key=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (made.content, "true")
    for other in ([limit(amount="31")], [], None):
        answer = await client.post("/v1/accounts", {**body, "velocity_limits": other}, key=key)
        refused(answer, 422, "idempotency_key_reused")
    await client.deposit("d", "50")
    refused(await client.transfer("d", "b", "30.01"), 422, "velocity_limit_exceeded", "/from")
    assert (await client.transfer("d", "b", "30")).status_code == 201
    twice = {**body, "code": "e", "velocity_limits": [limit(count=1), limit(count=2)]}
    answer = await client.post("/v1/accounts", twice, key=fresh_key())
    refused(answer, 422, "validation_error", "/velocity_limits/1/window")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_first_use_opens_an_account_with_the_limits_of_its_rule(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    """What opens it is judged by them, and counts."""
    rule = {"pattern": "new:*", "type": "liability", "velocity_limits": [limit(direction="in", amount="30")]}
    answer = await client.http.put("/v1/chart", json={"rules": [rule]})
    refused(answer, 422, "validation_error", "/rules/0/currency")
    for _ in range(2):
        answer = await client.http.put("/v1/chart", json={"rules": [rule | {"currency": "USD"}]})
        assert (answer.status_code, answer.json()["version"]) == (200, 1), answer.text
    refused(await client.transfer("a", "new:x", "30.01"), 422, "velocity_limit_exceeded", "/to")
    assert (await client.transfer("a", "new:x", "20")).status_code == 201
    refused(await client.transfer("a", "new:x", "10.01"), 422, "velocity_limit_exceeded", "/to")
    assert (await client.transfer("a", "new:x", "10")).status_code == 201
    assert (await client.get("/v1/accounts/new:x")).json()["velocity_limits"][0]["amount"] == "30.00"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
