"""Payments through a processor: pending until it has said what became of them, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.processors.processing import (
    completer_of,
    withdrawn,
)
from zerosum.cli.sandbox.server import Sandbox
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger


async def standing(client: Client, account: str) -> tuple[str, str, str]:
    balance = await client.balance(account)
    return balance["posted"], balance["held"], balance["available"]


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_withdrawal_is_pending_until_its_processor_has_carried_it_out(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, "20.00", reference="rent")
    assert (payment["status"], payment["processor"], payment["approved"]) == ("processing", "sandbox", None)
    assert payment["to_code"] == "clearing:sandbox:USD"
    assert await standing(alice, "alice") == ("1000.00", "20.00", "980.00")
    await must_be_right(database, ledger_id)
    assert await completer_of(outside).run_once() == 1
    after = (await alice.get(f"/v1/payments/{payment['id']}")).json()
    assert (after["status"], after["approved"]) == ("succeeded", "20.00")
    assert after["processor_payment_id"] == "sbx_1"
    assert len(after["journal_entry_ids"]) == 2
    assert await standing(alice, "alice") == ("980.00", "0.00", "980.00")
    assert await standing(alice, "clearing:sandbox:USD") == ("-20.00", "0.00", "-20.00")
    assert sandbox.books.figures()["approved"] == 1
    await must_be_right(database, ledger_id)


async def settled(client: Client, service: Service, payment: dict[str, Any], turns: int = 200) -> dict[str, Any]:
    """The payment once its processor has said what became of it."""
    completer = completer_of(service)
    for _ in range(turns):
        await completer.run_once()
        found = await read(client, payment)
        if found["status"] != "processing":
            return found
        await asyncio.sleep(0.05)
    return found


async def read(client: Client, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/payments/{payment['id']}")).json()
    return found


async def call_of(client: Client, payment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/processor-calls/{payment['id']}")).json()
    return found


@pytest.mark.parametrize("deed", ["approved", "lost", "hangs", "never", "fails", "pending"])
async def test_whatever_is_lost_on_the_way_it_is_carried_out_once(
    deed: str, alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, reference=f"sandbox:{deed}")
    after = await settled(alice, outside, payment)
    assert (after["status"], after["approved"]) == ("succeeded", "20.00")
    figures = sandbox.books.figures()
    assert (figures["payments"], figures["approved"]) == (1, 1)
    call = await call_of(alice, payment)
    assert (call["state"], call["key"] in sandbox.books.payments) == ("approved", True)
    assert await standing(alice, "alice") == ("980.00", "0.00", "980.00")
    await must_be_right(database, ledger_id)


async def test_what_is_declined_is_the_payers_again(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, reference="sandbox:declined")
    after = await settled(alice, outside, payment)
    assert (after["status"], after["approved"], after["failure_reason"]) == ("failed", None, "refused_by_sandbox")
    assert await standing(alice, "alice") == ("1000.00", "0.00", "1000.00")
    refused(await alice.post(f"/v1/payments/{payment['id']}/refund", {}, key=fresh_key()), 409, "invalid_state")
    await must_be_right(database, ledger_id)


async def test_of_a_part_that_much_is_paid_and_can_be_given_back(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, "20.01", reference="sandbox:partial")
    after = await settled(alice, outside, payment)
    assert (after["status"], after["amount"], after["approved"]) == ("succeeded", "20.01", "10.00")
    assert await standing(alice, "alice") == ("990.00", "0.00", "990.00")
    too_much = {"amount": "10.01"}
    path = f"/v1/payments/{payment['id']}/refund"
    refused(await alice.post(path, too_much, key=fresh_key()), 422, "amount_exceeds_payment", "/amount")
    assert (await alice.post(path, {}, key=fresh_key())).json()["amount"] == "10.00"
    await completer_of(outside).run_once()
    assert (await read(alice, payment))["status"] == "refunded"
    assert (await alice.balance("alice"))["posted"] == "1000.00"
    await must_be_right(database, ledger_id)


async def test_a_deposit_counts_when_it_has_come(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    body = {"type": "deposit", "amount": "50.00", "currency": "USD", "to": "alice", "processor": "sandbox"}
    payment = (await alice.pay(body)).json()
    assert await standing(alice, "alice") == ("1000.00", "0.00", "1000.00")
    assert (await settled(alice, outside, payment))["status"] == "succeeded"
    assert await standing(alice, "alice") == ("1050.00", "0.00", "1050.00")
    dispute = await alice.post(f"/v1/payments/{payment['id']}/dispute", {"reason": "fraud"}, key=fresh_key())
    assert dispute.status_code == 201, dispute.text
    await must_be_right(database, ledger_id)


async def test_its_key_is_answered_with_processing_for_ever(alice: Client, outside: Service) -> None:
    body = {"type": "withdrawal", "amount": "5.00", "currency": "USD", "from": "alice", "processor": "sandbox"}
    first = await alice.pay(body, "once")
    await settled(alice, outside, first.json())
    again = await alice.pay(body, "once")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    internal = {name: value for name, value in body.items() if name != "processor"}
    refused(await alice.pay(internal, "once"), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"processor": "nobody"}, "processor_not_found", "/processor"),
        ({"processor": "Not A Name"}, "validation_error", "/processor"),
        ({"type": "transfer", "to": "clearing:internal:USD"}, "validation_error", "/processor"),
        ({"effective_at": "2036-01-01T00:00:00Z"}, "effective_in_future", "/effective_at"),
        ({"splits": [{"to": "alice", "percent": "10"}]}, "validation_error", "/splits"),
        ({"amount": "1000.01"}, "insufficient_funds", "/from"),
    ],
)
async def test_what_cannot_go_through_a_processor_is_refused(
    members: dict[str, Any], code: str, pointer: str, alice: Client
) -> None:
    body = {"type": "withdrawal", "amount": "5.00", "currency": "USD", "from": "alice", "processor": "sandbox"}
    answer = await alice.pay({**body, **members})
    assert answer.status_code == 422, answer.text
    assert (answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (code, pointer)


async def test_a_deposit_that_the_account_may_not_hold_is_not_asked_for(alice: Client) -> None:
    await alice.open_account("small", max_available="10")
    body = {"type": "deposit", "amount": "10.01", "currency": "USD", "to": "small", "processor": "sandbox"}
    refused(await alice.pay(body), 422, "limit_exceeded", "/to")


async def test_a_rehearsal_asks_nobody(alice: Client, outside: Service, sandbox: Sandbox) -> None:
    body = {"type": "withdrawal", "amount": "5.00", "currency": "USD", "from": "alice", "processor": "sandbox"}
    answer = await alice.post("/v1/payments?dry_run=true", body, key=fresh_key())
    assert (answer.status_code, answer.json()["status"]) == (200, "processing")
    assert await completer_of(outside).run_once() == 0


async def test_what_nobody_knows_waits_for_a_person_who_settles_it(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, reference="sandbox:silent")
    completer = completer_of(outside, attempts_max=4)
    while (await call_of(alice, payment))["state"] != "parked":
        await completer.run_once()
    [parked] = (await alice.get("/v1/processor-calls?state=parked")).json()["data"]
    assert (parked["payment_id"], parked["attempts"], parked["next_at"]) == (payment["id"], 4, None)
    assert (await read(alice, payment))["status"] == "processing"
    await must_be_right(database, ledger_id)
    path, key = f"/v1/processor-calls/{payment['id']}/settle", fresh_key()
    body = {"outcome": "approved", "amount": "7.00", "reason": "Seen in the portal."}
    rehearsed = await alice.post(f"{path}?dry_run=true", body, key=fresh_key())
    assert (rehearsed.status_code, rehearsed.json()["state"]) == (200, "approved")
    answer = await alice.post(path, body, key=key)
    assert (answer.status_code, answer.json()["state"], answer.json()["approved"]) == (200, "approved", "7.00")
    again = await alice.post(path, body, key=key)
    assert again.json() == answer.json()
    refused(await alice.post(path, {"outcome": "declined", "reason": "No."}, key=fresh_key()), 409, "invalid_state")
    assert (await read(alice, payment))["status"] == "succeeded"
    assert (await alice.balance("alice"))["posted"] == "993.00"
    log = (await alice.get("/v1/audit-log?type=processor_call.settled")).json()["data"]
    [told] = [one for one in log if one["resource"] == payment["id"]]
    assert (told["reason"], told["facts"]["processor"]) == ("Seen in the portal.", "sandbox")
    await must_be_right(database, ledger_id)


async def test_events_tell_each_step_once(alice: Client, outside: Service) -> None:
    paid, failed = await withdrawn(alice), await withdrawn(alice, reference="sandbox:declined")
    await settled(alice, outside, paid)
    await settled(alice, outside, failed)
    told = (await alice.get("/v1/events?type=payment.*&limit=200")).json()["data"]
    own = [(event["type"], event["resource"]["id"], event["data"]["status"]) for event in told]
    for payment, last, status in ((paid, "payment.succeeded", "succeeded"), (failed, "payment.failed", "failed")):
        steps = [(type_, said) for type_, id_, said in own if id_ == payment["id"]]
        assert steps == [("payment.processing", "processing"), (last, status)]


async def test_its_last_event_tells_all_that_the_payment_does(alice: Client, outside: Service) -> None:
    """Whoever is told keeps it by its id, and knows it by his own metadata."""
    said: dict[str, Any] = {"reference": "r-1", "metadata": {"order": "7", "é": "x"}}
    payment = await withdrawn(alice, **said)
    await settled(alice, outside, payment)
    told = (await alice.get("/v1/events?type=payment.succeeded&limit=200")).json()["data"][-1]["data"]
    shown = await read(alice, payment)
    for name in ("id", "type", "status", "amount", "currency", "from", "to", "reference", "description", "created_at",
                 "processor", "processor_payment_id", "journal_entry_ids", "metadata"):  # fmt: skip
        assert told[name] == shown[name], name


async def test_a_hold_verb_cannot_touch_what_is_pending(alice: Client) -> None:
    payment = await withdrawn(alice)
    hold = payment["id"].replace("pay_", "hold_")
    refused(await alice.post(f"/v1/holds/{hold}/void", None, key=fresh_key()), 404, "hold_not_found")
    answer = await alice.post(
        f"/v1/journal-entries/{payment['journal_entry_ids'][0]}/reverse", {"reason": "no"}, key="r"
    )
    assert answer.json()["code"] == "invalid_state"


async def test_lists_of_an_account_show_it(alice: Client, outside: Service) -> None:
    payment = await withdrawn(alice)
    found = (await alice.get("/v1/payments?account=alice")).json()["data"]
    assert [one["id"] for one in found].count(payment["id"]) == 1
    await settled(alice, outside, payment)
    found = (await alice.get("/v1/payments?account=alice&type=withdrawal")).json()["data"]
    assert [(one["id"], one["status"]) for one in found] == [(payment["id"], "succeeded")]
