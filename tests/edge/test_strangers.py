"""Who nobody knows gets no work out of the service; who is known pays for what is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client, service_settings
from tests.api.every_route import address, policies
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.json_structure import VALUES_MAX
from zerosum.gateway.limits.charging import REFUSAL_UNITS
from zerosum.gateway.routing import BULK_BODY_BYTES_MAX
from zerosum.main import Service

OPEN_PATHS = (
    "/",
    "/favicon.ico",
    "/favicon.svg",
    "/openapi.json",
    "/docs",
    "/redoc",
    "/docs/assets/swagger-ui.css",
    "/metrics",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
)
FORM = {"content-type": "application/x-www-form-urlencoded"}

Limited = Callable[..., Any]


@pytest.fixture
def limited(test_database: TestDatabase, servers: Servers) -> Limited:
    """A service with limits of its own; without Redis they are counted in one process."""

    @asynccontextmanager
    async def running(**settings: Any) -> AsyncIterator[Service]:
        made = Service(service_settings(test_database, servers, redis_url=None, workers=1, **settings))
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    return running


def nobody(service: Service, peer: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=service.app, client=(peer, 1))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://zerosum.test")


# --- Work before identity --------------------------------------------------------------------------------------------

HOSTILE_BODIES = {
    "no JSON": b"{",
    "64 kB of members": json.dumps({f"m{number}": 1 for number in range(5_000)}).encode(),
    "deep": b'{"a":' + b"[" * 60_000,
    "not UTF-8": b"\xff\xfe",
    "a missing key": b"{}",
}


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES)
async def test_a_stranger_is_told_nothing_about_a_body_on_any_route(service: Service, body: bytes) -> None:
    async with nobody(service) as http:
        for policy in policies(service):
            if policy.scope is not None and policy.takes_body:
                for content_type in ("application/json", "text/plain"):
                    answer = await http.request(
                        policy.method, address(policy.template), content=body, headers={"content-type": content_type}
                    )
                    refused(answer, 401, "unauthenticated")


async def test_the_megabytes_of_a_key_without_the_scope_are_not_even_awaited(
    service: Service, service_port: int, ledger_id: LedgerId
) -> None:
    reader = await make_client(service, ledger_id, {Scope.PAYMENTS_READ})
    for bulk in ("/v1/payments/bulk", "/v1/journal-entries/bulk", "/v1/transactions/bulk"):
        for key, status in ((reader.api_key, b"403"), ("nonsense", b"401")):
            head = (
                f"POST {bulk} HTTP/1.1\r\nHost: zerosum.test\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {BULK_BODY_BYTES_MAX}\r\n\r\n"
            )
            assert (await _answer_of(service_port, head.encode())).startswith(b"HTTP/1.1 " + status)


async def _answer_of(port: int, sent: bytes) -> bytes:
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    writing.write(sent)
    async with asyncio.timeout(5):
        line = await reading.readline()
    writing.close()
    return line


@pytest.mark.parametrize(
    ("content", "code", "pointer"),
    [
        ({"metadata": {f"m{n}": [0] * 20 for n in range(900)}}, "too_many_items", ""),
        ({"metadata": {"a": [0] * 1001}}, "too_many_items", "/metadata/a"),
        ({"metadata": [[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]}, "too_deep", None),
    ],
    ids=["in all", "in one place", "deep"],
)
async def test_parsing_stops_at_the_bound(
    client: Client, content: Any, code: str, pointer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.gateway.guards.json_guard._DECODER", None)  # What is over a bound is never decoded.
    answer = await client.post("/v1/payments", content, key=fresh_key())
    refused(answer, 400 if code == "too_deep" else 422, code, *([] if pointer is None else [pointer]))


def test_the_largest_entry_is_far_from_the_bound() -> None:
    posting = {"account": "a", "side": "debit", "amount": "1", "currency": "USD"}
    entry = {"reason": "r", "postings": [posting] * 100, "metadata": {f"m{n}": "x" for n in range(50)}}
    text = json.dumps(entry)
    assert text.count(",") + text.count("{") + text.count("[") < VALUES_MAX / 3


async def test_a_bulk_call_costs_what_its_items_would_cost(limited: Limited, ledger_id: LedgerId) -> None:
    async with limited(rate_limit_per_principal="100/h") as service:
        caller = await make_client(service, ledger_id)
        await caller.open_account("a")

        async def bulk(count: int) -> httpx.Response:
            item = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
            items = [{**item, "idempotency_key": fresh_key()} for _ in range(count)]
            return await caller.post("/v1/payments/bulk", {"items": items})

        assert (await bulk(60)).status_code == 200
        problem = refused(await bulk(60), 429, "rate_limited")
        assert problem["limit"] == "principal"
        answer = await bulk(30)
        assert (answer.status_code, answer.headers["ratelimit"].split(";")[1]) == (200, "r=8")  # 100 - 1 - 60 - 1 - 30
        assert (await caller.balance("a"))["posted"] == "90.00"
        await caller.http.aclose()


async def test_the_keys_of_a_ledger_share_a_budget_and_another_ledger_has_its_own(
    limited: Limited, ledger_id: LedgerId
) -> None:
    async with limited(rate_limit_per_ledger="4/h") as service:
        other = await service.services.ledgers.create("another")
        first, second = await make_client(service, ledger_id), await make_client(service, ledger_id)
        foreign = await make_client(service, LedgerId(other.id))
        for caller in (first, second, first, second):
            assert (await caller.get("/v1/accounts")).status_code == 200
        for caller in (first, second):
            assert refused(await caller.get("/v1/accounts"), 429, "rate_limited")["limit"] == "ledger"
        assert (await foreign.get("/v1/accounts")).status_code == 200
        for caller in (first, second, foreign):
            await caller.http.aclose()


# --- Open routes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OPEN_PATHS)
async def test_what_is_open_is_charged_to_the_address(limited: Limited, path: str) -> None:
    async with limited(rate_limit_per_address="60/h") as service:
        async with nobody(service) as http:
            answers = [await http.get(path) for _ in range(61)]
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 429}
        assert refused(answers[-1], 429, "rate_limited")["limit"] == "address"
        async with nobody(service, "192.0.2.2") as elsewhere:
            assert (await elsewhere.get(path)).status_code == 200


async def test_forged_callbacks_are_charged_to_the_address(limited: Limited) -> None:
    async with limited(rate_limit_per_address="60/h") as service, nobody(service) as http:
        path, forged = "/v1/processors/nobody/callbacks", {"event_id": "1", "key": "k", "status": "approved"}
        statuses = {(await http.post(path, json=forged)).status_code for _ in range(61)}
    assert statuses == {404, 429}


async def test_every_open_route_is_on_the_list_above(service: Service) -> None:
    opened = {policy.template for policy in policies(service) if policy.scope is None}
    listed = {*OPEN_PATHS, "/v1/oauth/token", "/docs/assets/{name}", "/v1/processors/{processor}/callbacks"}
    assert opened <= listed, "Say in `test_what_is_open_is_charged_to_the_address` that the new route is charged too."


@pytest.mark.parametrize("path", ["/nowhere", "/v1/accounts", "/v1/payments/../x", "/" + "x" * 9000])
async def test_refusals_are_charged_to_the_address(limited: Limited, path: str) -> None:
    async with limited(rate_limit_per_address=f"{3 * REFUSAL_UNITS}/h") as service, nobody(service) as http:
        answers = [(await http.get(path)).status_code for _ in range(5)]
        assert 429 not in answers[:3]
        assert answers[3:] == [429, 429]


async def test_the_page_for_prometheus_is_made_once_a_second(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    async with limited() as service, nobody(service) as http:
        made = 0
        expose: Callable[[bool], tuple[bytes, str]] = service.metrics._expose_now

        def count(is_open: bool) -> tuple[bytes, str]:
            nonlocal made
            made += 1
            return expose(is_open)

        monkeypatch.setattr(service.metrics, "_expose_now", count)
        pages = {(await http.get("/metrics")).text for _ in range(20)}
        assert made <= 2
        assert len(pages) <= 2


# --- Guessing --------------------------------------------------------------------------------------------------------


async def test_wrong_secrets_at_the_token_endpoint_are_limited(limited: Limited, ledger_id: LedgerId) -> None:
    async with limited(auth_failures_per_address="10/h") as service:
        caller = await make_client(service, ledger_id)
        key_id = (await caller.get("/v1/api-keys")).json()["data"][0]["id"]

        async def token(http: httpx.AsyncClient, secret: str) -> int:
            form = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
            return (await http.post("/v1/oauth/token", data=form)).status_code

        async with nobody(service) as http, nobody(service, "192.0.2.2") as elsewhere:
            assert [await token(http, "wrong") for _ in range(10)] == [401] * 10
            assert await token(http, caller.api_key) == 429, "the address is turned away before its secret is judged"
            assert (await http.get("/v1/accounts", headers={"authorization": "Bearer zs_x"})).status_code == 429
            assert (await http.get("/healthz")).status_code == 200
            assert await token(elsewhere, caller.api_key) == 200
        await caller.http.aclose()


async def test_wrong_keys_and_wrong_tokens_for_metrics_are_limited_alike(limited: Limited) -> None:
    async with limited(auth_failures_per_address="5/h", metrics_token="m" * 16) as service, nobody(service) as http:
        for attempt in range(7):
            path = "/metrics" if attempt % 2 else "/v1/accounts"
            answer = await http.get(path, headers={"authorization": "Bearer guess"})
            assert answer.status_code == (401 if attempt < 5 else 429)


# --- Costly reads ----------------------------------------------------------------------------------------------------


async def test_costly_reads_have_a_budget_beside_all_others(limited: Limited, ledger_id: LedgerId) -> None:
    async with limited(costly_reads_per_ledger="25/h") as service:
        caller = await make_client(service, ledger_id)
        await caller.open_account("a")
        assert [(await caller.get("/v1/trial-balance")).status_code for _ in range(3)] == [200, 200, 429]
        refused(await caller.get("/v1/integrity"), 429, "rate_limited", members={"limit"})
        assert [(await caller.get("/v1/accounts")).status_code for _ in range(6)] == [200] * 5 + [429]
        past = {"as_of": "2026-01-01T00:00:00Z"}
        assert (await caller.get("/v1/accounts/a/balance", params=past)).status_code == 429
        assert (await caller.get("/v1/accounts/a/balance?as%5Fof=2026-01-01")).status_code == 429
        assert (await caller.get("/v1/accounts/a/balance")).status_code == 200
        await caller.deposit("a", "1")
        await caller.http.aclose()


async def test_reports_of_one_ledger_take_turns_and_do_not_wait_for_ever(
    limited: Limited, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.gateway.limits.costly_reads.WAIT_SECONDS_MAX", 0.05)
    async with limited() as service:
        caller = await make_client(service, ledger_id)
        other = await service.services.ledgers.create("another")
        foreign = await make_client(service, LedgerId(other.id))
        running = 0
        most = 0
        released = asyncio.Event()
        inspect = service.services.inspector.inspect

        async def slow(who: Any) -> Any:
            nonlocal running, most
            if who.ledger_id == ledger_id:
                running, most = running + 1, max(most, running + 1)
                await released.wait()
                running -= 1
            return await inspect(who)

        monkeypatch.setattr(service.services.inspector, "inspect", slow)
        waiting = [asyncio.create_task(caller.get("/v1/integrity")) for _ in range(20)]
        late = await asyncio.gather(*waiting[1:])
        assert {answer.status_code for answer in late} == {503}
        assert (await foreign.get("/v1/integrity")).status_code == 200
        released.set()
        assert (await waiting[0]).status_code == 200
        assert most == 1
        for each in (caller, foreign):
            await each.http.aclose()
