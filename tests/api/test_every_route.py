"""A walk over all routes: who may call them, with what, and that they know one ledger only."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.every_route import (
    SOMETHING,
    UNKNOWN_UUID,
    Documented,
    address,
    ask,
    documented,
    manual_path,
    policies,
)
from tests.api.reading import refused, without_ids
from tests.at_length import AT_LENGTH
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.guards.request_guard import FILE_TYPES
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind, Policy
from zerosum.main import Service

PUBLIC = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/oauth/token",
    "/v1/processors/{processor}/callbacks",
    "/.well-known/jwks.json",
    "/",
    "/favicon.ico",
    "/favicon.svg",
    "/docs",
    "/docs/assets/{name}",
    "/redoc",
    "/openapi.json",
}
MANUAL = {"/docs", "/docs/assets/{name}", "/redoc", "/openapi.json", "/favicon.ico", "/favicon.svg"}
NAMES_ONE_IN = 6
OF_ALL_LEDGERS = {Scope.ADMIN, Scope.OPERATOR}
"""The clients of these tests are operators too. What `admin` alone sees is tested in tests/edge/test_operators.py."""


@pytest.fixture
def client(either_client_in_process: Client) -> Client:
    return either_client_in_process


@pytest.fixture
def walked(request: pytest.FixtureRequest, service: Service) -> list[Policy]:
    """All routes, and without the lean ways those that have one: to all others these make no difference."""
    every = policies(service)
    if AT_LENGTH or request.node.callspec.params["either_client_in_process"] == "express":
        return every
    lean = [policy for policy in every if policy.lean is not None or policy.express is not None]
    assert len(lean) > 3
    return lean


def private(found: list[Policy]) -> list[Policy]:
    kept = [policy for policy in found if policy.scope is not None]
    assert len(kept) > 3
    return kept


async def test_every_documented_route_has_a_policy_and_the_other_way_round(service: Service, client: Client) -> None:
    told = {(route.method, route.path) for route in await documented(client.http)}
    kept = {(policy.method, manual_path(policy.template)) for policy in policies(service)}
    assert told == {(method, path) for method, path in kept if path not in MANUAL}


async def test_the_manual_tells_what_the_policy_asks(service: Service, client: Client) -> None:
    told = {(route.method, route.path): route for route in await documented(client.http)}
    for policy in policies(service):
        if policy.template in MANUAL:
            continue
        route = told[policy.method, manual_path(policy.template)]
        security = route.operation["security"]
        scopes = [{"oauth2": [scope.value]} for scope in policy.scopes]
        assert security == ([{"bearer": []}, *scopes] if scopes else [])
        assert route.needs_key is policy.needs_key
        body = route.operation.get("requestBody", {"content": {}})
        media = {
            BodyKind.NONE: set(),
            BodyKind.JSON: {"application/json"},
            BodyKind.OPTIONAL_JSON: {"application/json"},
            BodyKind.FORM: {"application/x-www-form-urlencoded"},
            BodyKind.FILE: {kind.decode() for kind in FILE_TYPES},
        }
        assert set(body["content"]) == media[policy.body]


async def test_only_the_public_routes_are_open(service: Service) -> None:
    assert {policy.template for policy in policies(service) if policy.scope is None} == PUBLIC


async def test_every_other_route_refuses_who_is_not_known(walked: list[Policy], client: Client) -> None:
    for policy in private(walked):
        for credential in ("", "Bearer", "Bearer ", "Bearer zsk_x", "Basic eDp5", client.api_key, "Bearer a.b.c"):
            answer = await ask(client, policy, headers={"Authorization": credential})
            refused(answer, 401, "unauthenticated", facts={})
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_other_route_needs_its_scope_and_no_other(
    service: Service, ledger_id: LedgerId, client: Client, walked: list[Policy]
) -> None:
    for policy in private(walked):
        assert policy.scope is not None
        lacking = await make_client(service, ledger_id, [scope for scope in Scope if scope not in policy.scopes])
        answer = await ask(lacking, policy)
        refused(answer, 403, "forbidden", facts={"scope": policy.scope.value})
        assert answer.json()["detail"].endswith(f"{' or '.join(policy.scopes)}.")
        having = [await make_client(service, ledger_id, [scope]) for scope in policy.scopes]
        for made in having:
            assert (await ask(made, policy)).status_code not in (401, 403, 500)
        for made in (lacking, *having):
            await made.http.aclose()


async def test_what_became_of_a_key_is_told_to_whoever_may_read_what_it_made(service: Service) -> None:
    others = {
        policy.template: policy.scopes
        for policy in private(policies(service))
        if policy.other_scope not in (None, Scope.OPERATOR)
    }
    assert others == {"/v1/idempotency-keys/{key:path}": (Scope.PAYMENTS_READ, Scope.JOURNAL_READ)}


# --- Query parameters ------------------------------------------------------------------------------------------------


async def test_every_route_takes_the_parameters_the_manual_names_and_no_other(
    walked: list[Policy], client: Client
) -> None:
    """Of those that it does not take a part, and of all routes together each."""
    told = {(route.method, route.path): route.query for route in await documented(client.http)}
    every_name = set().union(*told.values())
    assert every_name > {"limit", "cursor", "order", "dry_run", "mode", "metadata", "as_of", "min_version"}
    others = sorted(every_name)
    for place, policy in enumerate(walked):
        if policy.template in MANUAL:
            continue
        named = told[policy.method, manual_path(policy.template)]
        tried = others if AT_LENGTH else others[place % NAMES_ONE_IN :: NAMES_ONE_IN]
        for name in {*named, *tried, "unknown"}:
            parameter = "metadata[x]" if name == "metadata" else name
            answer = await ask(client, policy, params={parameter: "x"})
            is_unknown = answer.status_code == 422 and answer.json()["code"] == "unknown_parameter"
            is_told = name in named
            assert is_unknown is not is_told, (policy.template, name, answer.text)
            if is_unknown:
                refused(answer, 422, "unknown_parameter", parameter, facts={})


# --- Money -----------------------------------------------------------------------------------------------------------

ENTRY = {
    "reason": "x",
    "postings": [
        {"account": "a", "side": "debit", "amount": "1", "currency": "USD"},
        {"account": "b", "side": "credit", "amount": "1", "currency": "USD"},
    ],
}
HOLD = {"amount": "1", "currency": "USD", "from": "a", "to": "b"}
PAYMENT = {"type": "transfer", "amount": "1", "currency": "USD", "from": "a", "to": "b"}
EXCHANGED = {"amount": "1", "currency": "USD", "from": "a", "to": "e", "to_currency": "EUR"}
EXCHANGED |= {"rate": "0.92", "rate_source": "x", "rate_at": "2026-01-02T15:00:00Z"}
TRANSACTION = {"type": "deposit", "client": 1, "tx": 1, "amount": "1"}
SCHEDULED = {**PAYMENT, "execute_at": "2030-01-01T00:00:00Z"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/scheduled-payments": SCHEDULED,
    "/v1/payments": PAYMENT,
    "/v1/payments/bulk": PAYMENT,
    "/v1/holds": HOLD,
    "/v1/exchanges": EXCHANGED,
    "/v1/journal-entries": ENTRY,
    "/v1/journal-entries/bulk": ENTRY,
    "/v1/templates": MARKETPLACE,
    "/v1/transactions": TRANSACTION,
    "/v1/transactions/bulk": {**TRANSACTION, "tx": 2},
}
"""A good body, or item, for each route that moves money. A new one must be added here."""

OTHERWISE: dict[str, dict[str, Any]] = {
    "payments": {"description": "x"},
    "holds": {"description": "x"},
    "exchanges": {"description": "x"},
    "scheduled-payments": {"description": "x"},
    "journal-entries": {"reason": "y"},
    "templates": {"reason": "y"},
    "transactions": {"amount": "2"},
}
"""What makes another request of the same kind."""

UPON: dict[str, dict[str, Any]] = {
    "/v1/journal-entries/{entry}/reverse": {"reason": "x"},
    "/v1/templates/{template}/post": {"parameters": {}},
    "/v1/payments/{payment}/refund": {},
    "/v1/payments/{payment}/dispute": {"reason": "x"},
    "/v1/processor-calls/{payment}/settle": {"outcome": "declined", "reason": "x"},
    "/v1/disputes/{dispute}/evidence": {"text": "x"},
    "/v1/disputes/{dispute}/resolve": {},
    "/v1/disputes/{dispute}/chargeback": {},
    "/v1/disputes/{dispute}/escalate": {"stage": "arbitration"},
    "/v1/holds/{hold}/capture": {},
    "/v1/holds/{hold}/increment": {"amount": "1"},
    "/v1/holds/{hold}/extend": {"expires_at": "2099-12-31T00:00:00Z"},
    "/v1/holds/{hold}/void": {},
    "/v1/scheduled-payments/{scheduled_payment}/cancel": {},
    "/v1/reviews/{review}/approve": {"reason": "x"},
    "/v1/reviews/{review}/refuse": {"reason": "x"},
    "/v1/holds/resolve": {"hold": SOMETHING["hold"], "action": "void"},
}
"""The same for those that act upon what their path names. How they replay is tested with what they act upon."""


def kind_of(route: Documented) -> str:
    return route.path.split("/")[2]


async def money_routes(client: Client) -> list[Documented]:
    found = [route for route in await documented(client.http) if route.moves_money]
    assert {route.path for route in found} == BODIES.keys() | UPON.keys()
    return [route for route in found if not route.acts_upon]


async def send(client: Client, route: Documented, key: str | None, **change: Any) -> httpx.Response:
    body = {**(BODIES | UPON)[route.path], **change}
    if not route.is_bulk:
        return await client.post(address(route.path), body, key=key)
    keyed = body if key is None else {**body, "idempotency_key": key}
    mode = {"mode": "atomic"} if route.path.endswith("/bulk") else {}
    return await client.post(route.path, {"items": [keyed]}, params=mode)


async def test_every_money_post_needs_a_key(client: Client) -> None:
    for route in [route for route in await documented(client.http) if route.moves_money]:
        assert route.needs_key is not route.is_bulk
        missing = await send(client, route, None)
        if route.is_bulk:
            refused(missing, 422, "validation_error", "/items/0/idempotency_key")
        else:
            refused(missing, 400, "idempotency_key_missing", facts={})
        for key in ("", '""', "k" * 256, "a b", "a\tb", "clé", "ключ", "\x7f"):
            if route.is_bulk:
                code = "invalid_string" if key == "\x7f" else "validation_error"
                refused(await send(client, route, key), 422, code, "/items/0/idempotency_key")
            else:
                raw = [("Idempotency-Key", key.encode())]
                body = (BODIES | UPON)[route.path]
                answer = await client.http.post(address(route.path), json=body, headers=raw)  # type: ignore[arg-type]
                refused(answer, 400, "idempotency_key_invalid", facts={})
        if not route.is_bulk:
            twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
            answer = await client.http.post(address(route.path), json=(BODIES | UPON)[route.path], headers=twice)
            refused(answer, 400, "idempotency_key_invalid", facts={})


async def test_every_money_post_replays_its_key_and_refuses_it_for_another_body(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    await client.open_account("e", currency="EUR")
    routes = await money_routes(client)
    for route in routes:
        key = fresh_key()
        first = await send(client, route, key)
        assert first.status_code in (200, 201), first.text
        again = await send(client, route, key)
        assert again.headers.get("idempotency-replayed") == "true" or again.json()["results"][0]["replayed"] is True
        refused(await send(client, route, key, **OTHERWISE[kind_of(route)]), 422, "idempotency_key_reused")
        for elsewhere in routes:
            if kind_of(elsewhere) != kind_of(route):
                refused(await send(client, elsewhere, key), 422, "idempotency_key_reused")
    versions = (await client.balance("b"))["version"], (await client.balance("clients:1"))["version"]
    assert versions == (5, 2)


# --- Another ledger --------------------------------------------------------------------------------------------------


async def things_of(owner: Client) -> dict[str, str]:
    """One of everything, by its id or name."""
    account = await owner.open_account(f"secret:{fresh_key()}")
    key = fresh_key()
    payment = (await owner.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": account["id"]}, key)).json()
    await owner.deposit(account["id"], "1")
    page = (await owner.get("/v1/payments", params={"limit": 1})).json()
    hold = {"from": account["id"], "to": (await owner.open_account())["id"], "amount": "1", "currency": "USD"}
    held = (await owner.post("/v1/holds", hold, key=fresh_key())).json()
    euros = await owner.open_account(currency="EUR")
    exchanged = {**EXCHANGED, "amount": "0.50", "from": account["id"], "to": euros["id"]}
    exchange = (await owner.post("/v1/exchanges", exchanged, key=fresh_key())).json()
    path = f"/v1/payments/{payment['id']}/dispute"
    dispute = (await owner.post(path, {"reason": "x"}, key=fresh_key())).json()
    later = {**hold, "type": "transfer", "execute_at": "2030-01-01T00:00:00Z"}
    scheduled = (await owner.post("/v1/scheduled-payments", later, key=fresh_key())).json()
    template = f"secret-{new_uuid()}"
    await owner.post("/v1/templates", {**MARKETPLACE, "name": template}, key=fresh_key())
    group = f"secret-{new_uuid()}"
    headers = {"Idempotency-Key": fresh_key()}
    await owner.http.put(f"/v1/account-groups/{group}", json={"members": ["**"]}, headers=headers)
    endpoint = (await owner.post("/v1/webhook-endpoints", {"url": "https://93.184.215.14/"})).json()
    mailed = {"name": "n", "event_types": ["hold.*"], "recipients": ["a@example.com"], "subject": "s", "text": "t"}
    notification = (await owner.post("/v1/notifications", mailed)).json()
    source: dict[str, Any] = {"name": f"secret-{new_uuid()}", "account": account["id"], "format": "csv"}
    source["csv"] = {"columns": {"date": "d", "amount": "a"}}
    await owner.post("/v1/reconciliation/sources", source)
    told: dict[str, Any] = {"content": b"d,a\n2026-01-02,1\n", "headers": {"content-type": "text/csv"}}
    sent = await owner.http.post("/v1/reconciliation/files", params={"source": source["name"]}, **told)
    broken = (await owner.get("/v1/reconciliation/breaks")).json()["data"][0]
    api_key = (await owner.get("/v1/api-keys", params={"ledger": owner.ledger})).json()["data"][0]
    return {
        "account": account["id"],
        "code": account["code"],
        "payment": payment["id"],
        "hold": held["id"],
        "dispute": dispute["id"],
        "exchange": exchange["id"],
        "scheduled_payment": scheduled["id"],
        "notification": notification["id"],
        "template": template,
        "group": group,
        "entry": payment["journal_entry_ids"][0],
        "key": key,
        "api_key": api_key["id"],
        "endpoint": endpoint["id"],
        "source": source["name"],
        "file": sent.json()["id"],
        "break": broken["id"],
        "ledger": owner.ledger,
        "cursor": page["next_cursor"],
    }


def unknown_like(thing: str, value: str) -> str:
    """Of the same kind, and of nothing that exists."""
    if thing in ("code", "key"):
        return f"nobody{fresh_key()}"
    if thing == "cursor":
        return "A" * len(value)
    return re.sub("[0-9a-f-]{36}", UNKNOWN_UUID, value)


async def test_what_another_ledger_has_is_simply_not_there(
    walked: list[Policy], client: Client, stranger: Client
) -> None:
    theirs = await things_of(stranger)
    for policy in private(walked):
        if "{" not in policy.template or policy.scope in OF_ALL_LEDGERS:
            continue
        for thing, value in theirs.items():
            pair = []
            for named in (value, unknown_like(thing, value)):
                name = re.findall(r"\{(\w+)", policy.template)[0]
                answer = await ask(client, policy, path=address(policy.template, **{name: named}))
                assert 400 <= answer.status_code < 500
                pair.append(without_ids(answer))
            assert pair[0] == pair[1], (policy.template, thing)
    assert len((await stranger.get("/v1/payments")).json()["data"]) == 2


async def test_what_another_ledger_has_cannot_be_named_in_a_body(client: Client, stranger: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b")
    theirs = await things_of(stranger)
    for route in await money_routes(client):
        if kind_of(route) in ("transactions", "templates"):
            continue  # They name no account; what is posted by a template has a test of its own.
        for thing in ("account", "code"):
            pair = []
            for named in (theirs[thing], unknown_like(thing, theirs[thing])):
                if kind_of(route) in ("payments", "holds", "exchanges", "scheduled-payments"):
                    change: dict[str, Any] = {"to": named}
                else:
                    change = {"postings": [ENTRY["postings"][0], {**ENTRY["postings"][1], "account": named}]}  # type: ignore[dict-item]
                answer = await send(client, route, fresh_key(), **change)
                refused(answer, 422, "account_not_found", members=("account",))
                status, problem = without_ids(answer)
                # Each is told the name it has asked for; in all else they are the same.
                pair.append((status, json.loads(json.dumps(problem).replace(named, "that"))))
            assert pair[0] == pair[1], (route.path, thing)
    assert (await client.balance("a"))["version"] == 0


async def test_what_another_ledger_has_is_in_no_list(client: Client, stranger: Client) -> None:
    await things_of(stranger)
    for path in (
        "/v1/accounts",
        "/v1/payments",
        "/v1/journal-entries",
        "/v1/holds",
        "/v1/disputes",
        "/v1/processor-calls",
        "/v1/exchanges",
        "/v1/scheduled-payments",
        "/v1/reviews",
        "/v1/webhook-endpoints",
        "/v1/notifications",
    ):
        assert (await client.get(path)).json()["data"] == []
    assert (await client.get("/v1/trial-balance")).json()["accounts"] == []
    await stranger.post("/v1/currencies", {"code": "THEIRS", "exponent": 2})
    assert "THEIRS" not in (await client.get("/v1/currencies", params={"limit": 200})).text
