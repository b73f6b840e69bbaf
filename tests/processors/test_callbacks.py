"""What a processor tells by itself: believed by its signature, once, and never backward."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import refused
from tests.processors.processing import (
    SECRET,
    completer_of,
    withdrawn,
)
from zerosum.adapters.clock import now
from zerosum.adapters.processors.signing import SIGNATURE_HEADER, sign
from zerosum.cli.sandbox.server import Sandbox
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

_events = count(1)


async def told(
    client: Client,
    payment: dict[str, Any],
    status: str,
    *,
    event_id: str | None = None,
    secret: str = SECRET,
    age_seconds: float = 0.0,
    processor: str = "sandbox",
    spoilt: bool = False,
    **members: Any,
) -> httpx.Response:
    """By nobody who has a credential."""
    call = (await client.get(f"/v1/processor-calls/{payment['id']}")).json()
    content = {
        "event_id": f"ev_{payment['id']}_{next(_events)}" if event_id is None else event_id,
        "key": call.get("key", ""),
        "status": status,
        **members,
    }
    body = json.dumps(content).encode()
    signature = sign(secret.encode(), body, now() - timedelta(seconds=age_seconds))
    headers = {"content-type": "application/json", SIGNATURE_HEADER: signature}
    sent = body.replace(b"approved", b"declined") if spoilt else body
    async with httpx.AsyncClient(transport=client.http._transport, base_url="http://zerosum.test") as stranger:
        return await stranger.post(f"/v1/processors/{processor}/callbacks", content=sent, headers=headers)


def effect(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["effect"])


async def status_of(client: Client, payment: dict[str, Any]) -> str:
    return str((await client.get(f"/v1/payments/{payment['id']}")).json()["status"])


async def test_it_settles_once_however_often_and_in_whatever_order_it_comes(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice)
    paid: dict[str, Any] = {"event_id": "ev_paid", "approved": "15.00", "id": "po_1"}
    assert effect(await told(alice, payment, "approved", **paid)) == "settled"
    assert effect(await told(alice, payment, "approved", **paid)) == "repeated"
    assert effect(await told(alice, payment, "pending")) == "noted"
    assert effect(await told(alice, payment, "approved", approved="15.00")) == "confirms"
    assert effect(await told(alice, payment, "approved")) == "contradicts", (
        "that is all of it, and not what was settled"
    )
    assert effect(await told(alice, payment, "declined", reason="late")) == "contradicts"
    found = (await alice.get(f"/v1/payments/{payment['id']}")).json()
    assert (found["status"], found["approved"], found["processor_payment_id"]) == ("succeeded", "15.00", "po_1")
    assert (await alice.balance("alice"))["posted"] == "985.00"
    shown = (await alice.get(f"/v1/processor-calls/{payment['id']}")).json()["callbacks"]
    effects = [(one["told"], one["effect"]) for one in reversed(shown)]
    assert effects == [
        ("approved", "settled"),
        ("pending", "noted"),
        ("approved", "confirms"),
        ("approved", "contradicts"),
        ("declined", "contradicts"),
    ]
    assert await completer_of(outside).run_once() == 0, "nobody has to ask any more"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_whole_thousands_of_a_currency_without_places_are_settled(alice: Client) -> None:
    """PostgreSQL's number comes as 1E+4."""
    await alice.open_account("yen", currency="JPY")
    await alice.deposit("yen", "20000", "JPY")
    payment = await withdrawn(alice, "10000", currency="JPY", **{"from": "yen"})
    assert effect(await told(alice, payment, "approved", approved="10000")) == "settled"
    found = (await alice.get(f"/v1/payments/{payment['id']}")).json()
    assert (found["status"], found["approved"]) == ("succeeded", "10000")


async def test_an_account_is_not_closed_while_a_payment_is_on_its_way_to_it(alice: Client) -> None:
    await alice.open_account("bob")
    coming = {"type": "deposit", "amount": "5", "currency": "USD", "to": "bob", "processor": "sandbox"}
    payment = (await alice.pay(coming)).json()
    answer = await alice.post("/v1/accounts/bob/close")
    assert (answer.status_code, answer.json()["open_processor_calls"]) == (409, "1"), answer.text
    assert effect(await told(alice, payment, "declined", reason="no")) == "settled"
    assert (await alice.post("/v1/accounts/bob/close")).status_code == 200


async def test_many_at_once_settle_once(alice: Client, database: Database, ledger_id: LedgerId) -> None:
    payment = await withdrawn(alice)
    answers = await asyncio.gather(*[told(alice, payment, "approved") for _ in range(12)])
    effects = sorted(effect(answer) for answer in answers)
    assert set(effects) <= {"settled", "confirms"}
    assert (await alice.balance("alice"))["posted"] == "980.00"
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_dispute_that_is_told_is_opened_once(
    alice: Client, outside: Service, database: Database, ledger_id: LedgerId
) -> None:
    body = {"type": "deposit", "amount": "50.00", "currency": "USD", "to": "alice", "processor": "sandbox"}
    payment = (await alice.pay(body)).json()
    case: dict[str, Any] = {"dispute": {"case_id": "case 1", "reason": "fraudulent", "amount": "20.00"}}
    early = await told(alice, payment, "pending", event_id="ev_case", **case)
    assert (early.status_code, early.json()["code"]) == (503, "unavailable"), "it is to be told again"
    await completer_of(outside).run_once()
    assert effect(await told(alice, payment, "pending", event_id="ev_case", **case)) == "disputed"
    answers = await asyncio.gather(*[told(alice, payment, "pending", **case) for _ in range(4)])
    assert {effect(answer) for answer in answers} == {"disputed"}
    [dispute] = (await alice.get(f"/v1/disputes?payment={payment['id']}")).json()["data"]
    assert (dispute["amount"], dispute["provider_case_id"], dispute["status"]) == ("20.00", "case 1", "open")
    assert (await alice.balance("alice"))["available"] == "1030.00"
    too_much: dict[str, Any] = {"dispute": {"case_id": "case 2", "reason": "fraudulent", "amount": "30.01"}}
    assert effect(await told(alice, payment, "pending", **too_much)) == "contradicts"
    malformed: list[Any] = [
        {"case_id": "", "reason": "x"},
        {"case_id": "c"},
        [],
        {"case_id": "c", "reason": "x", "amount": 1},
    ]
    for wrong in malformed:
        refused(await told(alice, payment, "pending", dispute=wrong), 401, "unauthenticated")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_worker_that_comes_behind_it_changes_nothing(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    payment = await withdrawn(alice, reference="sandbox:hangs")
    turn = asyncio.create_task(completer_of(outside).run_once())
    while not sandbox.books.payments:
        await asyncio.sleep(0.01)
    assert effect(await told(alice, payment, "approved")) == "settled"
    await turn
    assert await status_of(alice, payment) == "succeeded"
    assert sandbox.books.figures()["asked"] == 1
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


@pytest.mark.parametrize(
    "options",
    [{"secret": "another secret, of anybody"}, {"age_seconds": 301.0}, {"age_seconds": -301.0}, {"spoilt": True}],
)
async def test_what_is_forged_or_old_is_not_believed(options: dict[str, Any], alice: Client) -> None:
    payment = await withdrawn(alice)
    refused(await told(alice, payment, "approved", **options), 401, "unauthenticated")
    assert await status_of(alice, payment) == "processing"


async def test_what_nobody_knows_is_not_found(alice: Client, outside: Service) -> None:
    payment = await withdrawn(alice)
    refused(await told(alice, payment, "approved", processor="nobody"), 404, "processor_not_found")
    for key in ("nothing", "zs-1-2", f"zs-{'0' * 32}-{'1' * 32}"):
        refused(await told(alice, payment, "approved", key=key), 404, "payment_not_found")
    internal = await alice.deposit("alice", "1")
    another = await outside.services.ledgers.create("another")
    ledger = alice.ledger.removeprefix("led_").replace("-", "")
    for place, paid in ((ledger, internal), (another.id.hex, payment)):
        key = f"zs-{place}-{paid['id'].removeprefix('pay_').replace('-', '')}"
        refused(await told(alice, payment, "approved", key=key), 404, "payment_not_found")


async def test_a_person_has_the_last_word_about_what_was_parked(alice: Client) -> None:
    payment = await withdrawn(alice)
    body = {"outcome": "declined", "reason": "The bank knows nothing of it."}
    answer = await alice.post(f"/v1/processor-calls/{payment['id']}/settle", body, key=fresh_key())
    assert answer.status_code == 200
    assert effect(await told(alice, payment, "approved")) == "contradicts"
    assert await status_of(alice, payment) == "failed"


async def test_who_may_only_pay_settles_nothing_by_hand(outside: Service, alice: Client, ledger_id: LedgerId) -> None:
    payment = await withdrawn(alice)
    payer = await make_client(outside, ledger_id, {Scope.PAYMENTS_WRITE, Scope.PAYMENTS_READ})
    body = {"outcome": "approved", "reason": "I say so."}
    path = f"/v1/processor-calls/{payment['id']}/settle"
    refused(await payer.post(path, body, key=fresh_key()), 403, "forbidden", facts={"scope": "admin"})
    await payer.http.aclose()


async def test_an_event_without_an_id_is_not_taken(alice: Client, outside: Service) -> None:
    """All that came after it would have been taken for the same one."""
    payment = await withdrawn(alice)
    assert (await told(alice, payment, "approved", event_id="")).status_code == 401
    assert await status_of(alice, payment) == "processing"
