"""Accounts over HTTP: open, read, list, change."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import all_pages, refused

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


async def test_an_account_is_open_and_empty_at_once(client: Client) -> None:
    answer = await client.post("/v1/accounts", {"code": "alice", "currency": "USD", "type": "liability"})
    assert answer.status_code == 201
    account = answer.json()
    assert re.fullmatch(f"acc_{UUID}", account.pop("id"))
    assert re.fullmatch(TIME, account.pop("created_at"))
    assert account == {
        "code": "alice",
        "name": None,
        "currency": "USD",
        "type": "liability",
        "normal_side": "credit",
        "status": "open",
        "min_available": "0.00",
        "max_available": None,
        "velocity_limits": [],
        "in_debt": False,
        "debt": "0.00",
        "metadata": {},
        "balance": {"posted": "0.00", "held": "0.00", "available": "0.00"},
        "version": 0,
    }


async def test_everything_that_is_said_about_an_account_is_kept(client: Client) -> None:
    said = {
        "code": "a/b:c@d.e_f-1",
        "currency": "KWD",
        "type": "asset",
        "name": "Café 😀",
        "min_available": "-10.5",
        "max_available": "99999999999999999999.999",
        "metadata": {"order": "A-1", "empty": ""},
    }
    opened = (await client.post("/v1/accounts", said)).json()
    assert {**opened, **said, "min_available": "-10.500"} == opened
    for reference in (opened["id"], opened["code"], opened["id"].replace("acc_", "").upper().join(["acc_", ""])):
        assert (await client.get(f"/v1/accounts/{reference}")).json() == opened


@pytest.mark.parametrize(
    ("type_", "side"),
    [("asset", "debit"), ("expense", "debit"), ("liability", "credit"), ("equity", "credit"), ("revenue", "credit")],
)
async def test_the_type_says_which_side_increases_it(client: Client, type_: str, side: str) -> None:
    assert (await client.open_account(type=type_))["normal_side"] == side


async def test_without_a_floor_there_is_none(client: Client) -> None:
    assert (await client.open_account(min_available=None))["min_available"] is None


async def test_text_is_kept_in_normal_form_c(client: Client) -> None:
    account = await client.open_account(name="e\u0301", metadata={"e\u0301": "e\u0301"})
    assert (account["name"], account["metadata"]) == ("\u00e9", {"\u00e9": "\u00e9"})


async def test_a_code_is_taken_once(client: Client, stranger: Client) -> None:
    await client.open_account("alice")
    again = await client.post("/v1/accounts", {"code": "alice", "currency": "EUR", "type": "asset"})
    refused(again, 409, "account_exists", "/code", facts={})
    await stranger.open_account("alice")


@pytest.mark.parametrize("code", ["x" * 128, "0", "ACC_x", "a:b@c.d/e-f_g"])
async def test_a_code_may_be_this(client: Client, code: str) -> None:
    assert (await client.open_account(code))["code"] == code


@pytest.mark.parametrize("code", ["", "x" * 129, "acc_x", "-a", "/a", ".a", "a b", "a%", "é", "a\n", "' or 1=1--"])
async def test_a_code_may_not_be_that(client: Client, code: str) -> None:
    answer = await client.post("/v1/accounts", {"code": code, "currency": "USD", "type": "asset"})
    refused(answer, 422, "validation_error", "/code")


@pytest.mark.parametrize(
    ("members", "code", "pointers"),
    [
        ({"type": "wallet"}, "validation_error", ["/type"]),
        ({"type": None}, "validation_error", ["/type"]),
        ({"currency": "usd"}, "invalid_currency", ["/currency"]),
        ({"currency": "XXX"}, "invalid_currency", ["/currency"]),
        ({"currency": 1}, "validation_error", ["/currency"]),
        ({"balance": "5"}, "unknown_field", ["/balance"]),
        ({"ledger": "x", "id": "y"}, "unknown_field", ["/ledger", "/id"]),
        ({"name": ""}, "validation_error", ["/name"]),
        ({"name": "x" * 501}, "validation_error", ["/name"]),
        ({"min_available": "5", "max_available": "4"}, "validation_error", ["/min_available"]),
        ({"max_available": "-1"}, "validation_error", ["/min_available"]),
        ({"metadata": {"a": 1}}, "validation_error", ["/metadata/a"]),
        ({"metadata": {"": "x"}}, "validation_error", ["/metadata"]),
        ({"metadata": {"k" * 65: "x"}}, "validation_error", ["/metadata"]),
        ({"metadata": {"a": "x" * 501}}, "validation_error", ["/metadata/a"]),
        ({"metadata": {str(n): "x" for n in range(51)}}, "validation_error", ["/metadata"]),
        ({"metadata": []}, "validation_error", ["/metadata"]),
    ],
)
async def test_what_cannot_be_an_account_is_refused_where_it_is_wrong(
    client: Client, members: dict[str, Any], code: str, pointers: list[str]
) -> None:
    answer = await client.post("/v1/accounts", {"code": "a", "currency": "USD", "type": "liability", **members})
    refused(answer, 422, code, *pointers)
    refused(await client.get("/v1/accounts/a"), 404, "account_not_found")


async def test_metadata_may_be_as_large_as_promised(client: Client) -> None:
    metadata = {f"{n:064}": "😀" * 500 for n in range(5)} | {str(n): "" for n in range(45)}
    assert (await client.open_account(metadata=metadata))["metadata"] == metadata


@pytest.mark.parametrize("missing", ["code", "currency", "type"])
async def test_what_is_missing_is_named(client: Client, missing: str) -> None:
    body = {"code": "a", "currency": "USD", "type": "asset"}
    del body[missing]
    refused(await client.post("/v1/accounts", body), 422, "validation_error", f"/{missing}")


# --- Read ------------------------------------------------------------------------------------------------------------

NOBODY = "acc_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"


@pytest.mark.parametrize("reference", [NOBODY, "nobody", "no/body"])
async def test_an_account_that_is_not_there_is_not_found(client: Client, reference: str) -> None:
    refused(await client.get(f"/v1/accounts/{reference}"), 404, "account_not_found", facts={})


@pytest.mark.parametrize(
    "reference",
    [
        "acc_",
        "acc_x",
        "acc_00000000-0000-0000-0000-000000000000",
        "acc_{01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90}",
        "acc_01994f3e8c1a7b529d3e5f2a6c7d8e90",
        "%27%20or%201%3D1--",
        "-a",
        "a%20b",
        "x" * 129,
        "%C3%A9",
    ],
)
async def test_what_can_name_no_account_is_an_invalid_id(client: Client, reference: str) -> None:
    refused(await client.get(f"/v1/accounts/{reference}"), 422, "invalid_id", facts={})


# --- List ------------------------------------------------------------------------------------------------------------


async def test_accounts_are_listed_newest_first_or_oldest_first(client: Client) -> None:
    codes = [(await client.open_account())["code"] for _ in range(5)]
    assert [account["code"] for account in await all_pages(client, "/v1/accounts", limit=2)] == codes[::-1]
    ascending = await all_pages(client, "/v1/accounts", limit=2, order="asc")
    assert [account["code"] for account in ascending] == codes
    one = (await client.get("/v1/accounts", params={"limit": 200})).json()
    assert (len(one["data"]), one["has_more"], one["next_cursor"]) == (5, False, None)
    assert one["data"][0] == (await client.get(f"/v1/accounts/{codes[-1]}")).json()


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({"type": "asset"}, ["usd:asset"]),
        ({"currency": "EUR"}, ["eur:liability"]),
        ({"currency": "NONE"}, []),
        ({"status": "frozen"}, ["usd:frozen"]),
        ({"code_prefix": "usd:"}, ["usd:100%", "usd:frozen", "usd:asset"]),
        ({"code_prefix": "usd:1"}, ["usd:100%"]),
        ({"code_prefix": "%"}, []),
        ({"code_prefix": "usd_"}, []),
        ({"code_prefix": "\\"}, []),
        ({"metadata[tier]": "gold"}, ["usd:100%", "usd:asset"]),
        ({"metadata[tier]": "gold", "type": "asset"}, ["usd:asset"]),
        ({"metadata[tier]": "gold", "metadata[city]": "Bern"}, ["usd:asset"]),
        ({"metadata[tier]": ""}, []),
        ({"metadata[a'b\"]": "x"}, []),
        ({"metadata[]": "x"}, []),
    ],
)
async def test_a_list_is_narrowed_by_all_filters_together(
    client: Client, parameters: dict[str, str], codes: list[str]
) -> None:
    await client.open_account("usd:asset", type="asset", metadata={"tier": "gold", "city": "Bern"})
    await client.open_account("eur:liability", currency="EUR")
    await client.open_account("usd:frozen")
    await client.post("/v1/accounts/usd:frozen/freeze")
    await client.open_account("usd:100", metadata={"tier": "gold"})
    wanted = [code.removesuffix("%") for code in codes]
    assert [account["code"] for account in await all_pages(client, "/v1/accounts", limit=1, **parameters)] == wanted


# --- Change ----------------------------------------------------------------------------------------------------------


async def test_only_what_is_named_changes(client: Client) -> None:
    before = await client.open_account("a", name="A", max_available="10", metadata={"x": "1"})
    path = f"/v1/accounts/{before['id']}"
    for change, expected in (
        ({}, {}),
        ({"name": "B"}, {"name": "B"}),
        ({"name": None}, {"name": None}),
        ({"metadata": {"y": "2"}}, {"metadata": {"y": "2"}}),
        ({"metadata": None}, {"metadata": {}}),
        ({"min_available": "-5"}, {"min_available": "-5.00"}),
        ({"min_available": None}, {"min_available": None}),
        ({"max_available": None}, {"max_available": None}),
        ({"min_available": "0", "max_available": "7.5"}, {"min_available": "0.00", "max_available": "7.50"}),
    ):
        answer = await client.http.patch(path, json=change)
        assert answer.status_code == 200, answer.text
        before |= expected
        assert answer.json() == before
        assert (await client.get("/v1/accounts/a")).json() == before


async def test_new_limits_may_lie_beside_what_is_there(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.deposit("a", "10")
    path = "/v1/accounts/a"
    for change in ({"min_available": "10.01"}, {"min_available": None, "max_available": "9.99"}):
        answer = await client.http.patch(path, json=change)
        assert (answer.status_code, answer.json()["balance"]["available"]) == (200, "10.00"), answer.text
    swapped = await client.http.patch(path, json={"min_available": "11"})
    refused(swapped, 422, "validation_error", "/min_available")


async def test_the_new_limits_bind_the_next_payment(client: Client) -> None:
    await client.open_account("a")
    await client.http.patch("/v1/accounts/a", json={"max_available": "5"})
    over = await client.pay({"type": "deposit", "amount": "5.01", "currency": "USD", "to": "a"})
    refused(over, 422, "limit_exceeded", "/to")
    await client.deposit("a", "5")


@pytest.mark.parametrize(
    ("body", "code", "pointers"),
    [
        ({"code": "b"}, "unknown_field", ["/code"]),
        ({"currency": "EUR"}, "unknown_field", ["/currency"]),
        ({"status": "closed"}, "unknown_field", ["/status"]),
        ({"name": 5}, "validation_error", ["/name"]),
        ({"metadata": "x"}, "validation_error", ["/metadata"]),
    ],
)
async def test_what_is_fixed_or_wrong_does_not_change(
    client: Client, body: Any, code: str, pointers: list[str]
) -> None:
    before = await client.open_account("a")
    refused(await client.http.patch("/v1/accounts/a", json=body), 422, code, *pointers)
    assert (await client.get("/v1/accounts/a")).json() == before


async def test_an_account_that_is_not_there_cannot_be_changed(client: Client) -> None:
    refused(await client.http.patch("/v1/accounts/nobody", json={}), 404, "account_not_found")
    refused(await client.http.patch("/v1/accounts/acc_x", json={}), 422, "invalid_id")
