"""Health, metrics, tokens, public keys and the manual; and what every answer carries."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, make_client, over_socket, service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

TOKEN = "/v1/oauth/token"


@pytest.fixture(params=["lean", "framework"])
async def public(
    request: pytest.FixtureRequest, service: Service, framework_service: Service
) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody in particular."""
    chosen = service if request.param == "lean" else framework_service
    transport = httpx.ASGITransport(app=chosen.app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
        yield http


# --- Health and metrics ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_it_is_well(public: httpx.AsyncClient, path: str) -> None:
    answer = await public.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"
    refused(await public.get(path, params={"x": "1"}), 422, "unknown_parameter", "x")


async def test_it_is_alive_but_not_ready_without_a_database_or_while_it_drains(
    test_database: TestDatabase, servers: Servers
) -> None:
    nowhere = service_settings(test_database, servers, database_url="postgresql://nobody@127.0.0.1:1/x")
    draining = service_settings(test_database, servers)
    for service in (Service(nowhere), Service(draining, is_draining=lambda: True)):
        transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
            assert (await http.get("/healthz")).status_code == 200
            answer = await http.get("/readyz")
            refused(answer, 503, "unavailable", facts={})
            assert answer.headers["retry-after"] == "1"
        await service.database.close()


async def test_it_is_not_ready_until_a_lane_that_has_died_is_replaced(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, caplog: pytest.LogCaptureFixture
) -> None:
    """Over HTTP. The other lane pays meanwhile."""
    service = Service(service_settings(test_database, servers, lanes=2))
    await service.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(service.stop)
        client = await over_socket(stack, service, ledger_id)
        await client.open_account("a")
        assert (await client.get("/readyz")).status_code == 200
        lane, may_begin = service.committer._lanes[0], asyncio.Event()
        stack.callback(may_begin.set)  # or the service would not stop where this fails
        dead, sound = lane._task, lane.carrier.warm_up
        assert dead is not None

        async def warm_up() -> None:
            await may_begin.wait()
            await sound()

        lane.carrier.warm_up = warm_up  # type: ignore[method-assign]
        dead.cancel()
        await asyncio.wait({dead})
        refused(await client.get("/readyz"), 503, "unavailable", facts={})
        assert (await client.get("/healthz")).status_code == 200
        await client.deposit("a", "1.00")
        async with asyncio.timeout(10):
            while lane._task is dead:
                await asyncio.sleep(0.01)
        refused(await client.get("/readyz"), 503, "unavailable", facts={})
        may_begin.set()
        async with asyncio.timeout(10):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)
        await client.deposit("a", "1.00")
    assert "a lane has died and is replaced" in caplog.messages


async def test_metrics_count_requests_by_route(public: httpx.AsyncClient) -> None:
    await public.get("/v1/payments/pay_x")
    answer = await public.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    pattern = r'zerosum_http_requests_total\{method="GET",route="/v1/payments/\{payment\}",status="401"\} (\d+)'
    assert re.search(pattern, answer.text)
    assert "pay_x" not in answer.text


async def test_metrics_can_be_turned_off(test_database: TestDatabase, servers: Servers) -> None:
    service = Service(service_settings(test_database, servers, metrics=False))
    transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
        refused(await http.get("/metrics"), 404, "not_found")
    await service.database.close()


# --- Tokens ----------------------------------------------------------------------------------------------------------


async def client_id(client: Client) -> str:
    (key,) = (await client.get("/v1/api-keys", params={"ledger": client.ledger})).json()["data"]
    return str(key["id"])


async def test_a_token_is_got_in_the_body_or_by_basic_and_works(client: Client, public: httpx.AsyncClient) -> None:
    name = await client_id(client)
    form = {"grant_type": "client_credentials"}
    by_body = await public.post(TOKEN, data={**form, "client_id": name, "client_secret": client.api_key})
    by_basic = await public.post(TOKEN, data={**form, "scope": "accounts:read"}, auth=(name, client.api_key))
    for answer in (by_body, by_basic):
        assert answer.status_code == 200, answer.text
        token = answer.json()
        assert token.keys() == {"access_token", "token_type", "expires_in", "scope"}
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 900)
        assert answer.headers["cache-control"] == "no-store"
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await public.get("/v1/accounts", headers=headers)).status_code == 200
    assert by_basic.json()["scope"] == "accounts:read"
    refused(await public.get("/v1/payments", headers=headers), 403, "forbidden", facts={"scope": "payments:read"})


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ("", 400, "invalid_request"),
        ("grant_type=password", 400, "unsupported_grant_type"),
        ("grant_type=client_credentials", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=key_x&client_secret=zsk_x", 401, "invalid_client"),
        ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        ("grant_type=client_credentials&x=%ff", 400, "invalid_request"),
        ("&".join(f"a{n}=b" for n in range(50)), 400, "invalid_request"),
    ],
)
async def test_token_errors_follow_the_rfc(public: httpx.AsyncClient, form: str, status: int, error: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await public.post(TOKEN, content=form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json().keys() <= {"error", "error_description"}
    assert answer.headers["content-type"] == "application/json"


async def test_a_scope_the_key_lacks_is_refused(client: Client, public: httpx.AsyncClient) -> None:
    form = {"grant_type": "client_credentials", "scope": "everything"}
    answer = await public.post(TOKEN, data=form, auth=(await client_id(client), client.api_key))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_the_public_keys_verify_the_tokens(public: httpx.AsyncClient) -> None:
    answer = await public.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    keys = answer.json()["keys"]
    assert keys
    assert all(key.keys().isdisjoint({"d", "p", "q", "k"}) for key in keys)


# --- Every answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/v1/accounts", 200),
        ("POST", "/v1/accounts", 415),
        ("POST", "/v1/payments", 415),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/payments", 405),
        ("GET", "/v1/payments/x", 422),
        ("GET", "/docs/assets/none.js", 404),
    ],
)
async def test_every_answer_has_the_request_id_that_was_given(
    either_client: Client, method: str, path: str, status: int
) -> None:
    for given in ("mine-1", None, "a b"):
        headers = {} if given is None else {"X-Request-Id": given}
        answer = await either_client.http.request(method, path, headers=headers)
        assert answer.status_code == status
        got = answer.headers["x-request-id"]
        assert got == "mine-1" if given == "mine-1" else re.fullmatch("[0-9a-f]{24}", got)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_what_is_not_there_or_not_allowed_is_a_problem_too(either_client: Client) -> None:
    client = either_client
    for path in ("/v1", "/v2/payments", "/v1/payments/a/b", "/favicon.png", "/v1/payments/"):
        refused(await client.get(path), 404, "not_found", facts={})
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answer = await client.http.request(method, "/v1/payments")
        refused(answer, 405, "method_not_allowed", facts={})
        assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_rate_limits_are_told_and_kept(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    settings = service_settings(
        test_database, servers, rate_limit_per_principal="3/min", rate_limit_per_address="1000/min"
    )
    service = Service(settings)
    await service.start()
    client = await make_client(service, ledger_id)
    answers = [await client.get("/v1/accounts") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    policy = '"principal";q=3;w=60, "address";q=1000;w=60'
    for remaining, answer in zip((2, 1, 0, 0), answers, strict=True):
        assert answer.headers["ratelimit-policy"] == policy
        assert re.fullmatch(rf'"principal";r={remaining};t=\d+', answer.headers["ratelimit"])
    refused(answers[3], 429, "rate_limited", facts={"limit": "principal"})
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert (await client.http.get("/healthz")).status_code == 200
    await client.http.aclose()
    await service.stop()


# --- The manual ------------------------------------------------------------------------------------------------------


async def test_the_manual_signs_in_at_our_own_token_endpoint(public: httpx.AsyncClient, client: Client) -> None:
    document: dict[str, Any] = (await public.get("/openapi.json")).json()
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"http://zerosum.test{TOKEN}"
    # As a form, and as Swagger UI does it where no scope was chosen.
    name, form = await client_id(client), {"grant_type": "client_credentials"}
    as_form = await public.post(TOKEN, data={**form, "client_id": name, "client_secret": client.api_key})
    as_swagger = await public.post(TOKEN, data=form, auth=(name, client.api_key))
    for answer in (as_form, as_swagger):
        assert answer.status_code == 200, answer.text
        assert set(answer.json()["scope"].split()) == set(flow["scopes"])
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await public.get("/v1/accounts", headers=headers)).status_code == 200


async def test_basic_credentials_with_reserved_characters_are_form_encoded(public: httpx.AsyncClient) -> None:
    secret = base64.b64encode(b"key_%41:zsk_%zz").decode()
    form = {"grant_type": "client_credentials"}
    answer = await public.post(TOKEN, data=form, headers={"Authorization": f"Basic {secret}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"] == 'Basic realm="zerosum"'
