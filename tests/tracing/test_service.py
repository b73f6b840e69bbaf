"""What a service with a collector sends there: who caused what, and nothing that is secret."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.api.conftest import Client, make_client, over_socket, service_settings
from tests.conftest import Servers, TestDatabase
from tests.tracing.collector import Collector, attributes, collecting
from zerosum.config import SettingsError, load_settings
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.app import Gateway
from zerosum.gateway.request_state import current_request_state
from zerosum.main import Service

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}
DEPOSIT = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}


@contextlib.asynccontextmanager
async def traced(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, **settings: Any
) -> AsyncIterator[tuple[Client, Collector]]:
    """A client of a service, and the collector. Once the service has stopped the collector has everything."""
    with collecting() as collector:
        service = Service(service_settings(test_database, servers, **{"otlp_endpoint": collector.url, **settings}))
        await service.start()
        client = await make_client(service, ledger_id)
        try:
            yield client, collector
        finally:
            await client.http.aclose()
            await service.stop()


async def test_a_payment_is_a_child_of_its_caller_and_its_batch_refers_to_it(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    async with traced(test_database, servers, ledger_id) as (client, collector):
        await client.open_account("a")
        headers = {**PARENT, "X-Request-Id": "mine-1"}
        answer = await client.post("/v1/payments", DEPOSIT, key="k-traced", headers=headers)
        assert answer.status_code == 201
        assert current_request_state.get() is None
    (opened, paid), (opening, batch) = collector.requests, collector.batches
    assert (paid.trace_id.hex(), paid.parent_span_id.hex()) == (TRACE, SPAN)
    assert paid.trace_state == PARENT["tracestate"]
    assert paid.name == "POST /v1/payments"
    assert paid.status.code == Status.STATUS_CODE_UNSET
    assert attributes(paid) == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "http.route": "/v1/payments",
        "url.path": "/v1/payments",
        "url.scheme": "http",
        "zerosum.request_id": "mine-1",
    }
    assert opened.parent_span_id == b""
    assert opened.trace_id != paid.trace_id
    assert [(link.trace_id, link.span_id) for link in opening.links] == [(opened.trace_id, opened.span_id)]
    assert batch.name == "committer batch"
    assert [(link.trace_id, link.span_id) for link in batch.links] == [(paid.trace_id, paid.span_id)]
    assert attributes(batch) == {"zerosum.batch.commands": 1, "zerosum.batch.works": 1}
    assert paid.start_time_unix_nano <= batch.start_time_unix_nano <= batch.end_time_unix_nano
    assert collector.paths == ["/v1/traces"] * len(collector.paths)
    assert collector.resource["service.name"] == "zerosum"


@pytest.mark.parametrize("is_lean", [True, False])
async def test_every_request_is_told_by_its_template(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, is_lean: bool
) -> None:
    async with traced(test_database, servers, ledger_id, lean_routes=is_lean) as (client, collector):
        await client.get("/healthz", params={"x": "1"})
        await client.get("/v1/accounts/no:body", params={"as_of": "never"})
        await client.get("/v1/idempotency-keys/order-1001")
        await client.get("/nowhere")
        await client.http.request("PROPFIND", "/v1/payments")
    told = [(span.name, attributes(span)) for span in collector.requests]
    assert [(name, each.get("url.path"), each["http.response.status_code"]) for name, each in told] == [
        ("GET /healthz", "/healthz", 422),
        ("GET /v1/accounts/{account}", "/v1/accounts/{account}", 422),
        ("GET /v1/idempotency-keys/{key}", "/v1/idempotency-keys/{key}", 404),
        ("GET", None, 404),
        ("HTTP", None, 405),
    ]
    assert told[4][1]["http.request.method"] == "_OTHER"
    assert "http.route" not in told[3][1]
    assert all(span.status.code == Status.STATUS_CODE_UNSET for span in collector.requests)


async def test_what_fails_on_our_side_is_an_error(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    with collecting() as collector:
        nowhere = {"database_url": "postgresql://nobody@127.0.0.1:1/x", "otlp_endpoint": f"{collector.url}/"}
        service = Service(service_settings(test_database, servers, **nowhere))
        assert service.tracing is not None
        service.tracing.start()
        transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
            assert (await http.get("/readyz")).status_code == 503
        await service.tracing.stop()
        await service.database.close()
    (span,) = collector.requests
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "503"


async def test_no_secret_is_in_a_trace(test_database: TestDatabase, servers: Servers, ledger_id: LedgerId) -> None:
    canary = "zsk_c4nary-in-the-wrong-place"
    async with traced(test_database, servers, ledger_id) as (client, collector):
        headers = dict.fromkeys(("X-Request-Id", "User-Agent", "Cookie", "X-Forwarded-For", "Referer"), canary)
        headers |= {"baggage": f"a={canary}", "traceparent": canary, "tracestate": f"a={canary}"}
        await client.open_account("a")
        body = {**DEPOSIT, "description": canary, "reference": canary, "metadata": {"c4nary": "c4nary"}}
        assert (await client.post("/v1/payments", body, key="c4nary", headers=headers)).status_code == 201
        await client.get("/v1/idempotency-keys/c4nary", headers=headers)
        await client.get(f"/v1/payments/{canary}", params={"c4nary": canary}, headers=headers)
        await client.get(f"/v1/accounts/{canary}", headers={"Authorization": f"Bearer {canary}"})
        await client.http.post(f"/v1/oauth/token/{canary}", content=canary, auth=("c4nary", "c4nary"))
        secret = client.api_key
    assert len(collector.requests) == 6
    sent = b"".join(collector.messages)
    assert b"c4nary" not in sent
    assert secret.encode() not in sent


@pytest.mark.parametrize(
    ("parent", "ratio", "is_traced"),
    [
        (None, 1.0, True),
        (None, 0.0, False),
        ("01", 0.0, True),
        ("00", 1.0, False),
        ("malformed", 1.0, True),
        ("malformed", 0.0, False),
    ],
)
async def test_a_request_is_traced_where_its_parent_is_else_by_the_ratio(
    test_database: TestDatabase,
    servers: Servers,
    ledger_id: LedgerId,
    parent: str | None,
    ratio: float,
    is_traced: bool,
) -> None:
    async with traced(test_database, servers, ledger_id, trace_ratio=ratio) as (client, collector):
        headers = {} if parent is None else {"traceparent": f"00-{TRACE}-{SPAN}-{parent}"}
        # What is missing is noticed only by the committer.
        refused = await client.post("/v1/payments", DEPOSIT, key="k", headers=headers)
        assert refused.status_code == 422
        await client.post("/v1/accounts", {"code": "a", "currency": "USD", "type": "liability"}, headers=headers)
        assert (await client.post("/v1/payments", DEPOSIT, key="k2", headers=headers)).status_code == 201
    assert (len(collector.requests), len(collector.batches)) == ((3, 2) if is_traced else (0, 0))
    assert all((span.trace_id.hex() == TRACE) is (parent == "01") for span in collector.requests)


@pytest.mark.parametrize("url", ["localhost:4318", "grpc://localhost:4317", "http://", "nonsense"])
def test_a_collector_that_has_no_address_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^ZEROSUM_OTLP_ENDPOINT: must be written like http://localhost:4318$"):
        load_settings(otlp_endpoint=url)


@pytest.mark.parametrize("ratio", ["-0.1", "1.1", "all"])
def test_a_ratio_that_is_none_is_named(ratio: str) -> None:
    with pytest.raises(SettingsError, match=r"^ZEROSUM_TRACE_RATIO: "):
        load_settings(trace_ratio=ratio)


async def test_a_payment_on_the_express_way_is_traced_as_any_other(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    with collecting() as collector:
        service = Service(service_settings(test_database, servers, otlp_endpoint=collector.url))
        await service.start()
        async with AsyncExitStack() as stack:
            client = await over_socket(stack, service, ledger_id)
            await client.open_account("a")
            await client.deposit("a", "2")
            # The first that goes out learns which account is on the other side.
            await client.pay({"type": "withdrawal", "amount": "1", "currency": "USD", "from": "a"})
            assert isinstance(service.app, Gateway)
            before = service.app.express.taken
            for amount, status in (("1", 201), ("1" + "0" * 19, 422)):
                body = {"type": "withdrawal", "amount": amount, "currency": "USD", "from": "a"}
                answer = await client.post("/v1/payments", body, key=f"k-{status}", headers=PARENT)
                assert answer.status_code == status
        assert service.app.express.taken == before + 2
        await service.stop()
    *_, paid, refused = collector.requests
    for span, status in ((paid, 201), (refused, 422)):
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
        assert (span.name, attributes(span)["http.response.status_code"]) == ("POST /v1/payments", status)
    linked = [[(link.trace_id, link.span_id) for link in batch.links] for batch in collector.batches]
    assert linked[-2:] == [[(span.trace_id, span.span_id)] for span in (paid, refused)]
