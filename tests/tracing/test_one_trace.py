"""From the request to whoever is told of it: one trace, whatever lies between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.api.conftest import Client, make_client, service_settings
from tests.conftest import Servers, TestDatabase
from tests.ingest.ground import as_lines, consumed, deposit, desk_of
from tests.processors.processing import processors_file, sandbox_running, withdrawn
from tests.publications.brokers import RedisEvents
from tests.publications.ground import publisher
from tests.publications.ground import running as publishing
from tests.tracing.collector import attributes, collecting
from tests.webhooks.conftest import endpoint_of, until
from tests.webhooks.receiver import Receiver, receiving
from zerosum.adapters.address_guard import AddressGuard
from zerosum.adapters.clock import now
from zerosum.adapters.streams.lines import StandardInput
from zerosum.adapters.webhook_client import WebhookClient
from zerosum.api.schemas.events import event_body
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background.completer import Completer
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.spans import NO_SPANS, Spans
from zerosum.services.webhooks.dispatcher import Dispatcher
from zerosum.services.webhooks.secrets import EndpointSecrets
from zerosum.tracing.spans import Tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@asynccontextmanager
async def dispatching(service: Service, ledger_id: LedgerId, spans: Spans) -> AsyncIterator[Dispatcher]:
    client = WebhookClient(AddressGuard(allow_private=True))
    current_id, keys = service.settings.master_key_pairs()
    secrets = EndpointSecrets(Sealer(service.database, MasterKeys(current_id, keys), now))
    made = Dispatcher(service.database, secrets, client, event_body, now, only=[ledger_id], spans=spans)
    stop = asyncio.Event()
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await task
        await client.close()


@asynccontextmanager
async def at_work(
    database: TestDatabase, servers: Servers, ledger_id: LedgerId, **settings: Any
) -> AsyncIterator[tuple[Service, Client]]:
    service = Service(service_settings(database, servers, webhook_allow_private=True, **settings))
    await service.start()
    client = await make_client(service, ledger_id)
    try:
        yield service, client
    finally:
        await client.http.aclose()
        await service.stop()


@pytest.fixture
async def redis_events(servers: Servers) -> AsyncIterator[RedisEvents]:
    found = RedisEvents(servers.redis_url)
    await found.make()
    yield found
    await found.close()


async def told(receiver: Receiver, type_: str) -> Any:
    """The delivery of an event of that type."""

    async def look() -> list[Any]:
        return [one for one in receiver.received if one.event["type"] == type_]

    return (await until(look, bool))[0]


async def test_a_payment_through_a_processor_is_one_trace_from_its_caller_to_the_webhook(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, redis_events: RedisEvents, tmp_path: Path
) -> None:
    with collecting() as collector, sandbox_running() as sandbox:
        settings = {"otlp_endpoint": collector.url, "processors_file": processors_file(tmp_path, sandbox.url)}
        worker = Tracing(collector.url, 1.0, "worker")
        worker.start()
        async with (
            receiving() as receiver,
            at_work(test_database, servers, ledger_id, **settings) as (service, client),
        ):
            await client.open_account("alice")
            await client.deposit("alice", "100.00")
            await endpoint_of(client, receiver.url, event_types=["payment.*"])
            client.http.headers["traceparent"] = PARENT
            payment = await withdrawn(client)
            del client.http.headers["traceparent"]
            outside = service.settings.processors()["sandbox"]
            completer = Completer(service.database, service.committer, outside, now, spans=worker)
            made = publisher(service.database, ledger_id, redis_events, spans=worker)
            async with dispatching(service, ledger_id, worker), publishing(made):
                await until(completer.run_once, bool)
                begun, ended = await told(receiver, "payment.processing"), await told(receiver, "payment.succeeded")
                stream = f"{redis_events.prefix}.payment"
                published = await until(lambda: redis_events.client.xrange(stream), lambda found: len(found) == 3)
                await receiver.has(2)
        await worker.stop()
    assert begun.event["data"]["id"] == payment["id"]
    spans = {span.span_id.hex(): span for span in collector.spans if span.trace_id.hex() == TRACE}
    # Told to the broker is also the processor's account, which it was the first to use.
    assert sorted(span.name for span in spans.values()) == [
        "POST /v1/payments",
        *["committer batch"] * 2,
        *["committer queue"] * 2,
        *["postgresql commit"] * 2,
        "processor call",
        *["publish event"] * 3,
        *["webhook delivery"] * 2,
    ]
    # The request, and what was done because of it before anybody was told.
    (request,) = [span for span in spans.values() if span.parent_span_id.hex() == SPAN]
    assert request.name == "POST /v1/payments"
    assert begun.event["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    (call,) = [span for span in spans.values() if span.name == "processor call"]
    assert call.parent_span_id == request.span_id
    assert attributes(call) == {"zerosum.id": payment["id"], "zerosum.processor": "sandbox"}
    assert ended.event["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    for batch in (span for span in spans.values() if span.name == "committer batch"):
        cause = spans[batch.parent_span_id.hex()]
        assert cause in (request, call)
        assert [(link.trace_id, link.span_id) for link in batch.links] == [(cause.trace_id, cause.span_id)]
        (commit,) = [span for span in spans.values() if span.parent_span_id == batch.span_id]
        assert attributes(commit) == {"db.operation.name": "commit", "db.system.name": "postgresql"}
    for wait in (span for span in spans.values() if span.name == "committer queue"):
        assert spans[wait.links[0].span_id.hex()].name == "committer batch"
        assert wait.start_time_unix_nano <= wait.end_time_unix_nano
    _assert_told_on(spans, begun, ended, [fields for _, fields in published])


def _assert_told_on(spans: dict[str, Span], begun: Any, ended: Any, published: list[dict[bytes, bytes]]) -> None:
    """What left here names the step that has sent it, and the event the step that has made it."""
    for delivery in (begun, ended):
        step = spans[delivery.headers["traceparent"].split("-")[2]]
        assert (step.name, attributes(step)["http.response.status_code"]) == ("webhook delivery", 200)
        assert step.parent_span_id.hex() == delivery.event["traceparent"].split("-")[2]
    _, *traced = published
    assert [fields[b"ce_traceparent"].decode() for fields in traced] == [
        begun.event["traceparent"],
        ended.event["traceparent"],
    ]
    assert [spans[fields[b"traceparent"].decode().split("-")[2]].name for fields in traced] == ["publish event"] * 2


async def test_a_message_is_a_part_of_the_trace_that_it_names_and_else_begins_one(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    reader, writer = os.pipe()
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "x", "traceparent": PARENT}
    with collecting() as collector:
        settings = {"otlp_endpoint": collector.url, "lanes": 1}
        async with at_work(test_database, servers, ledger_id, **settings) as (service, client):
            await client.open_account("a")
            contents = [{**event, "data": deposit("a")}, deposit("nobody", key="k2"), deposit("a", key="k3")]
            os.write(writer, as_lines(contents))
            os.close(writer)
            source = StandardInput("stdin", 65_536, has_positions=False, descriptor=reader)
            desk = desk_of(service, client, spans=service.spans)
            tally, _ = await consumed(service, client, source, desk=desk)
            assert (tally.done, tally.messages) == (2, 3)
            events = await until(lambda: feed(client), lambda found: len(found) == 2)
    os.close(reader)
    (named,) = [span for span in collector.named("ingest message") if span.trace_id.hex() == TRACE]
    refused, own = [span for span in collector.named("ingest message") if span.trace_id.hex() != TRACE]
    assert refused.trace_id != own.trace_id
    assert (named.kind, named.parent_span_id.hex()) == (Span.SPAN_KIND_CONSUMER, SPAN)
    assert attributes(named) == {"messaging.destination.name": "stdin", "zerosum.command": "payment"}
    assert [one["traceparent"][:-3] for one in events] == [
        f"00-{span.trace_id.hex()}-{span.span_id.hex()}" for span in (named, own)
    ]


async def feed(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/v1/events", params={"type": "payment.*"})).json()["data"]
    return found


@pytest.mark.parametrize("flags", ["01", "00"])
async def test_without_a_collector_the_trace_of_a_caller_is_carried_on_as_it_came(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, flags: str
) -> None:
    parent = f"00-{TRACE}-{SPAN}-{flags}"
    async with (
        receiving() as receiver,
        at_work(test_database, servers, ledger_id) as (service, client),
        dispatching(service, ledger_id, NO_SPANS),
    ):
        await client.open_account("a")
        await endpoint_of(client, receiver.url, event_types=["payment.*"])
        body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
        answers = [await client.post("/v1/payments", body, key="k", headers={"traceparent": parent}) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        malformed = await client.post("/v1/payments", body, key="m", headers={"traceparent": f"{parent}0"})
        assert malformed.status_code == 201
        received = await receiver.has(2)
        assert (await client.get("/v1/integrity")).json()["is_intact"] is True
    assert [one.headers.get("traceparent") for one in received] == [parent, None]
    assert [one.event.get("traceparent") for one in received] == [parent, None]


async def test_a_collector_that_fails_costs_no_delivery(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    with collecting() as collector:
        collector.status = 400
        worker = Tracing(collector.url, 1.0, "worker")
        worker.start()
        async with (
            receiving() as receiver,
            at_work(test_database, servers, ledger_id, otlp_endpoint=collector.url) as (service, client),
            dispatching(service, ledger_id, worker),
        ):
            await client.open_account("a")
            await endpoint_of(client, receiver.url, event_types=["payment.*"])
            await client.deposit("a", "1.00")
            (received,) = await receiver.has(1)
        await worker.stop()
    assert received.event["traceparent"][3:35] == received.headers["traceparent"][3:35]
    assert not collector.messages
