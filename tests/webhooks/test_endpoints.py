"""Endpoints over HTTP: made, read, changed and deleted; what is refused, and what is never shown."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.adapters.test_address_guard import HOSTILE
from tests.api.conftest import Client, make_client, service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from tests.webhooks.conftest import endpoint_of
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import LedgerRecord, insert_ledger
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.gateway.identity.principal import ALL_SCOPES, Scope
from zerosum.main import Service

PATH = "/v1/webhook-endpoints"
URL = "https://93.184.215.14/hook"
MEMBERS = {
    "id",
    "url",
    "description",
    "event_types",
    "header_names",
    "status",
    "disabled_reason",
    "disabled_at",
    "failing_since",
    "paused_until",
    "previous_secret_until",
    "created_at",
    "created_by",
}


async def test_it_is_made_and_its_secret_is_shown_once(client: Client) -> None:
    members = {"description": "Orders", "event_types": ["payment.*"], "headers": {"X-Api-Key": "s3cret-value"}}
    made = await endpoint_of(client, URL, **members)
    assert set(made) == MEMBERS | {"secret"}
    assert made["id"].startswith("we_")
    assert (made["url"], made["status"], made["header_names"]) == (URL, "enabled", ["x-api-key"])
    secret = made.pop("secret")
    read = await client.get(f"{PATH}/{made['id']}")
    assert read.json() == made
    listed = (await client.get(PATH)).json()
    assert listed["data"] == [made]
    assert secret not in read.text
    assert "s3cret-value" not in read.text


async def test_neither_secret_nor_headers_lie_open_in_the_database(client: Client, test_database: TestDatabase) -> None:
    made = await endpoint_of(client, URL, headers={"authorization": "Bearer canary-header"})
    await client.post(f"{PATH}/{made['id']}/rotate-secret", {"overlap_seconds": 600})
    connection = await asyncpg.connect(test_database.superuser_dsn)
    rows = await connection.fetch("select e::text from webhook_endpoints e union all select a::text from audit_log a")
    await connection.close()
    everything = " ".join(row[0] for row in rows)
    assert made["id"].removeprefix("we_") in everything
    assert made["secret"].removeprefix("whsec_") not in everything
    assert "canary-header" not in everything


async def test_it_is_changed_member_by_member(client: Client) -> None:
    made = await endpoint_of(client, URL, event_types=["payment.*"], headers={"x-a": "1"})
    path = f"{PATH}/{made['id']}"
    changed = (await client.http.patch(path, json={"url": f"{URL}/2", "description": "Two"})).json()
    assert (changed["url"], changed["description"], changed["event_types"]) == (f"{URL}/2", "Two", ["payment.*"])
    assert changed["header_names"] == ["x-a"]
    changed = (await client.http.patch(path, json={"event_types": None, "headers": {}, "description": None})).json()
    assert (changed["event_types"], changed["header_names"], changed["description"]) == (None, [], None)
    assert (await client.http.patch(path, json={})).json() == changed
    assert (await client.http.patch(path, json={"url": None})).json() == changed


async def test_what_is_done_to_it_stands_in_the_security_log(client: Client) -> None:
    made = await endpoint_of(client, URL)
    path = f"{PATH}/{made['id']}"
    await client.http.patch(path, json={"description": "Two"})
    for act in ("rotate-secret", "disable", "enable"):
        assert (await client.post(f"{path}/{act}")).status_code == 200
    await client.http.delete(path)
    log = (await client.get("/v1/audit-log")).json()["data"]
    told = [record["type"] for record in reversed(log) if record["resource"] == made["id"]]
    assert told == [
        f"webhook_endpoint.{verb}"
        for verb in ("created", "changed", "secret_rotated", "disabled", "enabled", "deleted")
    ]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"url": 7}, "validation_error", "/url"),
    ({}, "validation_error", "/url"),
    ({"url": URL, "event_types": []}, "validation_error", "/event_types"),
    ({"url": URL, "event_types": ["payment"]}, "validation_error", "/event_types/0"),
    ({"url": URL, "event_types": ["*"]}, "validation_error", "/event_types/0"),
    ({"url": URL, "event_types": ["payment.succeeded", "payments.*"]}, "validation_error", "/event_types/1"),
    ({"url": URL, "headers": {"host": "evil"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {"Content-Length": "5"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {"webhook-id": "x"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {"x-a": "a\r\nx-b: b"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {"x-a": "\u00e4"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {"x a": "b"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {"x-a": "b", "X-A": "c"}}, "validation_error", "/headers"),
    ({"url": URL, "headers": {f"x-{number}": "b" for number in range(21)}}, "validation_error", "/headers"),
    ({"url": URL, "secret": "whsec_mine"}, "unknown_field", "/secret"),
]


@pytest.mark.parametrize(("body", "code", "pointer"), BAD)
async def test_a_bad_member_is_pointed_at(client: Client, body: dict[str, Any], code: str, pointer: str) -> None:
    refused(await client.post(PATH, body), 422, code, pointer)


@pytest.mark.parametrize("url", [url for url in HOSTILE if url.isprintable()])
async def test_a_hostile_url_is_refused_when_it_is_saved(strict_client: Client, url: str) -> None:
    refused(await strict_client.post(PATH, {"url": url}), 422, "url_not_allowed", "/url")


async def test_a_hostile_url_is_refused_when_it_is_changed(strict_client: Client) -> None:
    made = await endpoint_of(strict_client, URL)
    answered = await strict_client.http.patch(f"{PATH}/{made['id']}", json={"url": "https://169.254.169.254/"})
    refused(answered, 422, "url_not_allowed", "/url")


async def test_a_ledger_has_so_many_and_no_more(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    service = Service(service_settings(test_database, servers, webhook_endpoints_per_ledger=2))
    client = await make_client(service, ledger_id)
    first, _ = await endpoint_of(client, URL), await endpoint_of(client, URL)
    facts = {"quota": "webhook_endpoints", "quota_limit": 2}
    refused(await client.post(PATH, {"url": URL}), 409, "quota_exceeded", facts=facts)
    await client.http.delete(f"{PATH}/{first['id']}")
    await endpoint_of(client, URL)
    await client.http.aclose()
    await service.database.close()


async def test_another_ledger_has_no_such_endpoint(
    client: Client, webhook_service: Service, database: Database
) -> None:
    made = await endpoint_of(client, URL)
    other = LedgerRecord(id=new_uuid(), name="other", created_at=now())
    async with database.work(other.id) as connection:
        await insert_ledger(connection, other)
    stranger = await make_client(webhook_service, LedgerId(other.id))
    path = f"{PATH}/{made['id']}"
    refused(await stranger.get(path), 404, "webhook_endpoint_not_found")
    refused(await stranger.get(f"{path}/deliveries"), 404, "webhook_endpoint_not_found")
    refused(await stranger.post(f"{path}/rotate-secret"), 404, "webhook_endpoint_not_found")
    assert (await stranger.get(PATH)).json()["data"] == []
    await stranger.http.aclose()


async def test_the_scope_is_asked_for(webhook_service: Service, ledger_id: LedgerId) -> None:
    client = await make_client(webhook_service, ledger_id, ALL_SCOPES - {Scope.WEBHOOKS_WRITE, Scope.OPERATOR})
    refused(await client.get(PATH), 403, "forbidden", facts={"scope": "webhooks:write"})
    await client.http.aclose()


@pytest.mark.parametrize(
    ("parameters", "code", "pointer"),
    [
        ({"status": "lost"}, "invalid_parameter", "status"),
        ({"type": "payment"}, "invalid_parameter", "type"),
        ({"code": "99"}, "invalid_parameter", "code"),
        ({"code": "5xx"}, "invalid_parameter", "code"),
        ({"event": "evt_7"}, "invalid_id", ""),
        ({"from": "yesterday"}, "invalid_parameter", "from"),
        ({"colour": "red"}, "unknown_parameter", "colour"),
    ],
)
async def test_a_bad_filter_is_refused(client: Client, parameters: dict[str, str], code: str, pointer: str) -> None:
    made = await endpoint_of(client, URL)
    answered = await client.get(f"{PATH}/{made['id']}/deliveries", params=parameters)
    refused(answered, 422, code, *([pointer] if pointer else []))


def test_its_id_has_a_prefix_of_its_own() -> None:
    assert parse_id(Prefix.WEBHOOK_ENDPOINT, "we_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1").version == 7
