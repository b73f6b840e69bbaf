"""Account groups over HTTP: made, replaced, listed, deleted; and what their accounts come to at any instant."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.api.test_account_reports import IN_NOVEMBER, a_business, post

PATH = "/v1/account-groups"


async def put(client: Client, name: str, *members: str, key: str | None = None, **said: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key or fresh_key()}
    return await client.http.put(f"{PATH}/{name}", json={"members": list(members), **said}, headers=headers)


async def delete(client: Client, name: str, key: str | None = None) -> httpx.Response:
    return await client.http.delete(f"{PATH}/{name}", headers={"Idempotency-Key": key or fresh_key()})


async def balances(client: Client, name: str, **parameters: str) -> Any:
    answer = await client.get(f"{PATH}/{name}/balances", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_group_is_made_replaced_and_deleted(client: Client) -> None:
    key = fresh_key()
    made = await put(client, "wallets", "customers:*", "promotions", key=key, description="What we owe")
    assert made.status_code == 200, made.text
    body = made.json()
    assert (body["name"], body["version"], body["description"]) == ("wallets", 1, "What we owe")
    assert (body["members"], body["velocity_limits"]) == (["customers:*", "promotions"], [])
    assert (await client.get(f"{PATH}/wallets")).json() == body
    same = await put(client, "wallets", "customers:*", "promotions", description="What we owe")
    assert same.json() == body
    replaced = (await put(client, "wallets", "customers:**")).json()
    assert (replaced["version"], replaced["description"], replaced["members"]) == (2, None, ["customers:**"])
    again = await put(client, "wallets", "customers:*", "promotions", key=key, description="What we owe")
    assert (again.content, again.headers["idempotency-replayed"]) == (made.content, "true")
    refused(await put(client, "wallets", "customers:*", key=key), 422, "idempotency_key_reused")
    await put(client, "banks", "bank:*")
    page = (await client.get(PATH, params={"limit": 1})).json()
    assert [one["name"] for one in page["data"]] == ["wallets"]
    rest = (await client.get(PATH, params={"cursor": page["next_cursor"]})).json()
    assert [one["name"] for one in rest["data"]] == ["banks"]
    gone_key = fresh_key()
    gone = await delete(client, "wallets", gone_key)
    assert (gone.status_code, gone.json()["version"], gone.json()["members"]) == (200, 3, [])
    for path in ("wallets", "wallets/balances", "never"):
        refused(await client.get(f"{PATH}/{path}"), 404, "account_group_not_found")
    assert (await delete(client, "wallets", gone_key)).content == gone.content
    refused(await delete(client, "wallets"), 404, "account_group_not_found")
    refused(await client.http.delete(f"{PATH}/banks"), 400, "idempotency_key_missing")
    refused(await delete(client, "banks", gone_key), 422, "idempotency_key_reused")
    assert (await put(client, "wallets", "a")).json()["version"] == 4
    log = (await client.get("/v1/audit-log", params={"type": "account_group.changed", "ledger": client.ledger})).json()[
        "data"
    ]
    assert [(one["facts"]["name"], one["facts"]["version"]) for one in log] == [
        ("wallets", 4),
        ("wallets", 3),
        ("banks", 1),
        ("wallets", 2),
        ("wallets", 1),
    ]
    assert log[1]["facts"]["content"] is None


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ([], "/members"),
        (["a", "a"], "/members"),
        (["a"] * 101, "/members"),
        (["b", "a b"], "/members/1"),
        (["a:***"], "/members/0"),
        (["**:**"], "/members/0"),
        ([""], "/members/0"),
        ("a", "/members"),
        ([1], "/members/0"),
    ],
)
async def test_members_that_are_none_are_refused(client: Client, members: Any, pointer: str) -> None:
    headers = {"Idempotency-Key": fresh_key()}
    answer = await client.http.put(f"{PATH}/wallets", json={"members": members}, headers=headers)
    refused(answer, 422, "validation_error", pointer)


@pytest.mark.parametrize("name", ["Wallets", "a b", "-a", "a" * 65, "a.b"])
async def test_a_name_is_a_slug(client: Client, name: str) -> None:
    refused(await put(client, name, "a"), 422, "invalid_parameter", "group")


async def test_what_a_key_was_used_for_is_told_by_the_name_of_the_group(client: Client) -> None:
    made, gone = fresh_key(), fresh_key()
    await put(client, "wallets", "customers:*", key=made)
    assert (await delete(client, "wallets", gone)).status_code == 200
    for key in (made, gone):
        told = (await client.get(f"/v1/idempotency-keys/{key}")).json()
        assert told["resource"] == {"type": "account_group", "id": "wallets"}


async def test_balances_are_added_up_by_currency_at_any_instant(client: Client) -> None:
    await a_business(client)
    await put(client, "owed", "customers:**", "sales:fees", "bank:euro", "not:there")
    found = await balances(client, "owed")
    assert (found["group"], found["accounts"]) == ("owed", 5)
    usd = {"currency": "USD", "accounts": 4, "debits": "45.00", "credits": "215.00"}
    customers = {"type": "liability", "accounts": 3, "debits": "45.00", "credits": "200.00", "balance": "155.00"}
    fees = {"type": "revenue", "accounts": 1, "debits": "0.00", "credits": "15.00", "balance": "15.00"}
    euro = {"type": "asset", "accounts": 1, "debits": "0.00", "credits": "0.00", "balance": "0.00"}
    assert found["balances"] == [
        {"currency": "EUR", "accounts": 1, "debits": "0.00", "credits": "0.00", "types": [euro]},
        {**usd, "types": [customers, fees]},
    ]
    october = await balances(client, "owed", as_of="2025-10-31")
    assert [(one["currency"], one["debits"], one["credits"]) for one in october["balances"]] == [
        ("EUR", "0.00", "0.00"),
        ("USD", "10.00", "180.00"),
    ]
    await post(client, "bank:main", "customers:eu:ann", "7", IN_NOVEMBER)
    known = await balances(client, "owed", as_of="2025-12-01", recorded_as_of=found["as_of"])
    assert known["balances"] == found["balances"]
    assert (await balances(client, "owed"))["balances"][1]["credits"] == "222.00"
    refused(await client.get(f"{PATH}/owed/balances", params={"as_of": "then"}), 422, "invalid_parameter", "as_of")


async def test_who_is_opened_later_is_in_it_and_groups_may_overlap(client: Client) -> None:
    await put(client, "all", "**")
    await put(client, "one", "team:a")
    await put(client, "teams", "team:*")
    assert (await balances(client, "all"))["balances"] == []
    for code in ("team:a", "team:b", "team:b:c", "teamxb"):
        await client.open_account(code)
    counts = {name: (await balances(client, name))["accounts"] for name in ("all", "one", "teams")}
    assert counts == {"all": 4, "one": 1, "teams": 2}


async def test_a_group_of_another_ledger_is_not_there(client: Client, stranger: Client) -> None:
    await put(stranger, "theirs", "**")
    await stranger.open_account("x")
    refused(await client.get(f"{PATH}/theirs/balances"), 404, "account_group_not_found")
    await put(client, "theirs", "**")
    assert (await balances(client, "theirs"))["accounts"] == 0
    assert (await balances(stranger, "theirs"))["accounts"] == 1
