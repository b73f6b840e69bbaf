"""Administration over HTTP: ledgers, API keys, currencies."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, make_client
from tests.api.reading import all_pages, refused
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.authentication import REMEMBERED_SECONDS_MAX
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
from zerosum.main import Service

NO_LEDGER = "led_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"


def key_request(client: Client, **members: Any) -> dict[str, Any]:
    return {"ledger": client.ledger, "name": "Checkout", "scopes": ["payments:read"], **members}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


# --- Ledgers ---------------------------------------------------------------------------------------------------------


async def test_a_ledger_is_made_and_reached_with_a_key_of_its_own(client: Client) -> None:
    answer = await client.post("/v1/ledgers", {"name": "Acme e\u0301"})
    assert answer.status_code == 201
    ledger = answer.json()
    assert re.fullmatch("led_[0-9a-f-]{36}", ledger["id"])
    assert (ledger["name"], ledger.keys()) == ("Acme \u00e9", {"id", "name", "created_at", "time_zone", "late_entries"})
    request = {"ledger": ledger["id"], "name": "x", "scopes": ["accounts:write", "accounts:read"]}
    key = (await client.post("/v1/api-keys", request)).json()
    await client.open_account("a")
    body = {"code": "a", "currency": "USD", "type": "asset"}
    opened = await client.http.post("/v1/accounts", json=body, headers=bearer(key["key"]))
    assert opened.status_code == 201
    listed = await client.http.get("/v1/accounts", headers=bearer(key["key"]))
    assert [account["id"] for account in listed.json()["data"]] == [opened.json()["id"]]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation_error", "/name"),
        ({"name": ""}, "validation_error", "/name"),
        ({"name": None}, "validation_error", "/name"),
        ({"name": "x" * 501}, "validation_error", "/name"),
        ({"name": "x", "id": NO_LEDGER}, "unknown_field", "/id"),
    ],
)
async def test_a_ledger_has_a_name_and_nothing_else(client: Client, body: Any, code: str, pointer: str) -> None:
    refused(await client.post("/v1/ledgers", body), 422, code, pointer)


async def test_ledgers_are_listed_newest_first(client: Client) -> None:
    made = [(await client.post("/v1/ledgers", {"name": f"l{n}"})).json() for n in range(3)]
    page = (await client.get("/v1/ledgers", params={"limit": 3})).json()["data"]
    assert page == made[::-1]


# --- API keys --------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_works(client: Client) -> None:
    expires_at = (now() + timedelta(days=1)).isoformat()
    answer = await client.post("/v1/api-keys", key_request(client, expires_at=expires_at))
    assert answer.status_code == 201
    key = answer.json()
    text = key.pop("key")
    assert re.fullmatch("key_[0-9a-f-]{36}", key["id"])
    assert key["expires_at"][:19] == expires_at[:19]
    assert key | {"id": "", "created_at": "", "expires_at": ""} == {
        "id": "",
        "ledger": client.ledger,
        "name": "Checkout",
        "scopes": ["payments:read"],
        "expires_at": "",
        "revoked_at": None,
        "networks": None,
        "certificate_subject": None,
        "created_at": "",
        "created_by": (await all_pages(client, "/v1/api-keys", ledger=client.ledger))[-1]["id"],
        "last_used_at": None,
    }
    assert (await client.http.get("/v1/payments", headers=bearer(text))).status_code == 200
    (listed, _) = await all_pages(client, "/v1/api-keys", ledger=client.ledger)
    assert listed == key


async def test_keys_are_listed_by_ledger_without_their_secrets(client: Client, stranger: Client) -> None:
    made = [(await client.post("/v1/api-keys", key_request(client, name=f"k{n}"))).json() for n in range(3)]
    found = await all_pages(client, "/v1/api-keys", ledger=client.ledger, limit=2)
    assert [key["name"] for key in found] == ["k2", "k1", "k0", "test"]
    assert all("key" not in key for key in found)
    assert all(one["key"] not in str(found) for one in made)
    oldest_first = await all_pages(client, "/v1/api-keys", ledger=client.ledger, limit=2, order="asc")
    assert oldest_first == found[::-1]
    everyones = (await client.get("/v1/api-keys", params={"limit": 10})).json()["data"]
    assert {client.ledger, stranger.ledger} <= {key["ledger"] for key in everyones}
    assert await all_pages(client, "/v1/api-keys", ledger=NO_LEDGER) == []


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"ledger": NO_LEDGER}, "ledger_not_found", "/ledger"),
        ({"ledger": "led_x"}, "invalid_id", "/ledger"),
        ({"ledger": NO_LEDGER.replace("led_", "acc_")}, "invalid_id", "/ledger"),
        ({"ledger": None}, "validation_error", "/ledger"),
        ({"scopes": []}, "validation_error", "/scopes"),
        ({"scopes": ["everything"]}, "validation_error", "/scopes/0"),
        ({"scopes": "admin"}, "validation_error", "/scopes"),
        ({"scopes": ["admin"] * (len(TENANT_SCOPES) + 1)}, "validation_error", "/scopes"),
        ({"name": ""}, "validation_error", "/name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "validation_error", "/expires_at"),
        ({"expires_at": "tomorrow"}, "validation_error", "/expires_at"),
        ({"key": "zsk_x"}, "unknown_field", "/key"),
    ],
)
async def test_what_cannot_be_a_key_is_refused_where_it_is_wrong(
    client: Client, members: dict[str, Any], code: str, pointer: str
) -> None:
    problem = refused(await client.post("/v1/api-keys", key_request(client, **members)), 422, code, pointer, facts={})
    assert "01994f3e" not in str(problem)


async def test_scopes_given_twice_count_once(client: Client) -> None:
    key = (await client.post("/v1/api-keys", key_request(client, scopes=["admin", "admin"]))).json()
    assert key["scopes"] == ["admin"]


async def test_a_revoked_key_is_refused_soon_and_stays_revoked(client: Client, service: Service) -> None:
    key = (await client.post("/v1/api-keys", key_request(client))).json()
    answer = await client.http.delete(f"/v1/api-keys/{key['id']}")
    assert answer.status_code == 200
    revoked = answer.json()
    assert revoked["revoked_at"] is not None
    refused(await client.http.get("/v1/payments", headers=bearer(key["key"])), 401, "unauthenticated", facts={})
    again = await client.http.delete(f"/v1/api-keys/{key['id']}")
    assert again.json() == revoked
    assert REMEMBERED_SECONDS_MAX <= 5


@pytest.mark.parametrize(
    ("key_id", "status", "code"),
    [
        ("key_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 404, "api_key_not_found"),
        ("key_x", 422, "invalid_id"),
        ("led_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 422, "invalid_id"),
    ],
)
async def test_a_key_that_is_not_there_cannot_be_revoked(client: Client, key_id: str, status: int, code: str) -> None:
    refused(await client.http.delete(f"/v1/api-keys/{key_id}"), status, code, facts={})


async def test_administration_needs_the_scope_and_gives_no_other(service: Service, ledger_id: LedgerId) -> None:
    admin = await make_client(service, ledger_id, [Scope.ADMIN])
    for path in ("/v1/ledgers", "/v1/api-keys", "/v1/currencies", "/v1/audit-log"):
        assert (await admin.get(path)).status_code == 200
    refused(await admin.post("/v1/ledgers", {"name": "x"}), 403, "forbidden", facts={"scope": "operator"})
    refused(await admin.get("/v1/accounts"), 403, "forbidden", facts={"scope": "accounts:read"})
    other = await make_client(service, ledger_id, TENANT_SCOPES - {Scope.ADMIN})
    refused(await other.get("/v1/ledgers"), 403, "forbidden", facts={"scope": "admin"})
    assert (await other.get("/v1/accounts")).status_code == 200
    for made in (admin, other):
        await made.http.aclose()


# --- Currencies ------------------------------------------------------------------------------------------------------


async def define(client: Client, **members: Any) -> httpx.Response:
    return await client.post("/v1/currencies", {"code": "POINTS", "exponent": 3, **members})


async def test_a_currency_of_ones_own_is_defined_and_may_be_defined_again(client: Client, stranger: Client) -> None:
    answer = await define(client, name="Loyalty points")
    assert answer.status_code == 201
    own = {"code": "POINTS", "exponent": 3, "name": "Loyalty points", "is_custom": True}
    assert answer.json() == own
    assert (await define(client)).json() == own
    refused(await define(client, exponent=2), 409, "currency_exists", facts={"currency": "POINTS", "places": 3})
    assert own in await currencies(client)
    assert own not in await currencies(stranger)
    assert (await define(stranger, exponent=0)).json()["exponent"] == 0


async def currencies(client: Client) -> list[dict[str, Any]]:
    return await all_pages(client, "/v1/currencies")


@pytest.mark.parametrize("exponent", [0, 18])
async def test_it_has_0_to_18_places_and_is_called_by_its_code(client: Client, exponent: int) -> None:
    made = (await define(client, code="A12", exponent=exponent, name=None)).json()
    assert (made["exponent"], made["name"]) == (exponent, "A12")


async def test_an_iso_currency_is_known_and_cannot_change(client: Client) -> None:
    found = {one["code"]: one for one in await currencies(client)}
    assert found["USD"] == {"code": "USD", "exponent": 2, "name": "US Dollar", "is_custom": False}
    assert (found["JPY"]["exponent"], found["KWD"]["exponent"]) == (0, 3)
    same = await define(client, code="USD", exponent=2)
    assert (same.status_code, same.json()["is_custom"]) == (201, False)
    refused(
        await define(client, code="USD", exponent=3), 409, "currency_exists", facts={"currency": "USD", "places": 2}
    )


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"code": "points"}, "invalid_currency", "/code"),
        ({"code": "AB"}, "invalid_currency", "/code"),
        ({"code": "A" * 13}, "invalid_currency", "/code"),
        ({"code": "1AB"}, "invalid_currency", "/code"),
        ({"code": "€€€"}, "invalid_currency", "/code"),
        ({"code": ""}, "invalid_currency", "/code"),
        ({"code": None}, "validation_error", "/code"),
        ({"exponent": -1}, "validation_error", "/exponent"),
        ({"exponent": 19}, "validation_error", "/exponent"),
        ({"exponent": 2.0}, "validation_error", "/exponent"),
        ({"exponent": "2"}, "validation_error", "/exponent"),
        ({"exponent": True}, "validation_error", "/exponent"),
        ({"exponent": 10**400}, "validation_error", "/exponent"),
        ({"name": ""}, "validation_error", "/name"),
        ({"symbol": "P"}, "unknown_field", "/symbol"),
    ],
)
async def test_what_cannot_be_a_currency_is_refused_where_it_is_wrong(
    client: Client, members: dict[str, Any], code: str, pointer: str
) -> None:
    refused(await define(client, **members), 422, code, pointer, facts={})
