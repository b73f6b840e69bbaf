"""Refunds through the processor of their payment: pending until it has said what became of them, and never too much."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import client_with, completer_of, processing_service, processors_file, withdrawn
from tests.processors.test_callbacks import effect, told
from zerosum.adapters.clock import now
from zerosum.adapters.processors import ProcessorAnswer
from zerosum.adapters.processors.http_processor import ProcessorUnclear
from zerosum.cli.sandbox.server import Sandbox
from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import ClaimedCall, claim_due_calls
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background.completer import Completer
from zerosum.services.processor_orders import carry_out, orders_of
from zerosum.services.proofs.whole_ledger import verify_ledger


async def paid(client: Client, service: Service, type_: str = "withdrawal", amount: str = "20.00") -> dict[str, Any]:
    """Through the sandbox, which has carried it out."""
    if type_ == "withdrawal":
        payment = await withdrawn(client, amount)
    else:
        body = {"type": "deposit", "amount": amount, "currency": "USD", "to": "alice", "processor": "sandbox"}
        payment = (await client.pay(body)).json()
    assert await completer_of(service).run_once() == 1
    return payment


async def refunded(client: Client, payment: dict[str, Any], amount: str | None = None, **members: Any) -> Any:
    body = {**members} if amount is None else {"amount": amount, **members}
    return await client.post(f"/v1/payments/{payment['id']}/refund", body, key=fresh_key())


async def shown(client: Client, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/payments/{payment['id']}")).json()
    return found


async def last_refund(client: Client, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/payments/{payment['id']}/refunds")).json()["data"][0]
    return found


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def settled(client: Client, service: Service, payment: dict[str, Any]) -> dict[str, Any]:
    """Its newest refund, once the processor has said what became of it."""
    completer = completer_of(service)
    for _ in range(200):
        await completer.run_once()
        found = await last_refund(client, payment)
        if found["status"] != "processing":
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it stays processing")


@pytest.mark.parametrize(
    ("type_", "before", "pending", "after"),
    [
        ("withdrawal", "980.00", ("980.00", "980.00"), "985.00"),
        ("deposit", "1020.00", ("1020.00", "1015.00"), "1015.00"),
    ],
)
async def test_a_refund_is_pending_until_the_processor_has_given_it_back(
    alice: Client,
    outside: Service,
    sandbox: Sandbox,
    database: Database,
    ledger_id: LedgerId,
    type_: str,
    before: str,
    pending: tuple[str, str],
    after: str,
) -> None:
    payment = await paid(alice, outside, type_)
    assert (await alice.balance("alice"))["posted"] == before
    refund = (await refunded(alice, payment, "5.00", reason="returned", metadata={"a": "b"})).json()
    assert (refund["status"], refund["approved"], refund["amount"]) == ("processing", None, "5.00")
    balance = await alice.balance("alice")
    assert (balance["posted"], balance["available"]) == pending
    found = await shown(alice, payment)
    assert (found["status"], found["refunded"], found["refunding"]) == ("succeeded", "0.00", "5.00")
    await must_be_right(database, ledger_id)
    assert await completer_of(outside).run_once() == 1
    assert await last_refund(alice, payment) == {
        **refund,
        "status": "succeeded",
        "approved": "5.00",
        "processor_refund_id": "sbx_2",
        "journal_entry_ids": [*refund["journal_entry_ids"], *(await shown(alice, payment))["journal_entry_ids"][-1:]],
    }
    events = (await alice.get("/v1/events?type=payment.*&limit=200")).json()["data"]
    of_it = [event["data"] for event in events if event["data"].get("refund") == refund["id"]]
    assert [data["metadata"] for data in of_it] == [{"a": "b"}] * 2
    found = await shown(alice, payment)
    assert (found["status"], found["refunded"], found["refunding"]) == ("partially_refunded", "5.00", "0.00")
    assert len(found["journal_entry_ids"]) == 4
    assert (await alice.balance("alice"))["available"] == after
    [line] = [one for one in sandbox.books.settlement().splitlines() if "refund of" in one]
    assert line.split(",")[3:6] == [f"refund of a {type_}", "5.00", "USD"]
    await must_be_right(database, ledger_id)


async def test_the_first_answer_stays_and_the_events_tell_the_rest(alice: Client, outside: Service) -> None:
    payment, key = await paid(alice, outside), fresh_key()
    path = f"/v1/payments/{payment['id']}/refund"
    first = await alice.post(path, {"amount": "1.00"}, key=key)
    await settled(alice, outside, payment)
    again = await alice.post(path, {"amount": "1.00"}, key=key)
    assert again.json() == first.json()
    assert first.json()["status"] == "processing"


@pytest.mark.parametrize("reason", ["lost", "hangs", "never", "fails", "pending"])
async def test_whatever_is_lost_on_the_way_it_is_given_back_once(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId, reason: str
) -> None:
    payment = await paid(alice, outside)
    assert (await refunded(alice, payment, reason=f"sandbox:{reason}")).status_code == 201
    found = await settled(alice, outside, payment)
    assert (found["status"], found["approved"]) == ("succeeded", "20.00")
    assert (await shown(alice, payment))["status"] == "refunded"
    assert (await alice.balance("alice"))["posted"] == "1000.00"
    assert sum(one.given_back_of is not None for one in sandbox.books.payments.values()) == 1
    await must_be_right(database, ledger_id)


@pytest.mark.parametrize(
    ("reason", "status", "left"), [("declined", "failed", "20.00"), ("partial", "succeeded", "10.00")]
)
async def test_what_is_not_given_back_may_be_asked_for_again(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId, reason: str, status: str, left: str
) -> None:
    payment = await paid(alice, outside, "deposit")
    await refunded(alice, payment, reason=f"sandbox:{reason}")
    found = await settled(alice, outside, payment)
    assert (found["status"], found["failure_reason"]) == (
        status,
        "refused_by_sandbox" if status == "failed" else None,
    )
    assert (await refunded(alice, payment, "20.01")).status_code == 422
    again = (await refunded(alice, payment)).json()
    assert again["amount"] == left
    assert (await settled(alice, outside, payment))["status"] == "succeeded"
    assert (await shown(alice, payment))["status"] == "refunded"
    await must_be_right(database, ledger_id)


async def test_refunds_and_disputes_at_once_never_come_to_more_than_was_paid(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await paid(alice, outside, "deposit")
    dispute = {"amount": "8.00", "reason": "fraudulent"}
    answers = await asyncio.gather(
        *[refunded(alice, payment, "8.00") for _ in range(5)],
        *[alice.post(f"/v1/payments/{payment['id']}/dispute", dispute, key=fresh_key()) for _ in range(3)],
    )
    assert sorted(answer.status_code for answer in answers) == [201, 201, *[422] * 6]
    while await completer_of(outside).run_once():
        pass
    found = await shown(alice, payment)
    gone = Decimal(found["refunded"]) + Decimal(found["disputed"])
    assert (gone, found["refunding"]) == (Decimal("16.00"), "0.00")
    assert (await alice.balance("alice"))["available"] == "1004.00"
    await must_be_right(database, ledger_id)


async def test_an_account_is_not_closed_while_its_refund_is_under_way(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    await alice.open_account("bob")
    await alice.deposit("bob", "5.00")
    payment = await withdrawn(alice, "5.00", **{"from": "bob"})
    await completer_of(outside).run_once()
    asked = (await refunded(alice, payment)).json()
    answer = await alice.post("/v1/accounts/bob/close")
    assert (answer.status_code, answer.json()["open_processor_calls"]) == (409, "1"), answer.text
    assert effect(await told(alice, asked, "declined", reason="too_late")) == "settled"
    closing, again = await asyncio.gather(alice.post("/v1/accounts/bob/close"), refunded(alice, payment))
    assert sorted([closing.status_code, again.status_code]) in ([200, 409], [201, 409]), "one has come before the other"
    await must_be_right(database, ledger_id)


async def test_callbacks_settle_it_once_and_never_backward(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await paid(alice, outside)
    refund = (await refunded(alice, payment)).json()
    assert effect(await told(alice, refund, "pending")) == "noted"
    assert effect(await told(alice, refund, "approved", event_id="ev_back", id="re_1")) == "settled"
    assert effect(await told(alice, refund, "approved", event_id="ev_back", id="re_1")) == "repeated"
    assert effect(await told(alice, refund, "declined", reason="late")) == "contradicts"
    assert (await last_refund(alice, payment))["processor_refund_id"] == "re_1"
    assert (await shown(alice, payment))["status"] == "refunded"
    assert await completer_of(outside).run_once() == 0
    await must_be_right(database, ledger_id)


async def test_what_nobody_knows_waits_for_a_person(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await paid(alice, outside, "deposit")
    refund = (await refunded(alice, payment, "7.00", reason="sandbox:silent")).json()
    for _ in range(200):
        await completer_of(outside, attempts_max=2).run_once()
        [call] = (await alice.get("/v1/processor-calls?limit=1")).json()["data"]
        if call["state"] == "parked":
            break
        await asyncio.sleep(0.02)
    assert (call["state"], call["refund_id"], call["payment_id"]) == ("parked", refund["id"], payment["id"])
    body = {"outcome": "approved", "amount": "4.00", "reason": "Seen in the portal."}
    wrong = refund["id"].replace("ref_", "pay_")
    refused(
        await alice.post(f"/v1/processor-calls/{wrong}/settle", body, key=fresh_key()), 404, "processor_call_not_found"
    )
    answer = await alice.post(f"/v1/processor-calls/{refund['id']}/settle", body, key=fresh_key())
    assert (answer.status_code, answer.json()["approved"]) == (200, "4.00"), answer.text
    found = await shown(alice, payment)
    assert (found["refunded"], found["refunding"], found["status"]) == ("4.00", "0.00", "partially_refunded")
    audit = (await alice.get("/v1/audit-log?limit=1")).json()["data"][0]
    assert audit["resource"] == refund["id"]
    await must_be_right(database, ledger_id)


async def claimed_and_dead(database: Database) -> ClaimedCall:
    """As a worker leaves it that dies behind its claim, some time ago."""
    async with database.operator_work() as connection:
        [call] = await claim_due_calls(connection, "sandbox", now(), now() - timedelta(seconds=1), 10)
    return call


@pytest.mark.parametrize("is_asked", [False, True])
async def test_who_dies_before_or_behind_the_asking_is_followed_by_one_who_looks_first(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId, is_asked: bool
) -> None:
    payment = await paid(alice, outside)
    await refunded(alice, payment, "3.00")
    call = await claimed_and_dead(database)
    if is_asked:
        [(_, order)] = await orders_of(database, [call])
        processor = outside.settings.processors()["sandbox"].processor
        await asyncio.to_thread(carry_out, processor, order)
    await must_be_right(database, ledger_id)
    before = sandbox.books.figures()["asked"]
    assert await completer_of(outside).run_once() == 1
    assert sandbox.books.figures()["asked"] == before + (not is_asked), "what was asked is looked up"
    assert (await last_refund(alice, payment))["status"] == "succeeded"
    assert (await alice.balance("alice"))["posted"] == "983.00"
    await must_be_right(database, ledger_id)


async def test_two_workers_ask_for_each_once(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await paid(alice, outside)
    for _ in range(12):
        await refunded(alice, payment, "1.00")
    begun = await asyncio.gather(*[completer_of(outside).run_once() for _ in range(3)])
    assert sum(begun) == 12
    assert sandbox.books.figures()["asked"] == 13
    assert (await shown(alice, payment))["refunded"] == "12.00"
    await must_be_right(database, ledger_id)


async def test_of_one_that_gives_nothing_back_refunds_are_recorded_in_the_books(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path, ledger_id: LedgerId
) -> None:
    file = processors_file(tmp_path, sandbox.url, refunds="recorded")
    async with processing_service(test_database, servers, file) as recording:
        client = await client_with(recording, ledger_id)
        refused(await refunded(client, await withdrawn(client)), 409, "invalid_state")
        await completer_of(recording).run_once()
        payment = await paid(client, recording)
        assert (await refunded(client, payment, "1.00")).json()["status"] == "succeeded"
        await client.http.aclose()
    file.write_text(file.read_text().replace('"sandbox": {', '"another": {'))
    async with processing_service(test_database, servers, file) as without:
        client = await make_client(without, ledger_id)
        refused(await refunded(client, payment, "1.00"), 404, "processor_not_found")
        await client.http.aclose()


async def test_who_asks_again_is_answered_though_the_processor_is_gone(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path, ledger_id: LedgerId
) -> None:
    """Else whoever has lost the answer would pay, or give back, once more."""
    file = processors_file(tmp_path, sandbox.url)
    described = json.loads(file.read_text())
    routes = [{"name": "all", "processors": ["sandbox"]}]
    file.write_text(json.dumps({**described, "routes": routes}), encoding="utf-8")
    body = {"type": "withdrawal", "amount": "20.00", "currency": "USD", "from": "alice", "processor": "sandbox"}
    either = body | {"processor": "auto"}
    back = {"amount": "5.00"}
    async with processing_service(test_database, servers, file) as service:
        client = await client_with(service, ledger_id)
        payment = (await client.pay(body, "pay")).json()
        routed = (await client.pay(either, "auto")).json()
        await completer_of(service).run_once()
        refund = (await client.post(f"/v1/payments/{payment['id']}/refund", back, key="back")).json()
        await client.http.aclose()
    file.write_text(json.dumps({"processors": {"another": described["processors"]["sandbox"]}}), encoding="utf-8")
    async with processing_service(test_database, servers, file) as without:
        client = await make_client(without, ledger_id)
        for _ in range(2):
            assert (await client.pay(body, "pay")).json() == payment
            assert (await client.pay(either, "auto")).json() == routed
            again = await client.post(f"/v1/payments/{payment['id']}/refund", back, key="back")
            assert (again.status_code, again.json()) == (201, refund)
        refused(await client.pay(body | {"amount": "21.00"}, "pay"), 422, "idempotency_key_reused")
        other = await client.post(f"/v1/payments/{payment['id']}/refund", {"amount": "6.00"}, key="back")
        refused(other, 422, "idempotency_key_reused")
        refused(await client.pay(body, "new"), 422, "processor_not_found")
        await client.http.aclose()


async def test_a_dispute_that_comes_while_a_refund_is_under_way_is_told_again(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await paid(alice, outside, "deposit")
    await refunded(alice, payment, "15.00", reason="sandbox:declined")
    dispute = {"case_id": f"case {payment['id']}", "reason": "fraud", "amount": "20.00"}
    case: dict[str, Any] = {"event_id": "ev_case", "dispute": dispute}
    assert (await told(alice, payment, "pending", **case)).status_code == 503
    assert (await settled(alice, outside, payment))["status"] == "failed"
    assert effect(await told(alice, payment, "pending", **case)) == "disputed"
    again: dict[str, Any] = {"event_id": "ev_again", "dispute": dispute | {"amount": "19.00"}}
    assert effect(await told(alice, payment, "pending", **again)) == "disputed", "it is the same case"
    assert (await shown(alice, payment))["status"] == "disputed"
    await must_be_right(database, ledger_id)


async def test_what_a_processor_does_not_take_is_not_held_against_it(
    test_database: TestDatabase, servers: Servers, sandbox: Sandbox, tmp_path: Path, ledger_id: LedgerId
) -> None:
    """Else one ledger could keep all others from being paid."""
    file = processors_file(tmp_path, sandbox.url, breaker_failures=1, backoff_seconds=60, backoff_seconds_max=60)
    async with processing_service(test_database, servers, file) as service:
        client = await client_with(service, ledger_id)
        configured = service.settings.processors()["sandbox"]

        def refusing(_: object) -> ProcessorAnswer:
            raise ProcessorUnclear("the answer 422 has no status that is known", 422)

        strange = SimpleNamespace(pay=refusing)
        for _ in range(2):
            await withdrawn(client)
        broken = Completer(service.database, service.committer, replace(configured, processor=strange), now)
        assert await broken.run_once() == 2
        payment = await withdrawn(client)
        assert await completer_of(service, breaker_failures=1).run_once() == 1
        assert (await shown(client, payment))["status"] == "succeeded"
        await refunded(client, payment, "1.00")
        assert await broken.run_once() == 1, "it gives nothing back"
        payment = await withdrawn(client)
        assert await completer_of(service, breaker_failures=1).run_once() == 1
        await client.http.aclose()
