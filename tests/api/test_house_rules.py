"""House rules over HTTP: set under a key, told and announced; what was made under others stays as it was made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

TIPS = {"over_capture": {"percent": "20", "amounts": [{"amount": "1.5", "currency": "USD"}]}}


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture(autouse=True)
async def ground(client: Client) -> None:
    for code in ("guest", "hotel"):
        await client.open_account(code)
    await client.open_account("fees", type="revenue")
    await client.open_account("euros", currency="EUR")
    await client.deposit("guest", "1000")


async def put(client: Client, body: Any, key: str | None = None, status: int = 200) -> Any:
    headers = {"Idempotency-Key": key or fresh_key()}
    answer = await client.http.put("/v1/house-rules", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


async def hold(client: Client, amount: str = "10", **members: Any) -> dict[str, Any]:
    body = {"from": "guest", "to": "hotel", "amount": amount, "currency": "USD", **members}
    answer = await client.post("/v1/holds", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_they_are_set_under_a_key_told_and_announced(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    nothing = {"version": 0, "over_capture": {"percent": None, "amounts": []}, "dispute_fees": []}
    assert (await client.get("/v1/house-rules")).json() == nothing
    fee = {"amount": "15", "currency": "USD", "to": "fees"}
    key = fresh_key()
    first = await put(client, {**TIPS, "dispute_fees": [fee]}, key)
    earner = (await client.get("/v1/accounts/fees")).json()["id"]
    shown = {
        "version": 1,
        "over_capture": {"percent": "20", "amounts": [{"amount": "1.50", "currency": "USD"}]},
        "dispute_fees": [{"amount": "15.00", "currency": "USD", "to": earner, "force": False}],
    }
    assert first.json() == (await client.get("/v1/house-rules")).json() == shown
    same = {**TIPS, "dispute_fees": [{**fee, "to": earner, "amount": "15.0"}]}
    assert (await put(client, same)).json()["version"] == 1
    assert (await put(client, {})).json() == nothing | {"version": 2}
    again = await put(client, same, key)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    refused(await put(client, {}, key, 422), 422, "idempotency_key_reused")
    log = (await client.get("/v1/audit-log", params={"type": "house_rules.changed"})).json()["data"][:2]
    assert [one["facts"]["version"] for one in log] == [2, 1]
    assert log[1]["facts"]["over_capture"] == {"percent": "20", "amounts": {"USD": "1.50"}}
    async with database.work(ledger_id) as connection:
        found = await connection.execute(text("select data from events where type = 'house_rules.changed' order by id"))
        assert [row.data["version"] for row in found] == [1, 2]
    outcome = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert outcome["resource"] == {"type": "house_rules", "id": "1"}
    await must_be_right(database, ledger_id)


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"over_capture": {"percent": "0"}}, "validation_error", "/over_capture/percent"),
        ({"over_capture": {"percent": "100.1"}}, "validation_error", "/over_capture/percent"),
        (
            {"over_capture": {"amounts": [{"amount": "1", "currency": "XYZ"}]}},
            "invalid_currency",
            "/over_capture/amounts/0/currency",
        ),
        (
            {"over_capture": {"amounts": [{"amount": "0.001", "currency": "USD"}]}},
            "amount_too_precise",
            "/over_capture/amounts/0/amount",
        ),
        (
            {"over_capture": {"amounts": [{"amount": "1", "currency": "USD"}] * 2}},
            "validation_error",
            "/over_capture/amounts/1/currency",
        ),
        (
            {"dispute_fees": [{"amount": "1", "currency": "USD", "to": "nobody"}]},
            "account_not_found",
            "/dispute_fees/0/to",
        ),
        (
            {"dispute_fees": [{"amount": "1", "currency": "USD", "to": "euros"}]},
            "currency_mismatch",
            "/dispute_fees/0/to",
        ),
    ],
)
async def test_what_is_no_rule(client: Client, body: Any, code: str, pointer: str) -> None:
    refused(await put(client, body, status=422), 422, code, pointer)
    assert (await client.get("/v1/house-rules")).json()["version"] == 0


async def test_a_hold_that_says_nothing_is_made_under_them_and_stays_so(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    before = await hold(client)
    assert (before["capture_max"], before["house_rules"]) == (None, None)
    await put(client, TIPS)
    made, own = await hold(client, "10.03"), await hold(client, capture_max="10")
    assert (made["capture_max"], made["house_rules"]) == ("13.53", 1), "20 % are 2.006, rounded down, and 1.50"
    assert (own["capture_max"], own["house_rules"]) == ("10.00", None)
    await put(client, {"over_capture": {"percent": "50"}})
    assert (await hold(client))["capture_max"] == "15.00"
    await put(client, {})
    last = await hold(client)
    assert (last["capture_max"], last["house_rules"]) == (None, None)
    for one, most in ((before, "10"), (own, "10"), (last, "10")):
        path = f"/v1/holds/{one['id']}/capture"
        answer = await client.post(path, {"amount": f"{most}.01"}, key=fresh_key())
        refused(answer, 422, "amount_exceeds_hold", "/amount")
    path = f"/v1/holds/{made['id']}"
    grown = (await client.post(f"{path}/increment", {"amount": "1"}, key=fresh_key())).json()
    assert (grown["capture_max"], grown["house_rules"]) == ("14.53", 1)
    refused(await client.post(f"{path}/capture", {"amount": "14.54"}, key=fresh_key()), 422, "amount_exceeds_hold")
    answer = await client.post(f"{path}/capture", {"amount": "14.53"}, key=fresh_key())
    assert (answer.status_code, answer.json()["captured"]) == (200, "14.53"), answer.text
    assert (await client.get(path)).json()["house_rules"] == 1
    await must_be_right(database, ledger_id)


async def test_holds_and_other_rules_at_once(client: Client, database: Database, ledger_id: LedgerId) -> None:
    """Each hold is made under one version or the other, and tells under which."""
    puts = [put(client, {"over_capture": {"percent": str(number)}}) for number in range(1, 6)]
    made = await asyncio.gather(*puts, *(hold(client) for _ in range(20)))
    versions = {answer.json()["version"]: answer.json()["over_capture"]["percent"] for answer in made[:5]}
    assert sorted(versions) == [1, 2, 3, 4, 5]
    for one in made[5:]:
        given = None if one["house_rules"] is None else f"{10 + int(versions[one['house_rules']]) / 10:.2f}"
        assert one["capture_max"] == given
    await must_be_right(database, ledger_id)


@pytest.mark.parametrize("in_the_way", ["who was paid has nothing", "the house's account is frozen", "it is full"])
async def test_that_a_dispute_was_lost_no_fee_of_theirs_refuses(
    client: Client, database: Database, ledger_id: LedgerId, in_the_way: str
) -> None:
    """Whoever tells it has not asked for the fee: it is a fact from outside."""
    force = in_the_way != "who was paid has nothing"
    await put(client, {"dispute_fees": [{"amount": "15", "currency": "USD", "to": "fees", "force": force}]})
    if in_the_way == "the house's account is frozen":
        await client.post("/v1/accounts/fees/freeze", {"reason": "x"}, key=fresh_key())
    elif in_the_way == "it is full":
        await client.http.patch("/v1/accounts/fees", json={"max_available": "14.99"})
    path, key = await disputed(client), fresh_key()
    lost = await client.post(path, {}, key=key)
    assert (lost.status_code, lost.json()["status"], lost.json()["fee"]) == (200, "lost", None), lost.text
    again = await client.post(path, {}, key=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (lost.content, "true")
    assert (await client.get("/v1/accounts/fees")).json()["balance"]["posted"] == "0.00"
    await must_be_right(database, ledger_id)


async def disputed(client: Client) -> str:
    paid = (await client.transfer("guest", "hotel", "10")).json()
    answer = await client.post(f"/v1/payments/{paid['id']}/dispute", {"reason": "x"}, key=fresh_key())
    path: str = f"/v1/disputes/{answer.json()['id']}/chargeback"
    return path


async def test_losing_a_dispute_costs_what_they_say_unless_something_else_is_said(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    await client.deposit("hotel", "20")
    fee = {"amount": "15", "currency": "USD", "to": "fees"}
    await put(client, {"dispute_fees": [fee]})
    earner = (await client.get("/v1/accounts/fees")).json()["id"]
    told = {"amount": "15.00", "to": earner, "house_rules": 1}
    path, key = await disputed(client), fresh_key()
    lost = await client.post(path, {}, key=key)
    assert (lost.status_code, lost.json()["fee"]) == (200, told), lost.text
    path = await disputed(client)
    asked = {"fee": {"amount": "15", "to": "fees"}}
    refused(await client.post(path, asked, key=fresh_key()), 422, "insufficient_funds", "/fee/amount")
    own = await client.post(path, {"fee": {"amount": "5", "to": "fees"}}, key=fresh_key())
    assert own.json()["fee"] == {"amount": "5.00", "to": earner, "house_rules": None}
    waived, other = await disputed(client), fresh_key()
    answer = await client.post(waived, {"fee": None}, key=other)
    assert (answer.status_code, answer.json()["fee"]) == (200, None)
    refused(await client.post(waived, {}, key=other), 422, "idempotency_key_reused")
    await put(client, {"dispute_fees": [{**fee, "amount": "7", "force": True}]})
    forced = await client.post(await disputed(client), key=fresh_key())
    assert forced.json()["fee"] == {"amount": "7.00", "to": earner, "house_rules": 2}
    assert (await client.get("/v1/accounts/hotel")).json()["debt"] == "7.00"
    again = await client.post(f"/v1/disputes/{lost.json()['id']}/chargeback", {}, key=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (lost.content, "true")
    assert (await client.get(f"/v1/disputes/{lost.json()['id']}")).json()["fee"] == told
    await must_be_right(database, ledger_id)
