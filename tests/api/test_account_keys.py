"""Keys on the routes that open and change accounts: the first answer again, as it was given."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import asyncpg
import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.api.test_idempotency import is_replay, same
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.ledger.account import AccountType
from zerosum.services.account_administration import (
    AccountOrder,
    ChangeAccount,
    CloseAccount,
    FreezeAccount,
    UnfreezeAccount,
    order_fingerprint,
)
from zerosum.services.accounts import OpenAccount

WALLET = {"code": "wallet", "currency": "USD", "type": "liability", "name": "A", "metadata": {"tier": "gold"}}


async def change(client: Client, body: Any, key: str) -> httpx.Response:
    return await client.http.patch("/v1/accounts/wallet", json=body, headers={"Idempotency-Key": key})


async def turn(client: Client, action: str, key: str | None = None, body: Any = None) -> httpx.Response:
    return await client.post(f"/v1/accounts/wallet/{action}", body, key=key)


async def test_each_of_the_five_gives_its_first_answer_again_as_it_was_given(client: Client) -> None:
    keys = [fresh_key() for _ in range(5)]
    first = [
        await client.post("/v1/accounts", WALLET, key=keys[0]),
        await change(client, {"name": "B", "max_available": "10"}, keys[1]),
        await turn(client, "freeze", keys[2]),
        await turn(client, "unfreeze", keys[3]),
    ]
    await client.deposit("wallet", "1")
    await client.pay({"type": "withdrawal", "amount": "1", "currency": "USD", "from": "wallet"})
    first.append(await turn(client, "close", keys[4]))
    again = [
        await client.post("/v1/accounts", WALLET, key=keys[0]),
        await change(client, {"name": "B", "max_available": "10"}, keys[1]),
        await turn(client, "freeze", keys[2]),
        await turn(client, "unfreeze", keys[3]),
        await turn(client, "close", keys[4]),
    ]
    assert [answer.status_code for answer in first] == [201, 200, 200, 200, 200]
    assert [is_replay(answer) for answer in (*first, *again)] == [False] * 5 + [True] * 5
    for one, other in zip(first, again, strict=True):
        assert same(one, other)
    assert (await client.get("/v1/accounts/wallet")).json()["status"] == "closed"


async def test_a_key_is_for_one_request(client: Client) -> None:
    key = fresh_key()
    await client.post("/v1/accounts", WALLET, key=key)
    refused(await client.post("/v1/accounts", {**WALLET, "name": None}, key=key), 422, "idempotency_key_reused")
    refused(await turn(client, "freeze", key), 422, "idempotency_key_reused")
    refused(await turn(client, "close", key, {"reason": "x"}), 422, "idempotency_key_reused")
    refused(await change(client, {"min_available": "0.001"}, key), 422, "idempotency_key_reused")
    paid = await client.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": "wallet"}, key)
    refused(paid, 422, "idempotency_key_reused")
    payment_key = fresh_key()
    await client.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": "wallet"}, payment_key)
    refused(await turn(client, "freeze", payment_key), 422, "idempotency_key_reused")


async def test_a_refusal_is_kept_under_its_key(client: Client) -> None:
    key, other = fresh_key(), fresh_key()
    await client.post("/v1/accounts", WALLET)
    await client.deposit("wallet", "1")
    first = await turn(client, "close", key)
    taken = await client.post("/v1/accounts", WALLET, key=other)
    refused(first, 409, "invalid_state")
    refused(taken, 409, "account_exists", "/code")
    await client.pay({"type": "withdrawal", "amount": "1", "currency": "USD", "from": "wallet"})
    again = await turn(client, "close", key)
    assert same(first, again)
    assert is_replay(again)
    assert is_replay(await client.post("/v1/accounts", WALLET, key=other))
    assert (await turn(client, "close")).json()["status"] == "closed"


async def test_without_a_key_nothing_is_kept(client: Client, superuser: asyncpg.Connection[asyncpg.Record]) -> None:
    await client.post("/v1/accounts", WALLET)
    await turn(client, "freeze")
    refused(await client.post("/v1/accounts", WALLET), 409, "account_exists")
    ledger = parse_id(Prefix.LEDGER, client.ledger)
    counts = [f"(select count(*) from {table} where ledger_id = $1)" for table in ("answers", "refusals")]
    kept = f"select {counts[0]} + {counts[1]}"
    assert await superuser.fetchval(kept, ledger) == 0


@pytest.mark.parametrize("key", ["", "with space", "k" * 256])
async def test_a_key_that_is_none_is_refused(client: Client, key: str) -> None:
    refused(await client.post("/v1/accounts", WALLET, key=key), 400, "idempotency_key_invalid")


async def test_events_tell_the_account_as_it_was(client: Client, superuser: asyncpg.Connection[asyncpg.Record]) -> None:
    await client.post("/v1/accounts", WALLET)
    await change(client, {"name": "B", "max_available": "10"}, fresh_key())
    await change(client, {"name": "B"}, fresh_key())  # is so already
    await turn(client, "freeze")
    rows = await superuser.fetch(
        "select type, data->>'name' as name, data->>'status' as status, data->>'max_available' as ceiling, "
        "data->>'code' as code, data->'metadata'->>'tier' as tier from events where ledger_id = $1 order by id",
        parse_id(Prefix.LEDGER, client.ledger),
    )
    assert [tuple(row) for row in rows] == [
        ("account.opened", "A", "open", None, "wallet", "gold"),
        ("account.changed", "B", "open", "10.00", "wallet", "gold"),
        ("account.frozen", "B", "frozen", "10.00", "wallet", "gold"),
    ]


async def test_of_many_that_open_one_code_one_does(client: Client) -> None:
    answers = await asyncio.gather(*(client.post("/v1/accounts", WALLET) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    opened = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    assert (await client.get("/v1/accounts/wallet")).json()["id"] == opened


async def test_a_client_locked_by_a_chargeback_is_reopened_on_purpose_only(client: Client) -> None:
    for type_, amount in (("deposit", "5"), ("dispute", None), ("chargeback", None)):
        body = {"type": type_, "client": 7, "tx": 1} | ({"amount": amount} if amount else {})
        assert (await client.post("/v1/transactions", body, key=fresh_key())).status_code == 201
    path = "/v1/accounts/clients:7/unfreeze"
    refused(await client.post(path), 409, "invalid_state", facts={"account_status": "frozen"})
    refused(await client.post(path, {"reopen": False}), 409, "invalid_state")
    refused(await client.post(path, {"reopen": "yes"}), 422, "validation_error", "/reopen")
    answer = await client.post(path, {"reopen": True, "reason": "It was our mistake"})
    assert (answer.status_code, answer.json()["status"]) == (200, "open")
    assert (await client.post(path)).status_code == 200  # it is open already


async def test_a_client_frozen_by_hand_is_simply_unfrozen(client: Client) -> None:
    body = {"type": "deposit", "client": 8, "tx": 1, "amount": "5"}
    assert (await client.post("/v1/transactions", body, key=fresh_key())).status_code == 201
    await client.post("/v1/accounts/clients:8/freeze")
    assert (await client.post("/v1/accounts/clients:8/unfreeze")).json()["status"] == "open"


ORDERS: list[AccountOrder] = [
    OpenAccount(
        code="a",
        currency="USD",
        type=AccountType.LIABILITY,
        name="n",
        min_available="0",
        max_available="1",
        metadata={"a": "b"},
    ),
    ChangeAccount(account="a", name="n", min_available="0", max_available="1", metadata={"a": "b"}),
    FreezeAccount(account="a", reason="x"),
    UnfreezeAccount(account="a", reason="x"),
    CloseAccount(account="a", reason="x"),
]


@pytest.mark.parametrize(
    ("order", "member"),
    [
        pytest.param(order, one.name, id=f"{type(order).__name__} {one.name}")
        for order in ORDERS
        for one in fields(order)
    ],
)
def test_a_fingerprint_is_over_every_member(order: AccountOrder, member: str) -> None:
    value = getattr(order, member)
    other: Any
    if isinstance(value, bool):
        other = not value
    elif isinstance(value, AccountType):
        other = AccountType.ASSET
    else:
        other = {"a": "c"} if isinstance(value, dict) else f"{value}2"
    assert order_fingerprint(replace(order, **{member: other})) != order_fingerprint(order)


@pytest.mark.parametrize("limit", ["min_available", "max_available"])
@pytest.mark.parametrize("texts", [("1", "1.0", "1.00", "1.0000"), ("0", "0.00"), ("-2.5", "-2.50")])
async def test_one_limit_in_several_writings_is_one_request(client: Client, limit: str, texts: tuple[str, ...]) -> None:
    """As amounts of payments are. Another limit, and none, are other requests."""
    opening, changing = fresh_key(), fresh_key()
    fixed = {"min_available": None} if limit == "max_available" else {}
    for index, text in enumerate(texts):
        opened = await client.post("/v1/accounts", {**WALLET, **fixed, limit: text}, key=opening)
        changed = await change(client, {limit: text}, changing)
        assert (opened.status_code, is_replay(opened)) == (201, index > 0), opened.text
        assert (changed.status_code, is_replay(changed)) == (200, index > 0), changed.text
    for other in ("3.01", None):
        opened = await client.post("/v1/accounts", {**WALLET, **fixed, limit: other}, key=opening)
        refused(opened, 422, "idempotency_key_reused")
        refused(await change(client, {limit: other}, changing), 422, "idempotency_key_reused")


def test_a_null_is_another_wish_than_nothing_and_each_kind_is_its_own() -> None:
    assert order_fingerprint(ChangeAccount(account="a", name=None)) != order_fingerprint(ChangeAccount(account="a"))
    verbs = [kind(account="a") for kind in (FreezeAccount, UnfreezeAccount, CloseAccount)]
    assert len({order_fingerprint(order) for order in verbs}) == 3


async def _paying(client: Client, number: int) -> list[httpx.Response]:
    return [await client.transfer("wallet", "other", "0.01") for _ in range(number)]


@pytest.mark.parametrize("action", ["freeze", "close", "change"])
async def test_nothing_is_paid_once_it_is_answered(client: Client, action: str) -> None:
    """A change races payments: what is told afterwards fits one order of them all."""
    await client.post("/v1/accounts", WALLET)
    await client.open_account("other")
    await client.deposit("wallet", "0.20")
    payers = [asyncio.create_task(_paying(client, 5)) for _ in range(8)]
    await asyncio.sleep(0)
    if action == "change":
        answer = await change(client, {"min_available": "0.10"}, fresh_key())
    else:
        answer = await turn(client, action)
        for _ in range(100 if action == "close" else 0):
            if answer.status_code == 200:
                break
            refused(answer, 409, "invalid_state")
            answer = await turn(client, action)
    assert answer.status_code == 200, answer.text
    version = answer.json()["version"]
    later = await client.transfer("wallet", "other", "0.20")
    assert later.status_code in (409, 422)
    answers = [one for batch in await asyncio.gather(*payers) for one in batch]
    paid = sum(one.status_code == 201 for one in answers)
    after = await client.balance("wallet")
    assert after["posted"] == f"{(20 - paid) / 100:.2f}"
    if action != "change":
        assert after["version"] == version
    else:
        assert paid <= max(10, version - 1)
    assert (await client.get("/v1/integrity")).json()["is_intact"] is True


@pytest.mark.parametrize(
    ("one", "other"),
    [("freeze", "unfreeze"), ("freeze", "close"), ("unfreeze", "close"), ("close", "close"), ("freeze", "freeze")],
)
async def test_two_changes_at_once_are_one_after_the_other(client: Client, one: str, other: str) -> None:
    await client.post("/v1/accounts", WALLET)
    answers = await asyncio.gather(*(turn(client, action) for action in (one, other) * 6))
    assert {answer.status_code for answer in answers} <= {200, 409}
    status = (await client.get("/v1/accounts/wallet")).json()["status"]
    assert status in {"freeze": {"frozen", "open"}, "unfreeze": {"frozen", "open"}, "close": {"closed"}}[other]
    assert (await client.get("/v1/integrity")).json()["is_intact"] is True


async def test_one_key_at_once_is_carried_out_once(
    client: Client, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    key = fresh_key()
    answers = await asyncio.gather(*(client.post("/v1/accounts", WALLET, key=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(not is_replay(answer) for answer in answers) == 1
    count = "select count(*) from events where ledger_id = $1"
    assert await superuser.fetchval(count, parse_id(Prefix.LEDGER, client.ledger)) == 1
