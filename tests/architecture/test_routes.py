"""Every route asks for a credential and, where it moves money, for a key; or says here why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import MagicMock

from fastapi import FastAPI

from zerosum.api.app import make_app
from zerosum.gateway.routing import Policy

OPEN_TO_ALL = {
    "GET /healthz": "asked by load balancers",
    "GET /readyz": "asked by load balancers",
    "GET /metrics": "asked by Prometheus; a setting moves or closes it",
    "GET /.well-known/jwks.json": "public keys",
    "GET /docs": "the manual",
    "GET /docs/assets/{name}": "the manual",
    "GET /redoc": "the manual",
    "GET /openapi.json": "the manual",
    "GET /": "what runs here",
    "GET /favicon.ico": "the sign beside the address",
    "GET /favicon.svg": "the sign beside the address",
    "POST /v1/oauth/token": "where credentials are presented",
    "POST /v1/processors/{processor}/callbacks": "believed by the signature of the processor, over the body",
}
WITHOUT_A_KEY = {
    "POST /v1/payments/bulk": "each item carries its own",
    "POST /v1/journal-entries/bulk": "each item carries its own",
    "POST /v1/transactions/bulk": "each item carries its own",
    "POST /v1/holds/resolve": "each item carries its own",
    "POST /v1/imports": "the name is the key",
    "POST /v1/accounts": "moves no money; the code is unique",
    "PATCH /v1/ledgers/{ledger}": "moves no money; the same change again changes nothing",
    "PATCH /v1/accounts/{account:path}": "moves no money; the same change again changes nothing",
    "POST /v1/accounts/{account:path}/freeze": "moves no money; idempotent by state",
    "POST /v1/accounts/{account:path}/unfreeze": "moves no money; idempotent by state",
    "POST /v1/accounts/{account:path}/close": "moves no money; idempotent by state",
    "POST /v1/ledgers": "moves no money",
    "PUT /v1/routes": "moves no money; the same again changes nothing",
    "PUT /v1/chart": "moves no money; the same again changes nothing",
    "POST /v1/currencies": "moves no money; the same again is fine",
    "POST /v1/api-keys": "moves no money",
    "POST /v1/notifications": "moves no money",
    "PATCH /v1/notifications/{notification}": "moves no money; the same change again changes nothing",
    "DELETE /v1/notifications/{notification}": "moves no money; idempotent by state",
    "POST /v1/notifications/{notification}/test": "moves no money; a second test is a second mail",
    "POST /v1/webhook-endpoints": "moves no money",
    "PATCH /v1/webhook-endpoints/{endpoint}": "moves no money; the same change again changes nothing",
    "DELETE /v1/webhook-endpoints/{endpoint}": "moves no money; idempotent by state",
    "POST /v1/webhook-endpoints/{endpoint}/rotate-secret": "moves no money; each call gives a secret",
    "POST /v1/webhook-endpoints/{endpoint}/enable": "moves no money; idempotent by state",
    "POST /v1/webhook-endpoints/{endpoint}/disable": "moves no money; idempotent by state",
    "POST /v1/webhook-endpoints/{endpoint}/ping": "moves no money; receivers know the ids of events",
    "POST /v1/webhook-endpoints/{endpoint}/replay": "moves no money; receivers know the ids of events",
    "POST /v1/webhook-endpoints/{endpoint}/deliveries/{event}/replay": "moves no money; the same",
    "DELETE /v1/api-keys/{api_key}": "moves no money; idempotent by state",
    "POST /v1/oauth/token": "moves no money",
    "POST /v1/reconciliation/sources": "moves no money; the same again changes nothing",
    "POST /v1/reconciliation/files": "moves no money; the content is the key",
    "POST /v1/reconciliation/breaks/{break}/assign": "moves no money; the same again changes nothing",
    "POST /v1/reconciliation/breaks/{break}/note": "moves no money; the same again changes nothing",
    "POST /v1/reconciliation/breaks/{break}/explain": "moves no money; the same again changes nothing",
    "POST /v1/reconciliation/breaks/{break}/resolve": "moves no money; the same again changes nothing",
    "POST /v1/reconciliation/breaks/{break}/adjust": "the break has its own",
    "POST /v1/console-sessions/end": "moves no money; what has ended is no more",
    "POST /v1/console-sessions/{session}/end": "moves no money; what has ended is no more",
    "POST /v1/dead-letters/{dead_letter}/replay": "the message has its own",
    "POST /v1/dead-letters/{dead_letter}/drop": "moves no money; idempotent by state",
    "POST /v1/processors/{processor}/callbacks": "each event has an id of its own, and what it settles is settled once",
}


def routes() -> dict[str, Policy]:
    @asynccontextmanager
    async def nothing_runs(_: FastAPI) -> AsyncIterator[None]:
        yield

    _, policies = make_app(MagicMock(), MagicMock(), nothing_runs)
    return {f"{policy.method} {policy.template}": policy for policy in policies}


def test_every_route_asks_for_a_scope_or_is_listed_as_open() -> None:
    open_to_all = {name for name, policy in routes().items() if policy.scope is None}
    assert open_to_all == set(OPEN_TO_ALL), "Give the new route a scope, or say here why it is open to everybody."


def test_every_route_that_changes_something_asks_for_a_key_or_is_listed() -> None:
    without = {name for name, policy in routes().items() if policy.method != "GET" and not policy.needs_key}
    assert without == set(WITHOUT_A_KEY), "Set needs_key=True on the new route, or say here why it needs none."


def test_no_route_that_only_reads_asks_for_a_key() -> None:
    assert not [name for name, policy in routes().items() if policy.method == "GET" and policy.needs_key]
