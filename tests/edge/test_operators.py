"""Operators are not tenants: what each may administer, and that nobody hands on what he does not have."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import Client, make_client, service_settings
from tests.api.every_route import policies
from tests.api.reading import all_pages, refused
from tests.cli.command import zerosum
from tests.conftest import Servers, TestDatabase
from tests.gateway.forge import AUDIENCE, OWN, PARTNER, SECONDS, Forge
from tests.gateway.test_authentication import Service as Parts
from zerosum.adapters.clock import now
from zerosum.cli.first_ledger import make_ledger, with_every_scope
from zerosum.domain.errors import OriginNotAllowed, Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.gateway.identity.issuer_keys import secret_key
from zerosum.gateway.identity.principal import ALL_SCOPES, TENANT_SCOPES, Scope, principal_of_key
from zerosum.gateway.identity.trusted_issuers import TOKEN_SECONDS_MAX, TrustedIssuer
from zerosum.main import Service
from zerosum.services.credentials import api_key_text
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.credentials.certificate_subject import canonical_subject
from zerosum.services.credentials.key_grants import KeyLifetimes, NewKey
from zerosum.services.requests.networks import parse_network

WHO_MAY = {
    "GET /healthz": "anybody",
    "GET /readyz": "anybody",
    "GET /metrics": "anybody",
    "GET /.well-known/jwks.json": "anybody",
    "GET /": "anybody",
    "GET /favicon.ico": "anybody",
    "GET /favicon.svg": "anybody",
    "GET /docs": "anybody",
    "GET /docs/assets/{name}": "anybody",
    "GET /redoc": "anybody",
    "GET /openapi.json": "anybody",
    "POST /v1/oauth/token": "anybody",
    "POST /v1/accounts": "accounts:write",
    "GET /v1/accounts": "accounts:read",
    "GET /v1/accounts/{account:path}": "accounts:read",
    "PATCH /v1/accounts/{account:path}": "accounts:write",
    "GET /v1/accounts/{account:path}/balance": "accounts:read",
    "GET /v1/accounts/{account:path}/postings": "accounts:read",
    "GET /v1/accounts/{account:path}/statement": "accounts:read",
    "POST /v1/accounts/{account:path}/freeze": "accounts:write",
    "POST /v1/accounts/{account:path}/unfreeze": "accounts:write",
    "POST /v1/accounts/{account:path}/close": "accounts:write",
    "POST /v1/payments": "payments:write",
    "POST /v1/payments/bulk": "payments:write",
    "GET /v1/payments": "payments:read",
    "GET /v1/payments/{payment}": "payments:read",
    "POST /v1/payments/{payment}/refund": "payments:write",
    "GET /v1/payments/{payment}/refunds": "payments:read",
    "POST /v1/payments/{payment}/dispute": "payments:write",
    "POST /v1/accounts/{account:path}/statements": "accounts:write",
    "GET /v1/accounts/{account:path}/statements": "accounts:read",
    "GET /v1/accounts/{account:path}/statements/{number}": "accounts:read",
    "GET /v1/events": "events:read",
    "POST /v1/notifications": "notifications:write",
    "GET /v1/notifications": "notifications:write",
    "GET /v1/notifications/{notification}": "notifications:write",
    "PATCH /v1/notifications/{notification}": "notifications:write",
    "DELETE /v1/notifications/{notification}": "notifications:write",
    "POST /v1/notifications/{notification}/test": "notifications:write",
    "GET /v1/notifications/{notification}/mails": "notifications:write",
    "POST /v1/webhook-endpoints": "webhooks:write",
    "GET /v1/webhook-endpoints": "webhooks:write",
    "GET /v1/webhook-endpoints/{endpoint}": "webhooks:write",
    "PATCH /v1/webhook-endpoints/{endpoint}": "webhooks:write",
    "DELETE /v1/webhook-endpoints/{endpoint}": "webhooks:write",
    "POST /v1/webhook-endpoints/{endpoint}/rotate-secret": "webhooks:write",
    "POST /v1/webhook-endpoints/{endpoint}/enable": "webhooks:write",
    "POST /v1/webhook-endpoints/{endpoint}/disable": "webhooks:write",
    "POST /v1/webhook-endpoints/{endpoint}/ping": "webhooks:write",
    "GET /v1/webhook-endpoints/{endpoint}/deliveries": "webhooks:write",
    "POST /v1/webhook-endpoints/{endpoint}/deliveries/{event}/replay": "webhooks:write",
    "POST /v1/webhook-endpoints/{endpoint}/replay": "webhooks:write",
    "GET /v1/dead-letters": "admin",
    "GET /v1/dead-letters/{dead_letter}": "admin",
    "POST /v1/dead-letters/{dead_letter}/replay": "admin",
    "POST /v1/dead-letters/{dead_letter}/drop": "admin",
    "GET /v1/journal-export": "journal:read",
    "POST /v1/reconciliation/sources": "reconciliation:write",
    "GET /v1/reconciliation/sources": "reconciliation:read",
    "GET /v1/reconciliation/sources/{source}": "reconciliation:read",
    "POST /v1/reconciliation/files": "reconciliation:write",
    "GET /v1/reconciliation/files": "reconciliation:read",
    "GET /v1/reconciliation/files/{file}": "reconciliation:read",
    "GET /v1/reconciliation/breaks": "reconciliation:read",
    "GET /v1/reconciliation/breaks/{break}": "reconciliation:read",
    "POST /v1/reconciliation/breaks/{break}/assign": "reconciliation:write",
    "POST /v1/reconciliation/breaks/{break}/note": "reconciliation:write",
    "POST /v1/reconciliation/breaks/{break}/explain": "reconciliation:write",
    "POST /v1/reconciliation/breaks/{break}/resolve": "reconciliation:write",
    "POST /v1/reconciliation/breaks/{break}/adjust": "reconciliation:write",
    "GET /v1/reconciliation/report": "reconciliation:read",
    "GET /v1/account-tree": "reports:read",
    "GET /v1/balance-sheet": "reports:read",
    "GET /v1/income-statement": "reports:read",
    "GET /v1/cash-movements": "reports:read",
    "POST /v1/processors/{processor}/callbacks": "anybody",
    "GET /v1/processor-calls": "payments:read",
    "GET /v1/processor-calls/{payment}": "payments:read",
    "POST /v1/processor-calls/{payment}/settle": "admin",
    "GET /v1/disputes": "payments:read",
    "GET /v1/disputes/{dispute}": "payments:read",
    "POST /v1/disputes/{dispute}/evidence": "payments:write",
    "POST /v1/disputes/{dispute}/resolve": "payments:write",
    "POST /v1/disputes/{dispute}/chargeback": "payments:write",
    "POST /v1/disputes/{dispute}/escalate": "payments:write",
    "POST /v1/holds": "payments:write",
    "POST /v1/holds/resolve": "payments:write",
    "POST /v1/holds/{hold}/capture": "payments:write",
    "POST /v1/holds/{hold}/increment": "payments:write",
    "POST /v1/holds/{hold}/extend": "payments:write",
    "POST /v1/holds/{hold}/void": "payments:write",
    "POST /v1/scheduled-payments": "payments:write",
    "POST /v1/scheduled-payments/{scheduled_payment}/cancel": "payments:write",
    "GET /v1/scheduled-payments": "payments:read",
    "GET /v1/scheduled-payments/{scheduled_payment}": "payments:read",
    "GET /v1/scheduled-payments/{scheduled_payment}/runs": "payments:read",
    "GET /v1/reviews": "payments:read",
    "GET /v1/reviews/{review}": "payments:read",
    "POST /v1/reviews/{review}/approve": "reviews:write",
    "POST /v1/reviews/{review}/refuse": "reviews:write",
    "GET /v1/holds": "payments:read",
    "GET /v1/holds/{hold}": "payments:read",
    "POST /v1/exchanges": "payments:write",
    "GET /v1/exchanges": "payments:read",
    "GET /v1/exchanges/{exchange}": "payments:read",
    "POST /v1/journal-entries": "journal:write",
    "POST /v1/journal-entries/bulk": "journal:write",
    "GET /v1/journal-entries": "journal:read",
    "GET /v1/journal-entries/{entry}": "journal:read",
    "POST /v1/journal-entries/{entry}/reverse": "journal:write",
    "PUT /v1/account-groups/{group}": "accounts:write",
    "GET /v1/payments/{payment}/personal": "personal:read",
    "GET /v1/journal-entries/{entry}/personal": "personal:read",
    "GET /v1/subjects/{subject}": "personal:read",
    "POST /v1/subjects/{subject}/erase": "personal:erase",
    "DELETE /v1/account-groups/{group}": "accounts:write",
    "GET /v1/account-groups": "accounts:read",
    "GET /v1/account-groups/{group}": "accounts:read",
    "GET /v1/account-groups/{group}/balances": "reports:read",
    "POST /v1/templates": "journal:write",
    "GET /v1/templates": "journal:read",
    "GET /v1/templates/{template}": "journal:read",
    "POST /v1/templates/{template}/post": "journal:write",
    "POST /v1/transactions": "payments:write",
    "POST /v1/transactions/bulk": "payments:write",
    "GET /v1/transactions/{tx}": "payments:read",
    "GET /v1/clients": "payments:read",
    "GET /v1/clients/{client}": "payments:read",
    "GET /v1/clients/{client}/transactions": "payments:read",
    "POST /v1/imports": "payments:write",
    "GET /v1/idempotency-keys/{key:path}": "payments:read or journal:read",
    "GET /v1/trial-balance": "reports:read",
    "GET /v1/integrity": "reports:read",
    "GET /v1/checkpoints": "reports:read",
    "GET /v1/checkpoints/keys": "reports:read",
    "GET /v1/checkpoints/consistency": "reports:read",
    "GET /v1/checkpoints/{size}": "reports:read",
    "GET /v1/payments/{payment}/receipt": "journal:read",
    "GET /v1/journal-entries/{entry}/receipt": "journal:read",
    "POST /v1/periods/{period}/close": "admin",
    "GET /v1/periods": "reports:read",
    "GET /v1/periods/{period}": "reports:read",
    "GET /v1/periods/{period}/balances": "reports:read",
    "GET /v1/periods/{period}/late-entries": "reports:read",
    "PATCH /v1/ledgers/{ledger}": "admin or operator",
    "POST /v1/currencies": "admin",
    "GET /v1/currencies": "admin",
    "PUT /v1/chart": "admin",
    "GET /v1/chart": "admin",
    "PUT /v1/routes": "admin",
    "GET /v1/routes": "admin",
    "GET /v1/routes/versions": "admin",
    "PUT /v1/house-rules": "admin",
    "GET /v1/house-rules": "admin",
    "POST /v1/ledgers": "operator",
    "GET /v1/ledgers": "admin or operator",
    "POST /v1/api-keys": "admin or operator",
    "GET /v1/api-keys": "admin or operator",
    "DELETE /v1/api-keys/{api_key}": "admin or operator",
    "GET /v1/console-sessions": "admin or operator",
    "POST /v1/console-sessions/end": "admin or operator",
    "POST /v1/console-sessions/{session}/end": "admin or operator",
    "GET /v1/audit-log": "admin or operator",
    "GET /v1/audit-log/feed": "admin or operator",
    "GET /v1/status": "reports:read or operator",
}
"""Every route and who may call it, written by hand: a new route is added here by somebody who has thought about it."""

TENANTS = sorted(scope.value for scope in TENANT_SCOPES)


@pytest.fixture
async def neighbour(service: Service) -> AsyncIterator[Client]:
    """Every scope of another ledger."""
    other = await service.services.ledgers.create("neighbour")
    made = await make_client(service, LedgerId(other.id), TENANT_SCOPES)
    yield made
    await made.http.aclose()


def key_of(ledger: str, *scopes: str, **members: Any) -> dict[str, Any]:
    return {"ledger": ledger, "name": "made here", "scopes": list(scopes) or ["payments:read"], **members}


async def own_key(client: Client) -> str:
    """The id of the key it calls with."""
    found = await all_pages(client, "/v1/api-keys", ledger=client.ledger)
    return str(found[-1]["id"])


# --- Who may call what -----------------------------------------------------------------------------------------------


def test_every_route_is_for_whom_this_table_says(service: Service) -> None:
    found = {
        f"{policy.method} {policy.template}": " or ".join(policy.scopes) or "anybody" for policy in policies(service)
    }
    assert found == WHO_MAY


# --- An admin administers his ledger ---------------------------------------------------------------------------------


async def test_an_admin_sees_his_ledger_alone(admin: Client, neighbour: Client) -> None:
    assert [ledger["id"] for ledger in (await admin.get("/v1/ledgers")).json()["data"]] == [admin.ledger]
    assert {key["ledger"] for key in await all_pages(admin, "/v1/api-keys")} == {admin.ledger}
    assert await all_pages(admin, "/v1/api-keys", ledger=neighbour.ledger) == []
    assert {row["ledger"] for row in await all_pages(admin, "/v1/audit-log")} == {admin.ledger}
    assert await all_pages(admin, "/v1/audit-log", ledger=neighbour.ledger) == []


async def test_an_admin_makes_no_ledger(admin: Client) -> None:
    refused(await admin.post("/v1/ledgers", {"name": "mine too"}), 403, "forbidden", facts={"scope": "operator"})


async def test_another_ledger_is_to_an_admin_as_if_it_were_not_there(admin: Client, neighbour: Client) -> None:
    refused(await admin.post("/v1/api-keys", key_of(neighbour.ledger)), 422, "ledger_not_found", "/ledger", facts={})
    theirs = await own_key(neighbour)
    refused(await admin.http.delete(f"/v1/api-keys/{theirs}"), 404, "api_key_not_found", facts={})
    assert (await neighbour.get("/v1/payments")).status_code == 200


async def test_an_admin_hands_over_his_own_scopes_and_ends_the_keys_of_his_ledger(admin: Client) -> None:
    made = await admin.post("/v1/api-keys", key_of(admin.ledger, *TENANTS))
    assert made.status_code == 201
    key = made.json()
    assert (key["scopes"], key["created_by"]) == (TENANTS, await own_key(admin))
    assert (await admin.http.delete(f"/v1/api-keys/{key['id']}")).json()["revoked_at"] is not None


@pytest.mark.parametrize("scope", ["payments:write", "operator"])
async def test_nobody_gives_a_scope_he_lacks(service: Service, ledger_id: LedgerId, scope: str) -> None:
    having = [Scope.ADMIN, Scope.PAYMENTS_READ]
    poor = await make_client(service, ledger_id, having)
    problem = refused(
        await poor.post("/v1/api-keys", key_of(poor.ledger, "payments:read", scope)),
        403,
        "forbidden",
        "/scopes/1",
        facts={"scope": scope},
    )
    assert problem["errors"][0]["pointer"] == "/scopes/1"
    assert (await poor.post("/v1/api-keys", key_of(poor.ledger, "admin", "payments:read"))).status_code == 201
    await poor.http.aclose()


async def test_a_narrowed_token_gives_no_more_than_itself(service: Service, admin: Client) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": await own_key(admin),
        "client_secret": admin.api_key,
        "scope": "admin",
    }
    token = (await _from(service, "192.0.2.1", "POST", "/v1/oauth/token", data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await admin.http.post("/v1/api-keys", json=key_of(admin.ledger, "payments:read"), headers=headers)
    refused(answer, 403, "forbidden", "/scopes/0", facts={"scope": "payments:read"})


async def test_a_cursor_of_an_operator_is_of_no_use_to_an_admin(admin: Client, operator: Client) -> None:
    cursor = (await operator.get("/v1/api-keys", params={"limit": 1})).json()["next_cursor"]
    refused(await admin.get("/v1/api-keys", params={"cursor": cursor}), 400, "invalid_cursor", "cursor", facts={})


# --- An operator administers the service -----------------------------------------------------------------------------


async def test_an_operator_makes_a_ledger_and_its_first_key_and_touches_no_books(operator: Client) -> None:
    ledger = (await operator.post("/v1/ledgers", {"name": "new"})).json()
    key = (await operator.post("/v1/api-keys", key_of(ledger["id"], *TENANTS))).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert (await operator.http.get("/v1/accounts", headers=headers)).status_code == 200
    assert ledger["id"] in {one["id"] for one in (await operator.get("/v1/ledgers")).json()["data"]}
    for path in ("/v1/accounts", "/v1/payments", "/v1/trial-balance", "/v1/currencies"):
        assert (await operator.get(path)).status_code == 403
    assert (await operator.http.delete(f"/v1/api-keys/{key['id']}")).status_code == 200
    log = await all_pages(operator, "/v1/audit-log", ledger=ledger["id"])
    assert [row["type"] for row in log] == ["api_key.revoked", "api_key.created", "ledger.created"]
    parsed = api_key_text.parse(operator.api_key)
    assert parsed is not None
    assert {row["actor"] for row in log} == {f"key_{parsed.key_id}"}


async def test_nobody_makes_an_operator_over_http(operator: Client, admin: Client, client: Client) -> None:
    for each in (operator, admin, client):
        answer = await each.post("/v1/api-keys", key_of(client.ledger, "operator"))
        refused(answer, 403, "forbidden", "/scopes/0", facts={"scope": "operator"})
    nil = "led_00000000-0000-0000-0000-000000000000"
    refused(await operator.post("/v1/api-keys", key_of(nil)), 422, "invalid_id", "/ledger", facts={})


async def test_an_admin_does_not_end_the_key_of_an_operator_in_his_ledger(admin: Client, client: Client) -> None:
    everything = next(key for key in await all_pages(admin, "/v1/api-keys") if "operator" in key["scopes"])
    answer = await admin.http.delete(f"/v1/api-keys/{everything['id']}")
    refused(answer, 403, "forbidden", facts={"scope": "operator"})
    assert (await client.get("/v1/ledgers")).status_code == 200


async def test_a_key_without_a_ledger_is_an_operators_and_nothing_else(service: Service) -> None:
    for scopes in (["payments:write"], ["operator", "admin"]):
        with pytest.raises(ValueError, match="operator"):
            await service.services.api_keys.create(SERVICE_LEDGER, "x", scopes)


async def test_an_operators_token_names_no_ledger_and_works(service: Service, operator: Client) -> None:
    parsed = api_key_text.parse(operator.api_key)
    assert parsed is not None
    found = [key for key in await all_pages(operator, "/v1/api-keys") if key["id"] == f"key_{parsed.key_id}"]
    assert [(key["ledger"], key["scopes"]) for key in found] == [(None, ["operator"])]
    form = {
        "grant_type": "client_credentials",
        "client_id": f"key_{parsed.key_id}",
        "client_secret": operator.api_key,
    }
    answer = await _from(service, "192.0.2.1", "POST", "/v1/oauth/token", data=form)
    assert answer.json()["scope"] == "operator"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await operator.http.get("/v1/ledgers", headers=headers)).status_code == 200
    assert (await operator.http.get("/v1/accounts", headers=headers)).status_code == 403


async def test_what_up_writes_may_do_everything(client: Client) -> None:
    """The fixture's key has what the key of `credentials.json` has: every scope, `operator` among them."""
    ledger = (await client.post("/v1/ledgers", {"name": "another"})).json()
    answer = await client.post("/v1/api-keys", key_of(ledger["id"], *TENANTS))
    assert answer.status_code == 201
    assert set(answer.json()["scopes"]) == {scope.value for scope in ALL_SCOPES} - {"operator"}


async def test_a_data_folder_from_before_there_were_operators_gets_a_key_that_may_do_everything(
    test_database: TestDatabase, servers: Servers, service: Service
) -> None:
    settings = service_settings(test_database, servers)
    made = await make_ledger(settings, service.database, "old", TENANT_SCOPES)
    renewed = await with_every_scope(settings, made)
    assert (renewed.ledger, renewed.client_id == made.client_id) == (made.ledger, False)
    assert await with_every_scope(settings, renewed) == renewed
    for credentials, status in ((made, 403), (renewed, 201)):
        answer = await _from(
            service, "192.0.2.1", "POST", "/v1/ledgers", bearer=credentials.api_key, json={"name": "another"}
        )
        assert answer.status_code == status


@pytest.mark.parametrize("text", ["CN=payroll,O=Ümlaut\\, Inc.", "CN=payroll, O=Ümlaut\\, Inc."])
def test_a_subject_is_compared_in_one_form(text: str) -> None:
    """As the certificate itself tells it (tests/edge/test_tls.py has one of that name)."""
    assert canonical_subject(text) == "CN=payroll,O=Ümlaut\\, Inc."


async def test_a_command_on_the_machine_makes_an_operator_and_its_file_is_private(
    test_database: TestDatabase, servers: Servers, service: Service, tmp_path: Path
) -> None:
    settings = service_settings(test_database, servers)
    environment = {
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_API_KEY_PEPPER": _secret(settings.api_key_pepper),
        "ZEROSUM_CURSOR_SECRET": _secret(settings.cursor_secret),
        "ZEROSUM_MASTER_KEYS": _secret(settings.master_keys),
    }
    out = tmp_path / "ann.json"
    command = ("operators", "create", "ann", "--out", str(out))
    said = await asyncio.to_thread(zerosum, *command, environment=environment)
    assert (said.code, said.out) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    key = json.loads(out.read_text())["api_key"]
    transport = httpx.ASGITransport(app=service.app)  # type: ignore[arg-type]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test", headers=headers) as http:
        assert (await http.get("/v1/ledgers")).status_code == 200
        made = (await http.get("/v1/audit-log", params={"type": "operator.created", "limit": 1})).json()["data"][0]
    assert (made["ledger"], made["facts"]["name"], made["actor"].partition("|")[0]) == (None, "ann", "command")
    again = await asyncio.to_thread(zerosum, *command, environment=environment)
    assert (again.code, again.out, str(out) in again.err, "Traceback" in again.err) == (2, "", True, False)


def _secret(value: Any) -> str:
    return str(value.get_secret_value())


# --- What a key is bound to ------------------------------------------------------------------------------------------


async def test_a_key_does_not_outlive_the_one_that_makes_it(service: Service, ledger_id: LedgerId) -> None:
    ends = now() + timedelta(days=2)
    record, text = await service.services.api_keys.create(ledger_id, "short", TENANTS, ends)
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=service.app),  # type: ignore[arg-type]
        base_url="http://zerosum.test",
        headers={"Authorization": f"Bearer {text}"},
    )
    short = Client(http, f"led_{ledger_id}", text)
    later, sooner = ((ends + timedelta(days=days)).isoformat() for days in (1, -1))
    refused(
        await short.post("/v1/api-keys", key_of(short.ledger, expires_at=later)), 422, "validation_error", "/expires_at"
    )
    assert (await short.post("/v1/api-keys", key_of(short.ledger))).json()["expires_at"][:19] == ends.isoformat()[:19]
    made = (await short.post("/v1/api-keys", key_of(short.ledger, expires_at=sooner))).json()
    assert made["expires_at"][:19] == sooner[:19]
    assert record.expires_at == ends
    await http.aclose()


@pytest.mark.parametrize(
    ("lifetimes", "wanted_days", "days"),
    [
        (KeyLifetimes(), None, None),
        (KeyLifetimes(), 4000, 4000),
        (KeyLifetimes(default_days=90), None, 90),
        (KeyLifetimes(default_days=90), 400, 400),
        (KeyLifetimes(days_max=365), None, 365),
        (KeyLifetimes(default_days=90, days_max=365), None, 90),
        (KeyLifetimes(default_days=90, days_max=365), 365, 365),
        (KeyLifetimes(days_max=365), 366, "refused"),
    ],
)
def test_a_key_lives_as_the_settings_say(lifetimes: KeyLifetimes, wanted_days: int | None, days: Any) -> None:
    moment = now()
    wanted = None if wanted_days is None else moment + timedelta(days=wanted_days)
    if days == "refused":
        with pytest.raises(Exception, match="at most 365 days"):
            lifetimes.expiry(wanted, moment)
    else:
        assert lifetimes.expiry(wanted, moment) == (None if days is None else moment + timedelta(days=days))


async def test_a_key_bound_to_a_network_is_good_from_there_alone_and_its_tokens_too(
    service: Service, operator: Client, admin: Client
) -> None:
    """Also when the credential is remembered: it is looked at for every request."""
    body = key_of(admin.ledger, "payments:read", networks=["192.0.2.0/24", "2001:db8::/64"])
    key = (await operator.post("/v1/api-keys", body)).json()
    assert key["networks"] == ["192.0.2.0/24", "2001:db8::/64"]
    form = {"grant_type": "client_credentials", "client_id": key["id"], "client_secret": key["key"]}
    token = (await _from(service, "192.0.2.9", "POST", "/v1/oauth/token", data=form)).json()["access_token"]
    assert (await _from(service, "198.51.100.1", "POST", "/v1/oauth/token", data=form)).status_code == 401
    for bearer in (key["key"], token):
        for address, status in (
            ("192.0.2.1", 200),
            ("198.51.100.1", 403),
            ("::ffff:192.0.2.77", 200),
            ("2001:db8::5", 200),
            ("2001:db8:0:1::5", 403),
        ):
            answer = await _from(service, address, "GET", "/v1/payments", bearer=bearer)
            assert answer.status_code == status, address
            if status == 403:
                refused(answer, 403, "origin_not_allowed", facts={"needs": "network"})


async def _from(service: Service, address: str, method: str, path: str, bearer: str = "", **options: Any) -> Any:
    transport = httpx.ASGITransport(app=service.app, client=(address, 1))  # type: ignore[arg-type]
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test", headers=headers) as http:
        return await http.request(method, path, **options)


async def test_a_key_bound_to_a_certificate_needs_it_on_every_request(
    service: Service, operator: Client, admin: Client
) -> None:
    body = key_of(admin.ledger, "payments:read", certificate_subject="CN=till, O=Acme")
    key = (await operator.post("/v1/api-keys", body)).json()
    assert key["certificate_subject"] == "CN=till,O=Acme"

    async def status(subject: str | None) -> int:
        async def with_tls(scope: Any, receive: Any, send: Any) -> None:
            extensions = {"tls": {"client_cert_name": subject}} if subject is not None else {}
            await service.app({**scope, "extensions": extensions}, receive, send)

        transport = httpx.ASGITransport(app=with_tls)
        headers = {"Authorization": f"Bearer {key['key']}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test", headers=headers) as http:
            return (await http.get("/v1/payments")).status_code

    assert [await status(each) for each in ("CN=till,O=Acme", "CN=other,O=Acme", None)] == [200, 403, 403]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"networks": ["192.0.2.1/24"]}, "/networks/0"),
        ({"networks": ["10.0.0.0/8", "nowhere"]}, "/networks/1"),
        ({"networks": []}, "/networks"),
        ({"networks": ["10.0.0.0/8"] * 51}, "/networks"),
        ({"certificate_subject": "till"}, "/certificate_subject"),
        ({"certificate_subject": ""}, "/certificate_subject"),
    ],
)
async def test_what_cannot_be_a_place_is_refused_where_it_is_wrong(
    client: Client, members: dict[str, Any], pointer: str
) -> None:
    refused(await client.post("/v1/api-keys", key_of(client.ledger, **members)), 422, "validation_error", pointer)


async def test_who_is_bound_hands_on_what_is_bound_within(service: Service, ledger_id: LedgerId) -> None:
    api_keys = service.services.api_keys
    network = parse_network("10.0.0.0/8")
    root = await make_client(service, ledger_id)
    principal = principal_of_key((await api_keys.create(ledger_id, "root", TENANTS))[0], TENANT_SCOPES)
    granter = principal.granter(principal.caller)
    bound, _ = await api_keys.grant(
        granter,
        NewKey(ledger_id=ledger_id, name="x", scopes=["admin"], networks=(network,), certificate_subject="CN=a"),
    )
    inner = principal_of_key(bound, frozenset({Scope.ADMIN}))
    inner.check_origin("10.1.2.3", "CN=a")
    for address, subject in (("11.0.0.1", "CN=a"), ("10.1.2.3", "CN=b"), ("10.1.2.3", None), ("", "CN=a")):
        with pytest.raises(OriginNotAllowed):
            inner.check_origin(address, subject)
    free = NewKey(ledger_id=ledger_id, name="y", scopes=["admin"])
    child, _ = await api_keys.grant(inner.granter(inner.caller), free)
    assert (child.networks, child.certificate_subject) == (("10.0.0.0/8",), "CN=a")
    wide = NewKey(ledger_id=ledger_id, name="z", scopes=["admin"], networks=(parse_network("0.0.0.0/0"),))
    with pytest.raises(Exception, match="beyond those"):
        await api_keys.grant(inner.granter(inner.caller), wide)
    await root.http.aclose()


async def test_the_last_use_of_a_key_is_written_now_and_then_and_by_no_request(
    service: Service, client: Client
) -> None:
    body = key_of(client.ledger, "payments:read")
    key = (await client.post("/v1/api-keys", body)).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert (await client.http.get("/v1/payments", headers=headers)).status_code == 200

    async def last_used_at() -> str | None:
        found = await all_pages(client, "/v1/api-keys", ledger=client.ledger)
        moments: list[str | None] = [one["last_used_at"] for one in found if one["id"] == key["id"]]
        return moments[0]

    assert await last_used_at() is None
    await service._last_uses.write()
    first = await last_used_at()
    assert first is not None
    ledger_id, key_id = LedgerId(_uuid(client.ledger)), _uuid(key["id"])
    for seconds, is_written in ((30, False), (61, True)):
        service._last_uses.note(ledger_id, key_id, now() + timedelta(seconds=seconds))
        await service._last_uses.write()
        assert (await last_used_at() != first) is is_written


def _uuid(text: str) -> Any:
    return UUID(text.partition("_")[2])


# --- Tokens of other issuers -----------------------------------------------------------------------------------------


def provider(scopes: frozenset[Scope] = TENANT_SCOPES, **options: Any) -> TrustedIssuer:
    keys = secret_key(bytes(range(100, 148)))
    return TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, keys=keys, scopes=scopes, **options)


def foreign(forge: Forge, **claims: Any) -> bytes:
    content = {name: value for name, value in forge.claims(iss=PARTNER, **claims).items() if value is not None}
    return f"Bearer {forge.hs256({'alg': 'HS256'}, content)}".encode()


async def test_an_issuer_speaks_for_operators_only_where_it_is_configured_to(
    service: Service, ledger_id: LedgerId
) -> None:
    forge, parts = Forge(), Parts(service.database)
    named = foreign(forge, ledger=f"led_{ledger_id}", scope="operator payments:read")
    unnamed = foreign(forge, ledger=None, scope="operator payments:read")
    trusted = parts.authenticator(provider(ALL_SCOPES))
    principal = await trusted.authenticate([unnamed], 0.0)
    assert (principal.ledger_id, principal.scopes) == (SERVICE_LEDGER, frozenset({Scope.OPERATOR}))
    tenant = await trusted.authenticate([named], 0.0)
    assert (tenant.ledger_id, tenant.scopes) == (ledger_id, frozenset({Scope.PAYMENTS_READ}))
    with pytest.raises(Unauthenticated):
        await parts.authenticator(provider()).authenticate([unnamed], 0.0)


@pytest.mark.parametrize(
    ("seconds", "own_maximum", "is_good"),
    [
        (TOKEN_SECONDS_MAX, None, True),
        (TOKEN_SECONDS_MAX + 1, None, False),
        (10 * 365 * 86_400, None, False),
        (3600, 3600, True),
        (3601, 3600, False),
        (7 * 86_400, 7 * 86_400, True),
    ],
)
async def test_a_token_of_another_issuer_lives_no_longer_than_it_may(
    service: Service, ledger_id: LedgerId, seconds: int, own_maximum: int | None, is_good: bool
) -> None:
    forge, parts = Forge(), Parts(service.database)
    options: Any = {} if own_maximum is None else {"token_seconds_max": own_maximum}
    header = foreign(forge, ledger=f"led_{ledger_id}", iat=SECONDS, exp=SECONDS + seconds)
    judge = parts.authenticator(provider(**options))
    if is_good:
        assert (await judge.authenticate([header], 0.0)).ledger_id == ledger_id
    else:
        with pytest.raises(Unauthenticated):
            await judge.authenticate([header], 0.0)
    assert OWN != PARTNER


async def test_keys_made_before_live_on(service: Service, ledger_id: LedgerId, database: Any) -> None:
    """A maximum is for what is made from now on."""
    record, text = await service.services.api_keys.create(ledger_id, "old", ["payments:read"])
    strict = ApiKeys(database, service.settings.pepper(), now, lifetimes=KeyLifetimes(days_max=1))
    found = await strict.authenticate(text)
    assert found is not None
    assert (found.id, found.expires_at) == (record.id, None)
