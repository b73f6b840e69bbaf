"""The feed of events: each fact once, in order, as it was, and never before it is committed."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.api.conftest import Client, fresh_key
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.services.event_feed import WAIT_SECONDS_MAX

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Watch:
    """The feed ends below the oldest transaction of the whole server, where other tests run beside these."""

    superuser: Superuser


@pytest.fixture(autouse=True)
def watched(superuser: Superuser) -> None:
    Watch.superuser = superuser


async def settled(client: Client) -> None:
    """Until all that the ledger has written can be read."""
    pending = "select count(*) from events where ledger_id = $1 and xid >= zerosum_feed_horizon()"
    ledger_id = parse_id(Prefix.LEDGER, client.ledger)
    async with asyncio.timeout(60):
        while await Watch.superuser.fetchval(pending, ledger_id):
            await asyncio.sleep(0.05)


async def read(client: Client, **parameters: Any) -> dict[str, Any]:
    answer = await client.get("/v1/events", params=parameters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def read_all(client: Client, *, waits: bool = True, **parameters: Any) -> list[dict[str, Any]]:
    if waits:
        await settled(client)
    found: list[dict[str, Any]] = []
    while True:
        page = await read(client, **parameters)
        found += page["data"]
        if not page["has_more"]:
            return found
        parameters["after"] = page["next_after"]


async def parties(client: Client) -> tuple[str, str]:
    alice, bob = await client.open_account("alice"), await client.open_account("bob")
    await client.deposit("alice", "100.00")
    return alice["id"], bob["id"]


async def test_a_payment_is_told_as_it_was_answered(client: Client) -> None:
    alice, bob = await parties(client)
    payment = (await client.transfer("alice", "bob", "2.50")).json()
    told = (await read_all(client, type="payment.succeeded"))[-1]
    assert told["resource"] == {"type": "payment", "id": payment["id"]}
    assert told["data"] == payment
    assert told["account_versions"] == {alice: 2, bob: 1}
    assert told["created_at"] == payment["created_at"]


async def test_what_has_become_of_it_since_changes_nothing_of_what_was_told(client: Client) -> None:
    await parties(client)
    payment = (await client.transfer("alice", "bob", "2.50")).json()
    before = await read_all(client)
    answer = await client.post(f"/v1/payments/{payment['id']}/refund", {}, key=fresh_key())
    assert answer.status_code == 201
    after = await read_all(client)
    assert after[: len(before)] == before
    assert [event["type"] for event in after[len(before) :]] == ["payment.refunded"]


async def test_every_kind_of_fact_is_told_with_its_resource(client: Client) -> None:
    await parties(client)
    await client.transfer("alice", "bob", "1.00")
    hold = (
        await client.post(
            "/v1/holds", {"from": "alice", "to": "bob", "amount": "5.00", "currency": "USD"}, key=fresh_key()
        )
    ).json()
    captured = await client.post(f"/v1/holds/{hold['id']}/capture", {"amount": "2.00", "final": True}, key=fresh_key())
    assert captured.status_code == 200, captured.text
    lines = [
        {"account": "alice", "side": "debit", "amount": "1.00", "currency": "USD"},
        {"account": "bob", "side": "credit", "amount": "1.00", "currency": "USD"},
    ]
    entry = await client.post("/v1/journal-entries", {"reason": "correction", "postings": lines}, key=fresh_key())
    transaction = await client.post(
        "/v1/transactions", {"type": "deposit", "client": 7, "tx": 70, "amount": "3.0000"}, key=fresh_key()
    )
    assert transaction.status_code == 201, transaction.text
    told = await read_all(client)
    by_type = {event["type"]: event for event in told}
    assert by_type["hold.placed"]["resource"] == {"type": "hold", "id": hold["id"]}
    assert by_type["hold.captured"]["data"]["status"] == "captured"
    assert by_type["journal_entry.posted"]["data"] == entry.json()
    assert by_type["client_transaction.carried_out"]["data"]["tx"] == 70
    assert by_type["client_transaction.carried_out"]["resource"] == {"type": "client_transaction", "id": "70"}
    payments = [event for event in told if event["type"] == "payment.succeeded"]
    assert [event["data"]["amount"] for event in payments] == ["100.00", "1.00", "2.00"]
    assert len({event["id"] for event in told}) == len(told)


async def test_an_event_of_a_hold_tells_all_that_its_answer_does(client: Client) -> None:
    await parties(client)
    said = {"reference": "booking 7", "description": "Two nights", "capture_max": "6", "metadata": {"room": "12"}}
    order = {"from": "alice", "to": "bob", "amount": "5.00", "currency": "USD", **said}
    placed = (await client.post("/v1/holds", order, key=fresh_key())).json()
    captured = (await client.post(f"/v1/holds/{placed['id']}/capture", {"amount": "2"}, key=fresh_key())).json()
    voided = (await client.post(f"/v1/holds/{placed['id']}/void", key=fresh_key())).json()
    by_type = {event["type"]: event["data"] for event in await read_all(client)}
    beside = {"id", "from_code", "to_code", "house_rules", "account_versions", "splits"}
    for type_, answer in (("hold.placed", placed), ("hold.captured", captured), ("hold.voided", voided)):
        expected = {name: value for name, value in answer.items() if name not in beside}
        assert {name: by_type[type_][name] for name in expected} == expected, type_
    refund = await client.post(
        f"/v1/payments/{captured['payment_ids'][0]}/refund", {"metadata": {"rma": "9"}}, key=fresh_key()
    )
    assert refund.status_code == 201, refund.text
    assert (await read_all(client, type="payment.refunded"))[-1]["data"]["metadata"] == {"rma": "9"}


async def test_pages_end_to_end_hold_everything_once_and_in_order(client: Client) -> None:
    await parties(client)
    await asyncio.gather(*[client.transfer("alice", "bob", "0.01") for _ in range(40)])
    told = await read_all(client)
    in_pages = await read_all(client, limit=7)
    assert in_pages == told
    versions = [v for e in told for account, v in e["account_versions"].items() if account == told[0]["resource"]["id"]]
    assert sorted(versions) == list(range(1, 42))
    rest = await read(client, after=told[-3]["id"])
    assert rest["data"] == told[-2:]
    assert rest["has_more"] is False


async def test_a_reader_waits_for_the_next_event(client: Client) -> None:
    await parties(client)
    await settled(client)
    began = time.monotonic()
    waiting = asyncio.create_task(read(client, after="latest", wait=8))
    await asyncio.sleep(0.3)
    payment = (await client.transfer("alice", "bob", "1.00")).json()
    page = await waiting
    assert [event["resource"]["id"] for event in page["data"]] == [payment["id"]]
    assert time.monotonic() - began < WAIT_SECONDS_MAX
    nothing = await read(client, after=page["next_after"], wait=1)
    assert nothing == {"data": [], "has_more": False, "next_after": page["next_after"]}


async def test_nothing_is_told_behind_a_transaction_that_still_runs(
    client: Client, test_database: TestDatabase
) -> None:
    """Whoever passed it would never read what that one writes."""
    await parties(client)
    before = await read_all(client)
    other = await asyncpg.connect(test_database.superuser_dsn)
    try:
        running = other.transaction()
        await running.start()
        await other.fetchval("select pg_current_xact_id()")
        await client.transfer("alice", "bob", "1.00")
        assert await read_all(client, waits=False) == before
        await running.rollback()
    finally:
        await other.close()
    assert len(await read_all(client)) == len(before) + 1


async def test_filters(client: Client) -> None:
    alice, bob = await parties(client)
    carol = await client.open_account("carol")
    await client.deposit("carol", "9.00")
    payment = (await client.transfer("alice", "bob", "1.00")).json()
    of_bob = await read_all(client, account="bob")
    assert [event["type"] for event in of_bob] == ["account.opened", "payment.succeeded"]
    assert [event["resource"]["id"] for event in of_bob] == [bob, payment["id"]]
    assert await read_all(client, account=bob) == of_bob
    assert [e["resource"]["id"] for e in await read_all(client, resource=payment["id"])] == [payment["id"]]
    opened = await read_all(client, type="account.*")
    assert [event["data"]["code"] for event in opened if not event["data"]["code"].startswith("clearing:")] == [
        "alice",
        "bob",
        "carol",
    ]
    assert {event["type"] for event in await read_all(client, type="account.opened,payment.*")} == {
        "account.opened",
        "payment.succeeded",
    }
    assert carol["id"] not in {event["resource"]["id"] for event in await read_all(client, account=alice)}


async def test_what_speaks_of_an_account_is_found_by_it(client: Client) -> None:
    await parties(client)
    carol = await client.open_account("carol")
    later = {"type": "transfer", "amount": "1", "currency": "USD", "from": "alice", "to": "carol"}
    later["execute_at"] = (now() + timedelta(days=1)).isoformat()
    assert (await client.post("/v1/scheduled-payments", later, key=fresh_key())).status_code == 201
    span = {"from": "2026-01-01", "to": "2026-02-01"}
    assert (await client.post("/v1/accounts/carol/statements", span, key=fresh_key())).status_code == 201
    found = await read_all(client, account=carol["id"])
    assert [event["type"] for event in found] == ["account.opened", "scheduled_payment.created", "statement.issued"]


async def test_a_narrow_reader_gets_on_where_nothing_fits(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.db.queries.events.SCANNED_MAX", 5)
    await parties(client)
    for _ in range(12):
        await client.transfer("alice", "bob", "0.01")
    carol = await client.open_account("carol")
    await settled(client)
    page = await read(client, account="carol")
    assert page["data"] == []
    assert page["has_more"] is True
    found = await read_all(client, account="carol")
    assert [event["resource"]["id"] for event in found] == [carol["id"]]


@pytest.mark.parametrize(
    ("parameters", "code", "pointer"),
    [
        ({"after": "evt_x"}, "invalid_id", None),
        ({"after": f"evt_{new_uuid()}"}, "invalid_parameter", "after"),
        ({"after": "evt_ffffffff-ffff-ffff-ffff-ffffffffffff"}, "invalid_parameter", "after"),
        ({"type": "payment.paid"}, "invalid_parameter", "type"),
        ({"type": ""}, "invalid_parameter", "type"),
        ({"resource": "x"}, "invalid_parameter", "resource"),
        ({"resource": "pay_x"}, "invalid_id", None),
        ({"wait": "9"}, "invalid_parameter", "wait"),
        ({"wait": "1.0"}, "invalid_parameter", "wait"),
        ({"limit": "0"}, "invalid_parameter", "limit"),
        ({"order": "asc"}, "unknown_parameter", "order"),
    ],
)
async def test_bad_parameters(client: Client, parameters: dict[str, str], code: str, pointer: str | None) -> None:
    answer = await client.get("/v1/events", params=parameters)
    assert answer.status_code in {400, 422}, answer.text
    problem = answer.json()
    assert problem["code"] == code
    if pointer is not None:
        assert pointer in answer.text


async def test_another_ledgers_events_are_not_there(client: Client, stranger: Client) -> None:
    await parties(client)
    event = (await read_all(client))[0]
    assert await read_all(stranger) == []
    answer = await stranger.get("/v1/events", params={"after": event["id"]})
    assert answer.json()["code"] == "invalid_parameter"


async def test_a_reader_goes_on_from_whatever_it_has_read_last(client: Client) -> None:
    await parties(client)
    made = {
        "name": "fee",
        "parameters": {"amount": {"type": "amount", "currency": "USD"}},
        "postings": [
            {"side": "debit", "account": "alice", "amount": "amount"},
            {"side": "credit", "account": "bob", "amount": "remainder"},
        ],
    }
    assert (await client.post("/v1/templates", made, key=fresh_key())).status_code == 201
    span = {"from": "2026-01-01", "to": "2026-02-01"}
    assert (await client.post("/v1/accounts/alice/statements", span, key=fresh_key())).status_code == 201
    told = await read_all(client)
    assert [event["resource"]["type"] for event in told[-2:]] == ["template", "statement"]
    for place, event in enumerate(told):
        assert (await read(client, after=event["id"], limit=200))["data"] == told[place + 1 :], event
