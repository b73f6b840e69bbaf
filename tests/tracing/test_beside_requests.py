"""What is done beside a request is told too: rules that are asked, mails, and what the worker begins by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.api.conftest import Client, fresh_key
from tests.api.scheduling import SOON, committer_at, scheduled, worker_at
from tests.conftest import Servers, TestDatabase
from tests.notifications.conftest import notification_of
from tests.notifications.mail_server import Taken, mail_server
from tests.rules.judging import PLAIN, write_rules
from tests.rules.scores import scored, scoring
from tests.tracing.collector import Collector, attributes, collecting
from tests.tracing.test_one_trace import PARENT, SPAN, TRACE, at_work
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.adapters.mail_client import MailClient
from zerosum.adapters.mail_server import MailServer as MailAddress
from zerosum.adapters.rules import outside
from zerosum.api.schemas.events import event_body
from zerosum.domain.identifiers import LedgerId
from zerosum.services.background.hold_expiry import HoldExpiry
from zerosum.services.notifications.limits import MailLimits
from zerosum.services.notifications.mailer import Mailer
from zerosum.tracing.spans import Tracing


def parts_of(collector: Collector, trace_id: str = TRACE) -> list[Span]:
    return [span for span in collector.spans if span.trace_id.hex() == trace_id]


async def rich(client: Client) -> None:
    for code in ("alice", "bob"):
        await client.open_account(code)
    await client.deposit("alice", "1000.00")


async def event_of(client: Client, type_: str, about: Any) -> dict[str, Any]:
    async def look() -> list[dict[str, Any]]:
        found = (await client.get("/v1/events", params={"type": type_})).json()["data"]
        return [event for event in found if about(event)]

    event: dict[str, Any] = (await until(look, bool))[0]
    return event


async def test_a_rule_is_asked_in_the_trace_of_the_payment_that_it_judges(
    test_database: TestDatabase,
    servers: Servers,
    ledger_id: LedgerId,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as collector, scoring() as scores:
        file = write_rules(tmp_path / "rules.json", scored(scores.url, types=["transfer"]))
        settings = {"otlp_endpoint": collector.url, "rules_file": file}
        async with at_work(test_database, servers, ledger_id, **settings) as (_, client):
            await rich(client)
            body, parent = {**PLAIN, "amount": "10"}, {"traceparent": PARENT}
            assert (await client.post("/v1/payments", body, key="k1", headers=parent)).status_code == 201
            scores.answer = lambda _: (500, b"")
            assert (await client.post("/v1/payments", body, key="k2", headers=parent)).status_code == 202
            # Who is asked nothing is told of nothing.
            await client.deposit("alice", "1.00")
            monkeypatch.setattr(outside, "WAITING_MAX", 0)
            assert (await client.post("/v1/payments", body, key="k3", headers=parent)).status_code == 202
    first, second, never = [span for span in collector.spans if span.name == "rule"]
    for asked, headers, request in zip(
        (first, second),
        scores.headers,
        [one for one in parts_of(collector) if one.name.startswith("POST")][:2],
        strict=True,
    ):
        assert (asked.kind, asked.trace_id, asked.parent_span_id) == (
            Span.SPAN_KIND_CLIENT,
            request.trace_id,
            request.span_id,
        )
        assert headers["traceparent"] == f"00-{TRACE}-{asked.span_id.hex()}-01"
    assert (attributes(first), first.status.code) == ({"zerosum.rule": "risk"}, Status.STATUS_CODE_UNSET)
    assert attributes(second) == {"zerosum.rule": "risk", "error.type": "ScoreUnclear"}
    assert attributes(never) == {"zerosum.rule": "risk", "error.type": "TooManyWait"}


@pytest.mark.parametrize("answer", ["250 OK", "550 No such mailbox"])
async def test_a_mail_is_a_part_of_the_trace_of_what_it_tells(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, answer: str
) -> None:
    async def answers(_: Taken) -> str:
        return answer

    with collecting() as collector:
        worker = Tracing(collector.url, 1.0, "worker")
        worker.start()
        async with (
            mail_server() as server,
            at_work(test_database, servers, ledger_id, otlp_endpoint=collector.url) as (service, client),
        ):
            server.answers = answers
            await client.open_account("alice")
            notification = await notification_of(client)
            limits = MailLimits(recipient_domains=frozenset({"example.com"}), per_ledger_and_hour=10)
            sender = MailClient(MailAddress.parse(server.url), "alerts@example.com")
            mailer = Mailer(service.database, sender, limits, event_body, now, only=[ledger_id], spans=worker)
            body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "alice"}
            paid = await client.post("/v1/payments", body, key="k", headers={"traceparent": PARENT})
            assert paid.status_code == 201
            await until(mailer.run_once, lambda _: bool(server.taken))
        await worker.stop()
    (mail,) = [span for span in collector.spans if span.name == "mail"]
    (request,) = [span for span in parts_of(collector) if span.parent_span_id.hex() == SPAN]
    assert (mail.trace_id, mail.parent_span_id) == (request.trace_id, request.span_id)
    said = attributes(mail)
    assert said.pop("zerosum.id").startswith("mail_")
    refused = {} if answer.startswith("250") else {"error.type": "550"}
    assert said == {"zerosum.notification": notification["id"], **refused}


async def test_what_the_worker_begins_by_itself_begins_a_trace(
    test_database: TestDatabase,
    servers: Servers,
    ledger_id: LedgerId,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as collector, scoring() as scores:
        file = write_rules(tmp_path / "rules.json", scored(scores.url, types=["transfer"], accounts=["tenant"]))
        worker = Tracing(collector.url, 1.0, "worker")
        worker.start()
        async with at_work(test_database, servers, ledger_id, rules_file=file) as (service, client):
            await rich(client)
            for code in ("tenant", "landlord"):
                await client.open_account(code, min_available=None)
            due = [await scheduled(client, amount=amount) for amount in ("10", "20")]
            in_time = {"expires_at": (now() + SOON).isoformat()}
            body = {"from": "alice", "to": "bob", "amount": "5", "currency": "USD", **in_time}
            held = await client.post("/v1/holds", body, key=fresh_key())
            moment = now() + 2 * SOON
            async with worker_at(service, moment, worker) as runs:
                await runs.run_once()
            async with committer_at(service, moment) as committer:
                await HoldExpiry(service.database, committer, lambda: moment, worker).run_once()
            paid = [
                await event_of(client, "payment.*", lambda event, amount=amount: event["data"]["amount"] == amount)
                for amount in ("10.00", "20.00")
            ]
            expired = await event_of(client, "hold.expired", lambda event: event["resource"]["id"] == held.json()["id"])
            read = (await client.get(f"/v1/payments/{paid[0]['data']['id']}")).json()
        await worker.stop()
    steps = {attributes(span)["zerosum.id"]: span for span in collector.spans if "zerosum.id" in attributes(span)}
    for schedule, event in zip(due, paid, strict=True):
        span = steps[schedule["id"]]
        assert (span.name, span.parent_span_id) == ("scheduled payment", b"")
        assert event["traceparent"][:-2] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-"
        (asked,) = [one for one in parts_of(collector, span.trace_id.hex()) if one.name == "rule"]
        assert asked.parent_span_id == span.span_id
    assert read["trace_id"] == steps[due[0]["id"]].trace_id.hex()
    release = steps[held.json()["id"]]
    assert (release.name, release.parent_span_id) == ("hold expiry", b"")
    assert expired["traceparent"][:-2] == f"00-{release.trace_id.hex()}-{release.span_id.hex()}-"


async def test_whoever_reads_the_books_is_told_the_trace(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    """What is answered once it is written does not: it would be another answer the next time."""
    async with at_work(test_database, servers, ledger_id) as (_, client):
        await client.open_account("a")
        body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a"}
        traced = await client.post("/v1/payments", body, key="k", headers={"traceparent": PARENT})
        plain = await client.post("/v1/payments", body, key="m")
        for made, trace in ((traced, {"trace_id": TRACE}), (plain, {})):
            payment = made.json()
            assert (await client.get(f"/v1/payments/{payment['id']}")).json() == {**payment, **trace}
            (entry_id,) = payment["journal_entry_ids"]
            entry = (await client.get(f"/v1/journal-entries/{entry_id}")).json()
            assert entry.get("trace_id") == trace.get("trace_id")
        for path in ("/v1/payments", "/v1/journal-entries"):
            told = (await client.get(path)).json()["data"]
            assert [one.get("trace_id") for one in told] == [None, TRACE]
        event = await event_of(client, "payment.*", lambda event: "traceparent" in event)
        assert "trace_id" not in event["data"]
        assert (await client.get("/v1/integrity")).json()["is_intact"] is True
