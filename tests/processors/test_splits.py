"""Payments through a processor that go to several, or are dated: what was ordered is posted once it has been done."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import completer_of
from tests.processors.test_moves import Dying, ground
from tests.processors.test_payments import must_be_right, read, settled, standing
from zerosum.adapters.clock import now
from zerosum.cli.sandbox.server import Sandbox
from zerosum.db.batch.account_use import ACCOUNT_USES
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.services.background.completer import Completer

FEES = [{"to": "fees", "percent": "10"}, {"to": "tips", "amount": "2.00"}]
OCTOBER, NOVEMBER = "2026-10-15T12:00:00.000000Z", "2026-11-01T00:00:00.000000Z"


async def with_receivers(client: Client) -> Client:
    for code in ("fees", "tips"):
        await client.open_account(code, type="revenue")
    return client


@pytest.fixture
async def alice(alice: Client) -> Client:
    return await with_receivers(alice)


async def bought(client: Client, amount: str = "20.00", **members: Any) -> dict[str, Any]:
    """A deposit of which the platform gets its part."""
    body = {"type": "deposit", "amount": amount, "currency": "USD", "to": "alice", "processor": "sandbox"}
    answer = await client.pay({**body, "splits": FEES, **members})
    assert answer.status_code == 201, answer.text
    payment: dict[str, Any] = answer.json()
    return payment


async def have(client: Client) -> list[str]:
    return [(await client.balance(code))["posted"] for code in ("alice", "fees", "tips")]


def parts(payment: dict[str, Any], member: str = "approved") -> dict[str, str]:
    return {split["to_code"]: split[member] for split in payment["splits"]}


@pytest.mark.parametrize(
    ("said", "status", "got", "stand"),
    [
        ("", "succeeded", {"fees": "2.00", "tips": "2.00", "alice": "16.00"}, ["1016.00", "2.00", "2.00"]),
        (
            "sandbox:partial",
            "succeeded",
            {"fees": "1.00", "tips": "2.00", "alice": "7.00"},
            ["1007.00", "1.00", "2.00"],
        ),
        ("sandbox:declined", "failed", {"fees": None, "tips": None, "alice": None}, ["1000.00", "0.00", "0.00"]),
    ],
)
async def test_who_gets_which_part_is_fixed_and_posted_once_it_is_approved(
    said: str, status: str, got: Any, stand: list[str], alice: Client, outside: Service, ledger_id: LedgerId
) -> None:
    key = fresh_key()
    members = {"reference": said} if said else {}
    body = {"type": "deposit", "amount": "20.00", "currency": "USD", "to": "alice", "processor": "sandbox"}
    first = await alice.pay({**body, "splits": FEES, **members}, key)
    payment = first.json()
    whole = {"fees": "2.00", "tips": "2.00", "alice": "16.00"}
    assert (payment["status"], parts(payment, "amount")) == ("processing", whole)
    assert set(parts(payment).values()) == {None}
    assert await have(alice) == ["1000.00", "0.00", "0.00"]
    await must_be_right(outside.database, ledger_id)
    after = await settled(alice, outside, payment)
    assert (after["status"], parts(after), parts(after, "amount")) == (status, got, whole)
    assert await have(alice) == stand
    again = await alice.pay({**body, "splits": FEES, **members}, key)
    assert (again.status_code, again.json()) == (201, payment)
    listed = (await alice.get("/v1/payments?account=fees")).json()["data"]
    assert [one["id"] for one in listed] == [payment["id"]]
    await must_be_right(outside.database, ledger_id)


async def test_a_refund_is_divided_as_the_payment_was(alice: Client, outside: Service, ledger_id: LedgerId) -> None:
    payment = await settled(alice, outside, await bought(alice, reference="sandbox:partial"))
    path = f"/v1/payments/{payment['id']}/refund"
    for amount, said in (("5.00", ""), ("2.00", "sandbox:declined"), ("1.00", "sandbox:partial"), (None, "")):
        body = {"reason": said or "returned"} | ({} if amount is None else {"amount": amount})
        answer = await alice.post(path, body, key=fresh_key())
        assert (answer.status_code, answer.json()["status"]) == (201, "processing"), answer.text
        await must_be_right(outside.database, ledger_id)
        await completer_of(outside).run_once()
        await must_be_right(outside.database, ledger_id)
    after = await read(alice, payment)
    assert (after["status"], after["refunded"]) == ("refunded", "10.00")
    assert parts(after, "refunded") == {"fees": "1.00", "tips": "2.00", "alice": "7.00"}
    assert await have(alice) == ["1000.00", "0.00", "0.00"]


async def test_who_is_to_get_a_part_is_not_closed_and_a_person_settles_it_too(
    alice: Client, outside: Service, ledger_id: LedgerId
) -> None:
    payment = await bought(alice)
    blocked = await alice.post("/v1/accounts/fees/close")
    assert (blocked.status_code, blocked.json()["open_processor_calls"]) == (409, "1"), blocked.text
    said = {"outcome": "approved", "reason": "Seen in the portal.", "amount": "10.00"}
    answer = await alice.post(f"/v1/processor-calls/{payment['id']}/settle", said, key=fresh_key())
    assert answer.status_code == 200, answer.text
    assert parts(await read(alice, payment)) == {"fees": "1.00", "tips": "2.00", "alice": "7.00"}
    await must_be_right(outside.database, ledger_id)


_OTHERS_WAIT = """
with other as (
    select gen_random_uuid() as id, gen_random_uuid() as account_id from generate_series(1, 300)
), called as (
    insert into processor_calls select (jsonb_populate_record(one, jsonb_build_object(
        'id', other.id, 'payer_id', other.account_id, 'payee_id', other.id))).*
    from processor_calls one, other where one.id = $1
)
insert into payment_splits select (jsonb_populate_record(part, jsonb_build_object(
    'id', gen_random_uuid(), 'payment_id', other.id, 'account_id', other.account_id))).*
from payment_splits part, other where part.payment_id = $1
"""


async def test_whoever_is_closed_reads_nothing_of_what_waits_for_others(
    alice: Client, ledger_id: LedgerId, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    payment = parse_id(Prefix.PAYMENT, (await bought(alice))["id"])
    fees = parse_id(Prefix.ACCOUNT, (await alice.get("/v1/accounts/fees")).json()["id"])
    undone = superuser.transaction()
    await undone.start()
    await superuser.execute("set local session_replication_role = replica")
    await superuser.execute(_OTHERS_WAIT, payment)
    await superuser.execute("analyze processor_calls, payment_splits")
    await superuser.execute("set local role zerosum_app")
    await superuser.execute("select set_config('zerosum.ledgers', $1, true)", f"{{{ledger_id}}}")
    statement = f"explain (analyze, format json) {ACCOUNT_USES.find_statement(locked=False)}"
    plan = json.loads(await superuser.fetchval(statement, [ledger_id], [fees]))
    await undone.rollback()
    nodes, read = [plan[0]["Plan"]], 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") in ("processor_calls", "payment_splits"):
            read += int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
    assert 1 <= read < 10, json.dumps(plan, indent=1)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"type": "withdrawal", "to": None, "from": "alice"}, "/splits"),
        ({"splits": [{"to": f"fees:{place}", "amount": "0.01"} for place in range(49)]}, "/splits"),
        ({"splits": [{"to": "fees", "amount": "20.01"}]}, "/splits/0/amount"),
        ({"splits": [{"to": "nobody:here", "amount": "1.00"}]}, "/splits/0/to"),
        ({"effective_at": OCTOBER, "override_closed_period": {"reason": "late"}}, "/override_closed_period"),
    ],
)
async def test_what_cannot_be_divided_is_refused_where_it_is_wrong(
    members: dict[str, Any], pointer: str, alice: Client
) -> None:
    body = {"type": "deposit", "amount": "20.00", "currency": "USD", "to": "alice", "processor": "sandbox"}
    said = {name: value for name, value in {**body, "splits": FEES, **members}.items() if value is not None}
    answer = await alice.pay(said)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


async def test_who_takes_what_is_left_need_not_be_named_twice(alice: Client, outside: Service) -> None:
    splits = [{"to": "alice", "remainder": True}, *FEES]
    payment = await bought(alice, to="alice", splits=splits)
    body = {"type": "deposit", "amount": "20.00", "currency": "USD", "processor": "sandbox", "splits": splits}
    assert (await alice.pay(body)).json()["to_code"] == payment["to_code"] == "alice"


async def test_its_parts_go_along_when_it_is_moved(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, tmp_path: Path
) -> None:
    async with ground(test_database, servers, ledger_id, tmp_path, declined=1.0) as here:
        payment = await bought(await with_receivers(here.client), processor="auto", effective_at=OCTOBER)
        await here.turn("acme")
        await here.must_be_right()
        await here.turn("beta")
        after = await here.payment(payment)
        assert (after["processor"], after["status"]) == ("beta", "succeeded")
        assert await have(here.client) == ["1016.00", "2.00", "2.00"]
        assert await standing(here.client, "clearing:beta:USD") == ("20.00", "0.00", "20.00")
        await here.must_be_right()


async def entries_of(client: Client, payment: dict[str, Any]) -> list[dict[str, Any]]:
    after = await read(client, payment)
    return [(await client.get(f"/v1/journal-entries/{id_}")).json() for id_ in after["journal_entry_ids"]]


async def test_what_it_is_dated_to_is_carried_to_what_settles_it(
    alice: Client, outside: Service, ledger_id: LedgerId
) -> None:
    payment = await bought(alice, effective_at=OCTOBER)
    assert payment["effective_at"] == OCTOBER
    await settled(alice, outside, payment)
    assert [entry["effective_at"] for entry in await entries_of(alice, payment)] == [OCTOBER, OCTOBER]
    listed = await alice.get("/v1/payments?effective_from=2026-10-01T00:00:00Z&effective_to=2026-10-31T00:00:00Z")
    assert [one["id"] for one in listed.json()["data"]] == [payment["id"]]
    await must_be_right(outside.database, ledger_id)


@pytest.mark.parametrize("policy", ["refuse", "roll_forward"])
@pytest.mark.parametrize("said", ["sandbox:approved", "sandbox:declined"])
async def test_a_period_that_closes_in_between_neither_loses_nor_holds_up_anything(
    policy: str, said: str, alice: Client, outside: Service, ledger_id: LedgerId
) -> None:
    payment = await bought(alice, effective_at=OCTOBER, reference=said)
    changed = await alice.http.patch(f"/v1/ledgers/{alice.ledger}", json={"late_entries": policy})
    assert changed.status_code == 200, changed.text
    assert (await alice.post("/v1/periods/2026-10/close", {}, key=fresh_key())).status_code == 200
    after = await settled(alice, outside, payment)
    assert after["status"] == ("succeeded" if said == "sandbox:approved" else "failed")
    first, last = await entries_of(alice, payment)
    assert (first["effective_at"], last["effective_at"]) == (OCTOBER, NOVEMBER)
    assert (last["late"]["way"], last["late"]["effective_at_requested"]) == ("rolled_forward", OCTOBER)
    paid = ["1016.00", "2.00", "2.00"] if after["status"] == "succeeded" else ["1000.00", "0.00", "0.00"]
    assert await have(alice) == paid
    await must_be_right(outside.database, ledger_id)
    body = {"type": "deposit", "amount": "5.00", "currency": "USD", "to": "alice", "processor": "sandbox"}
    late = await alice.pay({**body, "effective_at": OCTOBER})
    if policy == "refuse":
        refused(late, 409, "period_closed", "/effective_at")
    else:
        assert late.json()["effective_at"] == NOVEMBER
        await settled(alice, outside, late.json())
        assert {one["effective_at"] for one in await entries_of(alice, late.json())} == {NOVEMBER}
        await must_be_right(outside.database, ledger_id)


async def test_whoever_dies_in_between_each_is_divided_once(
    alice: Client, outside: Service, sandbox: Sandbox, database: Database, ledger_id: LedgerId
) -> None:
    made = [await bought(alice, "10.01", effective_at=OCTOBER) for _ in range(6)]
    dying = Dying(outside.committer, random.Random(7))
    configured = outside.settings.processors()["sandbox"]
    for _ in range(40):
        worker = Completer(outside.database, dying, configured, now)  # type: ignore[arg-type]
        await worker.run_once()
        async with database.operator_work() as connection:
            # Claims of the dead lapse; nobody waits for that here.
            await connection.exec_driver_sql("update processor_calls set next_at = now() where state = 'sent'")
        if {(await read(alice, one))["status"] for one in made} == {"succeeded"}:
            break
    assert min(dying.died) > 0, "somebody has died on either side of a commit"
    assert {(await read(alice, one))["status"] for one in made} == {"succeeded"}
    assert await have(alice) == ["1042.06", "6.00", "12.00"]
    assert sandbox.books.figures()["approved"] == 6
    await must_be_right(database, ledger_id)
