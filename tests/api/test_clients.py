"""Clients over HTTP: the rules of client files, one command at a time, through the committer into the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.clients.running import rows_in
from tests.clients.test_cases import CASES, options_of
from zerosum.ingest.client_files.rows import DEPOSIT, KINDS, WITHDRAWAL, Row


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


async def command(
    client: Client, type_: str, number: Any, tx: Any, amount: Any = None, **options: Any
) -> httpx.Response:
    body = {"type": type_, "client": number, "tx": tx}
    if amount is not None:
        body["amount"] = amount
    return await client.post("/v1/transactions", body | options.pop("more", {}), key=fresh_key(), **options)


async def clients_of(client: Client) -> AsyncIterator[dict[str, Any]]:
    cursor = None
    while True:
        page = (await client.get("/v1/clients", params={"limit": 200} | ({"cursor": cursor} if cursor else {}))).json()
        for found in page["data"]:
            yield found
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def accounts_file(client: Client) -> str:
    found = sorted([one async for one in clients_of(client)], key=lambda one: one["client"])
    lines = ["client,available,held,total,locked"]
    for one in found:
        figures = (one["client"], one["available"], one["held"], one["total"], str(one["locked"]).lower())
        lines.append(",".join(map(str, figures)))
    return "\n".join(lines) + "\n"


async def send(client: Client, row: Row, **more: Any) -> httpx.Response:
    amount = f"{row.units // 10_000}.{row.units % 10_000:04}" if row.kind in (DEPOSIT, WITHDRAWAL) else None
    return await command(client, KINDS[row.kind].value, row.client, row.tx, amount, more=more)


GIVEN_ORDER = [case for case in CASES if "--order" not in options_of(case)]


@pytest.mark.parametrize("case", GIVEN_ORDER, ids=lambda case: case.name)
async def test_the_case_comes_out_as_from_a_file(client: Client, case: Path) -> None:
    more = {"refuse_negative_total": True} if "--refuse-negative-total" in options_of(case) else {}
    rejects = case / "rejects.csv"
    expected = [line.rsplit(",", 1)[1] for line in rejects.read_text().splitlines()[1:]] if rejects.exists() else []
    told = []
    for row in rows_in(case):
        if row.fault is not None:
            told.append(row.fault)
            continue
        answer = await send(client, row, **more)
        if answer.status_code != 201:
            told.append(answer.json()["code"])
    assert await accounts_file(client) == (case / "expected.csv").read_text()
    assert told == expected
    assert (await client.get("/v1/integrity")).json()["is_intact"] is True


async def test_a_deposit_goes_through_a_dispute_to_its_chargeback(client: Client) -> None:
    made = (await command(client, "deposit", 7, 70, "5.5")).json()
    assert (made["type"], made["client"], made["tx"], made["amount"]) == ("deposit", 7, 70, "5.5000")
    assert made["status"] == "carried_out"
    statuses = []
    for type_ in ("dispute", "resolve", "dispute", "chargeback"):
        answer = await command(client, type_, 7, 70)
        assert answer.status_code == 201, answer.text
        statuses.append(answer.json()["status"])
        assert (await client.get("/v1/transactions/70")).json()["status"] == statuses[-1]
    assert statuses == ["disputed", "resolved", "disputed", "charged_back"]
    found = (await client.get("/v1/clients/7")).json()
    figures = {"available": "0.0000", "held": "0.0000", "total": "0.0000"}
    assert found == {"client": 7, **figures, "currency": "XTS", "locked": True}
    assert (await client.get("/v1/accounts/clients:7")).json()["status"] == "frozen"
    refused(await command(client, "deposit", 7, 71, "1"), 409, "client_locked", "/client")


async def test_the_three_columns_are_those_of_the_account(client: Client) -> None:
    await command(client, "deposit", 1, 1, "5")
    await command(client, "withdrawal", 1, 2, "3")
    await command(client, "dispute", 1, 1)
    found = (await client.get("/v1/clients/1")).json()
    assert (found["available"], found["held"], found["total"]) == ("-3.0000", "5.0000", "2.0000")
    balance = await client.balance("clients:1")
    assert (balance["available"], balance["held"], balance["posted"]) == ("-3.0000", "5.0000", "2.0000")


async def test_each_command_is_replayed_as_it_was_answered(client: Client) -> None:
    first = []
    commands = [("deposit", "1"), ("dispute", None), ("resolve", None), ("dispute", None), ("chargeback", None)]
    bodies = [{"type": type_, "client": 3, "tx": 3, "amount": amount} for type_, amount in commands]
    keys = [fresh_key() for _ in bodies]
    for body, key in zip(bodies, keys, strict=True):
        first.append(await client.post("/v1/transactions", body, key=key))
    for body, key, earlier in zip(bodies, keys, first, strict=True):
        again = await client.post("/v1/transactions", body, key=key)
        assert (again.status_code, again.json()) == (201, earlier.json())
        assert again.headers["idempotency-replayed"] == "true"


async def test_the_look_up_of_its_key_names_the_transaction(client: Client) -> None:
    for type_, amount in (("deposit", "1"), ("dispute", None)):
        key = fresh_key()
        await client.post("/v1/transactions", {"type": type_, "client": 3, "tx": 33, "amount": amount}, key=key)
        outcome = (await client.get(f"/v1/idempotency-keys/{key}")).json()
        assert (outcome["outcome"], outcome["resource"]) == ("posted", {"type": "client_transaction", "id": "33"})


@pytest.mark.parametrize("code", ["clients:1", "clients:007", "clients:70000", "clients:1a", "clients:all"])
async def test_accounts_of_clients_are_opened_by_their_transactions_alone(client: Client, code: str) -> None:
    body = {"code": code, "currency": "USD", "type": "asset"}
    refused(await client.post("/v1/accounts", body), 422, "code_reserved", "/code")
    assert [one async for one in clients_of(client)] == []


async def test_a_refusal_is_replayed_though_it_would_be_carried_out_now(client: Client) -> None:
    key, body = fresh_key(), {"type": "withdrawal", "client": 4, "tx": 40, "amount": "1"}
    refused(await client.post("/v1/transactions", body, key=key), 422, "insufficient_funds", "/client")
    await command(client, "deposit", 4, 41, "1")
    again = await client.post("/v1/transactions", body, key=key)
    refused(again, 422, "insufficient_funds", "/client")
    assert again.headers["idempotency-replayed"] == "true"


async def test_another_amount_under_the_same_key_is_refused(client: Client) -> None:
    key, body = fresh_key(), {"type": "deposit", "client": 4, "tx": 40, "amount": "1"}
    await client.post("/v1/transactions", body, key=key)
    refused(await client.post("/v1/transactions", body | {"amount": "2"}, key=key), 422, "idempotency_key_reused")
    same = await client.post("/v1/transactions", body | {"amount": "1.0"}, key=key)
    assert same.status_code == 201


@pytest.mark.parametrize(
    ("more", "code", "pointer"),
    [
        ({"amount": 5}, "invalid_amount", "/amount"),
        ({"amount": "0"}, "invalid_amount", "/amount"),
        ({"amount": "1.00001"}, "amount_too_precise", "/amount"),
        ({"amount": None}, "validation_error", "/amount"),
        ({"client": 65_536}, "validation_error", "/client"),
        ({"client": -1}, "validation_error", "/client"),
        ({"client": "1"}, "validation_error", "/client"),
        ({"client": True}, "validation_error", "/client"),
        ({"tx": 4_294_967_296}, "validation_error", "/tx"),
        ({"type": "refund"}, "validation_error", "/type"),
        ({"colour": "red"}, "unknown_field", "/colour"),
    ],
)
async def test_a_malformed_command_makes_no_client(
    client: Client, more: dict[str, Any], code: str, pointer: str
) -> None:
    body = {"type": "deposit", "client": 9, "tx": 9, "amount": "1"} | more
    refused(await client.post("/v1/transactions", body, key=fresh_key()), 422, code, pointer)
    item = body | {"idempotency_key": fresh_key()}
    bulk = (await client.post("/v1/transactions/bulk", {"items": [item]})).json()
    assert bulk["results"][0]["problem"]["code"] == code
    assert [one async for one in clients_of(client)] == []
    refused(await client.get("/v1/clients/9"), 404, "client_not_found")


@pytest.mark.parametrize("amount", [5, "nonsense", "-1", {}])
async def test_an_amount_on_a_dispute_is_ignored_whatever_it_is(client: Client, amount: Any) -> None:
    await command(client, "deposit", 1, 1, "5")
    answer = await command(client, "dispute", 1, 1, amount)
    assert (answer.status_code, answer.json()["amount"]) == (201, "5.0000")


async def test_a_bulk_call_is_judged_in_order(client: Client) -> None:
    rows = [
        ("deposit", 1, "2"),
        ("withdrawal", 2, "3"),
        ("dispute", 1, None),
        ("chargeback", 1, None),
        ("deposit", 3, "1"),
    ]
    items = [
        {"type": type_, "client": 1, "tx": tx, "amount": amount, "idempotency_key": fresh_key()}
        for type_, tx, amount in rows
    ]
    results = (await client.post("/v1/transactions/bulk", {"items": items})).json()["results"]
    told = [one["data"]["status"] if one["status"] == 201 else one["problem"]["code"] for one in results]
    assert told == ["carried_out", "insufficient_funds", "disputed", "charged_back", "client_locked"]


async def test_all_or_nothing_undoes_transactions_and_locks(client: Client) -> None:
    rows = [("deposit", 1, "2"), ("dispute", 1, None), ("chargeback", 1, None), ("deposit", 3, "1")]
    items = [
        {"type": type_, "client": 1, "tx": tx, "amount": amount, "idempotency_key": fresh_key()}
        for type_, tx, amount in rows
    ]
    answer = await client.post("/v1/transactions/bulk", {"items": items}, params={"mode": "atomic"})
    assert (answer.status_code, answer.json()["code"], answer.json()["index"]) == (409, "client_locked", 3)
    refused(await client.get("/v1/transactions/1"), 404, "transaction_not_found")
    assert (await client.get("/v1/clients/1")).json()["locked"] is False


async def test_a_rehearsal_writes_nothing_and_makes_no_client(client: Client) -> None:
    answer = await command(client, "deposit", 5, 50, "1", params={"dry_run": "true"})
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert [one async for one in clients_of(client)] == []
    await command(client, "deposit", 5, 50, "1")
    rehearsed = await command(client, "dispute", 5, 50, params={"dry_run": "true"})
    assert rehearsed.json()["status"] == "disputed"
    assert (await client.get("/v1/transactions/50")).json()["status"] == "carried_out"


async def test_transactions_are_listed_by_client_newest_first(client: Client) -> None:
    for tx in (3, 1, 2):
        await command(client, "deposit", 1, tx, "1")
    await command(client, "deposit", 2, 9, "1")
    page = (await client.get("/v1/clients/1/transactions", params={"limit": 2})).json()
    assert [one["tx"] for one in page["data"]] == [2, 1]
    rest = (await client.get("/v1/clients/1/transactions", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([one["tx"] for one in rest["data"]], rest["has_more"]) == ([3], False)


@pytest.mark.parametrize(
    "path", ["/v1/clients/x", "/v1/clients/65536", "/v1/transactions/-1", "/v1/transactions/1e3", "/v1/clients/01"]
)
async def test_what_is_no_number_names_nothing(client: Client, path: str) -> None:
    refused(await client.get(path), 422, "invalid_id")
