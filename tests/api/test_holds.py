"""Holds over HTTP, both ways: placed, captured, grown, extended, voided, expired; and each key's first answer again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background.hold_expiry import HoldExpiry
from zerosum.services.proofs.whole_ledger import verify_ledger


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture
async def guest(client: Client) -> str:
    """Has 100.00; the hotel has nothing."""
    await client.open_account("guest")
    await client.open_account("hotel")
    await client.deposit("guest", "100")
    return "guest"


async def placed(client: Client, amount: str = "80", **members: Any) -> dict[str, Any]:
    body = {"from": "guest", "to": "hotel", "amount": amount, "currency": "USD", **members}
    answer = await client.post("/v1/holds", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    hold: dict[str, Any] = answer.json()
    return hold


async def done(client: Client, hold: dict[str, Any], verb: str, body: Any = None) -> dict[str, Any]:
    answer = await client.post(f"/v1/holds/{hold['id']}/{verb}", body, key=fresh_key())
    assert answer.status_code == 200, answer.text
    after: dict[str, Any] = answer.json()
    return after


async def standing(client: Client, account: str) -> tuple[str, str, str]:
    balance = await client.balance(account)
    return balance["posted"], balance["held"], balance["available"]


def in_days(days: float) -> str:
    return (now() + timedelta(days=days)).isoformat()


async def test_a_hold_takes_money_out_of_reach_and_pays_nobody(client: Client, guest: str) -> None:
    said: dict[str, Any] = {"reference": "booking 1", "description": "Two nights", "metadata": {"room": "12"}}
    hold = await placed(client, **said)
    assert await standing(client, guest) == ("100.00", "80.00", "20.00")
    assert await standing(client, "hotel") == ("0.00", "0.00", "0.00")
    accounts = [(await client.get(f"/v1/accounts/{code}")).json()["id"] for code in ("guest", "hotel")]
    assert hold == said | {
        "id": hold["id"],
        "status": "open",
        "amount": "80.00",
        "captured": "0.00",
        "remaining": "80.00",
        "capture_max": None,
        "house_rules": None,
        "currency": "USD",
        "from": accounts[0],
        "from_code": "guest",
        "to": accounts[1],
        "to_code": "hotel",
        "expires_at": hold["expires_at"],
        "created_at": hold["created_at"],
        "journal_entry_ids": [hold["id"].replace("hold_", "je_")],
        "payment_ids": [],
        "account_versions": {accounts[0]: 2, accounts[1]: 1},
    }
    lasts = datetime.fromisoformat(hold["expires_at"]) - datetime.fromisoformat(hold["created_at"])
    assert lasts == timedelta(days=7)
    read = (await client.get(f"/v1/holds/{hold['id']}")).json()
    assert read == {name: value for name, value in hold.items() if name != "account_versions"}
    entry = (await client.get(f"/v1/journal-entries/{hold['journal_entry_ids'][0]}")).json()
    assert (entry["reason"], [line["layer"] for line in entry["postings"]]) == ("hold", ["pending", "pending"])
    refused(await client.transfer(guest, "hotel", "20.01"), 422, "insufficient_funds", "/from")


async def test_a_capture_of_all_ends_it(client: Client, guest: str) -> None:
    hold = await done(client, await placed(client), "capture")
    assert (hold["status"], hold["captured"], hold["remaining"]) == ("captured", "80.00", "0.00")
    assert len(hold["journal_entry_ids"]) == 2
    assert hold["payment_ids"] == [hold["journal_entry_ids"][1].replace("je_", "pay_")]
    assert await standing(client, guest) == ("20.00", "0.00", "20.00")
    assert await standing(client, "hotel") == ("80.00", "0.00", "80.00")
    answer = await client.post(f"/v1/holds/{hold['id']}/void", key=fresh_key())
    refused(answer, 409, "invalid_state", facts={"hold_status": "captured"})


async def test_captures_in_parts_and_a_final_one(client: Client, guest: str) -> None:
    hold = await placed(client)
    first = await done(client, hold, "capture", {"amount": "30"})
    assert (first["status"], first["captured"], first["remaining"]) == ("open", "30.00", "50.00")
    assert await standing(client, guest) == ("70.00", "50.00", "20.00")
    last = await done(client, hold, "capture", {"amount": "10", "final": True})
    assert (last["status"], last["captured"], last["remaining"]) == ("captured", "40.00", "0.00")
    assert await standing(client, guest) == ("60.00", "0.00", "60.00")
    assert len(last["journal_entry_ids"]) == 3


async def test_what_was_captured_is_a_payment_and_can_be_given_back(
    client: Client, guest: str, database: Database, ledger_id: LedgerId
) -> None:
    hold = await placed(client, reference="booking 1")
    await done(client, hold, "capture", {"amount": "30"})
    after = await done(client, hold, "capture", {"amount": "10", "final": True})
    payments = await all_pages(client, "/v1/payments", account="hotel", limit=1)
    assert [payment["id"] for payment in payments] == after["payment_ids"][::-1]
    first = payments[1]
    assert (first["type"], first["amount"], first["status"], first["reference"]) == (
        "transfer",
        "30.00",
        "succeeded",
        "booking 1",
    )
    assert (first["from_code"], first["to_code"]) == ("guest", "hotel")
    answer = await client.post(f"/v1/payments/{first['id']}/refund", {"amount": "12"}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    answer = await client.post(f"/v1/payments/{first['id']}/refund", {"amount": "18.01"}, key=fresh_key())
    refused(answer, 422, "amount_exceeds_payment", "/amount")
    assert await standing(client, guest) == ("72.00", "0.00", "72.00")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_capture_of_exactly_the_rest_ends_it(client: Client, guest: str) -> None:
    hold = await placed(client)
    await done(client, hold, "capture", {"amount": "30"})
    last = await done(client, hold, "capture", {"amount": "50"})
    assert (last["status"], last["captured"]) == ("captured", "80.00")
    assert await standing(client, guest) == ("20.00", "0.00", "20.00")


async def test_no_more_is_captured_than_is_held(client: Client, guest: str) -> None:
    hold = await placed(client)
    path = f"/v1/holds/{hold['id']}/capture"
    answer = await client.post(path, {"amount": "80.01"}, key=fresh_key())
    facts = {"remaining": "80.00", "capturable": "80.00", "currency": "USD"}
    refused(answer, 422, "amount_exceeds_hold", "/amount", facts=facts)
    assert await standing(client, guest) == ("100.00", "80.00", "20.00")


async def test_a_tip_goes_beyond_the_hold_where_that_was_agreed(client: Client, guest: str) -> None:
    hold = await placed(client, capture_max="96")
    path = f"/v1/holds/{hold['id']}/capture"
    refused(await client.post(path, {"amount": "96.01"}, key=fresh_key()), 422, "amount_exceeds_hold", "/amount")
    tipped = await done(client, hold, "capture", {"amount": "96"})
    assert (tipped["status"], tipped["captured"], tipped["remaining"]) == ("captured", "96.00", "0.00")
    assert await standing(client, guest) == ("4.00", "0.00", "4.00")
    too_dear = await placed(client, "3", capture_max="9")
    answer = await client.post(f"/v1/holds/{too_dear['id']}/capture", {"amount": "9"}, key=fresh_key())
    refused(answer, 422, "insufficient_funds", "/amount")
    assert await standing(client, guest) == ("4.00", "3.00", "1.00")


async def test_it_grows_and_lasts_longer(client: Client, guest: str) -> None:
    hold = await placed(client, expires_at=in_days(1))
    grown = await done(client, hold, "increment", {"amount": "15"})
    assert (grown["amount"], grown["remaining"], len(grown["journal_entry_ids"])) == ("95.00", "95.00", 2)
    assert await standing(client, guest) == ("100.00", "95.00", "5.00")
    answer = await client.post(f"/v1/holds/{hold['id']}/increment", {"amount": "5.01"}, key=fresh_key())
    refused(answer, 422, "insufficient_funds", "/amount")
    later = in_days(20)
    extended = await done(client, hold, "extend", {"expires_at": later})
    assert datetime.fromisoformat(extended["expires_at"]) == datetime.fromisoformat(later)
    assert extended["journal_entry_ids"] == grown["journal_entry_ids"]
    assert "account_versions" not in extended
    answer = await client.post(f"/v1/holds/{hold['id']}/extend", {"expires_at": in_days(2)}, key=fresh_key())
    refused(answer, 409, "invalid_state", "/expires_at", facts={"hold_status": "open"})
    answer = await client.post(f"/v1/holds/{hold['id']}/extend", {"expires_at": in_days(401)}, key=fresh_key())
    refused(answer, 422, "validation_error", "/expires_at")


async def test_a_void_sets_free_what_was_not_captured(client: Client, guest: str) -> None:
    hold = await placed(client)
    await done(client, hold, "capture", {"amount": "30"})
    void = await done(client, hold, "void")
    assert (void["status"], void["captured"], void["remaining"]) == ("voided", "30.00", "0.00")
    assert await standing(client, guest) == ("70.00", "0.00", "70.00")
    for verb, body in (("capture", None), ("increment", {"amount": "1"}), ("extend", {"expires_at": in_days(9)})):
        answer = await client.post(f"/v1/holds/{hold['id']}/{verb}", body, key=fresh_key())
        refused(answer, 409, "invalid_state", facts={"hold_status": "voided"})


async def test_each_key_gives_its_first_answer_whatever_came_later(client: Client, guest: str) -> None:
    """Also where the hold has moved on, and for what posts nothing."""
    key, body = fresh_key(), {"from": "guest", "to": "hotel", "amount": "50", "currency": "USD"}
    first = await client.post("/v1/holds", body, key=key)
    path = f"/v1/holds/{first.json()['id']}"
    calls: list[tuple[str, Any]] = [
        ("capture", {"amount": "10"}),
        ("increment", {"amount": "5"}),
        ("extend", {"expires_at": in_days(30)}),
        ("capture", {"amount": "12"}),
        ("void", None),
    ]
    answers = [("/v1/holds", body, key, first)]
    for verb, said in calls:
        own = fresh_key()
        answer = await client.post(f"{path}/{verb}", said, key=own)
        assert answer.status_code == 200, answer.text
        answers.append((f"{path}/{verb}", said, own, answer))
    for route, said, own, answer in answers:
        again = await client.post(route, said, key=own)
        assert (again.status_code, again.content) == (answer.status_code, answer.content)
        assert again.headers["idempotency-replayed"] == "true"
        told = (await client.get(f"/v1/idempotency-keys/{own}")).json()
        assert told["resource"] == {"type": "hold", "id": first.json()["id"]}
    refused(await client.post(f"{path}/void", key=answers[1][2]), 422, "idempotency_key_reused")
    assert len((await client.get(path)).json()["journal_entry_ids"]) == 5


async def test_a_hold_that_is_not_there(client: Client, guest: str, stranger: Client) -> None:
    hold = await placed(client)
    refused(await stranger.get(f"/v1/holds/{hold['id']}"), 404, "hold_not_found")
    refused(await stranger.post(f"/v1/holds/{hold['id']}/capture", key=fresh_key()), 404, "hold_not_found")
    refused(await client.get("/v1/holds/hold_1"), 422, "invalid_id")
    refused(await client.post("/v1/holds/pay_1/void", key=fresh_key()), 422, "invalid_id")


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"to": "guest"}, "same_account", "/to"),
        ({"to": "nobody"}, "account_not_found", "/to"),
        ({"amount": "0"}, "invalid_amount", "/amount"),
        ({"amount": "1.001"}, "amount_too_precise", "/amount"),
        ({"amount": "100.01"}, "insufficient_funds", "/from"),
        ({"capture_max": "79.99"}, "validation_error", "/capture_max"),
        ({"capture_max": 80}, "invalid_amount", "/capture_max"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "validation_error", "/expires_at"),
        ({"expires_at": "9999-01-01T00:00:00Z"}, "validation_error", "/expires_at"),
        ({"currency": "EUR"}, "currency_mismatch", "/from"),
        ({"note": "x"}, "unknown_field", "/note"),
    ],
)
async def test_what_is_refused(client: Client, guest: str, members: dict[str, Any], code: str, pointer: str) -> None:
    body = {"from": "guest", "to": "hotel", "amount": "80", "currency": "USD", **members}
    key = fresh_key()
    first = await client.post("/v1/holds", body, key=key)
    # Of a currency that neither account has both are told.
    refused(first, 422, code, pointer, *(["/to"] if members.get("currency") == "EUR" else []))
    assert await standing(client, guest) == ("100.00", "0.00", "100.00")


@pytest.mark.parametrize("named_by", ["id", "code"])
@pytest.mark.parametrize("amount", ["1", "101"])
async def test_who_is_in_the_way_of_a_hold_is_named_as_the_request_names_him(
    client: Client, guest: str, named_by: str, amount: str
) -> None:
    full = await client.open_account("full", max_available="0.50")
    payer = (await client.get(f"/v1/accounts/{guest}")).json()
    body = {"from": payer[named_by], "to": full[named_by], "amount": amount, "currency": "USD"}
    for parameters in ({}, {"dry_run": "true"}):
        answer = await client.post("/v1/holds", body, key=fresh_key(), params=parameters)
        problem = refused(answer, 422, "limit_exceeded" if amount == "1" else "insufficient_funds")
        first = full if amount == "1" else payer
        named = [problem[name] for name in ("account", "account_id", "account_code")]
        assert named == [first[named_by], first["id"], first["code"]]
        last = problem["errors"][-1]
        assert (last["pointer"], last["code"]) == ("/to", "limit_exceeded")
        assert last.get("account", full[named_by]) == full[named_by]


async def test_a_dry_run_writes_nothing(client: Client, guest: str) -> None:
    body = {"from": "guest", "to": "hotel", "amount": "80", "currency": "USD"}
    key = fresh_key()
    tried = await client.post("/v1/holds", body, key=key, params={"dry_run": "true"})
    assert tried.status_code == 200
    assert [one["held"] for one in tried.json()["balances"]] == ["80.00", "0.00"]
    assert (await client.post("/v1/holds", body, key=key)).status_code == 201
    hold = (await client.get("/v1/holds")).json()["data"][0]
    path = f"/v1/holds/{hold['id']}/capture"
    tried = await client.post(path, {"amount": "30"}, key=fresh_key(), params={"dry_run": "true"})
    assert (tried.json()["captured"], tried.json()["dry_run"]) == ("30.00", True)
    assert (await client.get(f"/v1/holds/{hold['id']}")).json()["captured"] == "0.00"


async def test_a_group_is_resolved_together_or_not_at_all(client: Client, guest: str) -> None:
    holds = [await placed(client, amount) for amount in ("10", "20", "30")]
    items = [
        {"hold": holds[0]["id"], "action": "capture", "idempotency_key": fresh_key()},
        {"hold": holds[1]["id"], "action": "void", "idempotency_key": fresh_key()},
        {"hold": holds[2]["id"], "action": "capture", "amount": "30.01", "idempotency_key": fresh_key()},
    ]
    answer = await client.post("/v1/holds/resolve", {"items": items})
    problem = refused(answer, 422, "amount_exceeds_hold", "/items/2/amount")
    assert problem["index"] == 2
    assert await standing(client, guest) == ("100.00", "60.00", "40.00")
    items[2] |= {"amount": "5", "final": True}
    answer = await client.post("/v1/holds/resolve", {"items": items})
    results = answer.json()["results"]
    assert [(one["status"], one["data"]["status"]) for one in results] == [
        (200, "captured"),
        (200, "voided"),
        (200, "captured"),
    ]
    assert await standing(client, guest) == ("85.00", "0.00", "85.00")
    again = (await client.post("/v1/holds/resolve", {"items": items})).json()["results"]
    assert [one.pop("replayed") for one in again] == [True, True, True]
    assert again == results


async def test_one_hold_twice_in_a_group(client: Client, guest: str) -> None:
    hold = await placed(client)
    items = [
        {"hold": hold["id"], "action": "capture", "amount": "30", "idempotency_key": fresh_key()},
        {"hold": hold["id"], "action": "void", "idempotency_key": fresh_key()},
    ]
    results = (await client.post("/v1/holds/resolve", {"items": items})).json()["results"]
    assert [one["data"]["status"] for one in results] == ["open", "voided"]
    assert await standing(client, guest) == ("70.00", "0.00", "70.00")


async def test_holds_are_listed(client: Client, guest: str) -> None:
    holds = [await placed(client, "10", reference=f"r{number % 2}", metadata={"n": str(number)}) for number in range(5)]
    await done(client, holds[0], "void")
    newest_first = [hold["id"] for hold in reversed(holds)]

    async def listed(**parameters: str) -> list[str]:
        return [one["id"] for one in await all_pages(client, "/v1/holds", limit=2, **parameters)]

    assert await listed() == newest_first
    assert await listed(order="asc") == newest_first[::-1]
    assert await listed(account="hotel") == newest_first
    assert await listed(account="guest", status="open") == newest_first[:4]
    assert await listed(status="voided") == [holds[0]["id"]]
    assert await listed(reference="r1") == [holds[3]["id"], holds[1]["id"]]
    assert await listed(currency="EUR") == []
    assert [one["id"] for one in await all_pages(client, "/v1/holds", **{"metadata[n]": "3"})] == [holds[3]["id"]]


@pytest.fixture
def expiry(service: Service) -> Callable[[datetime], HoldExpiry]:
    def at(moment: datetime) -> HoldExpiry:
        return HoldExpiry(service.database, service.committer, lambda: moment)

    return at


async def test_what_has_expired_is_refused_at_once_and_released_soon(
    client: Client, guest: str, expiry: Callable[[datetime], HoldExpiry], database: Database, ledger_id: LedgerId
) -> None:
    hold = await placed(client, expires_at=(now() + timedelta(seconds=1.5)).isoformat())
    await done(client, hold, "capture", {"amount": "30"})
    lasting = await placed(client, "5")
    await asyncio.sleep(1.6)
    for verb in ("capture", "void"):
        answer = await client.post(f"/v1/holds/{hold['id']}/{verb}", key=fresh_key())
        refused(answer, 409, "invalid_state", facts={"hold_status": "expired"})
    assert await standing(client, guest) == ("70.00", "55.00", "15.00")
    await expiry(now()).run_once()
    read = (await client.get(f"/v1/holds/{hold['id']}")).json()
    assert (read["status"], read["captured"], read["remaining"]) == ("expired", "30.00", "0.00")
    assert await standing(client, guest) == ("70.00", "5.00", "65.00")
    entry = (await client.get(f"/v1/journal-entries/{read['journal_entry_ids'][-1]}")).json()
    assert (entry["reason"], entry["actor"]) == ("hold expiry", "zerosum worker")
    assert (await client.get(f"/v1/holds/{lasting['id']}")).json()["status"] == "open"
    assert await expiry(now()).run_once() == 0
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).is_right


async def test_a_frozen_payer_is_released_all_the_same(
    client: Client, guest: str, expiry: Callable[[datetime], HoldExpiry]
) -> None:
    hold = await placed(client, expires_at=(now() + timedelta(seconds=1.1)).isoformat())
    kept = await placed(client, "5")
    await client.post("/v1/accounts/guest/freeze")
    refused(await client.post(f"/v1/holds/{kept['id']}/capture", key=fresh_key()), 409, "account_frozen", "")
    await asyncio.sleep(1.2)
    await expiry(now()).run_once()
    assert (await client.get(f"/v1/holds/{hold['id']}")).json()["status"] == "expired"
    assert (await done(client, kept, "void"))["status"] == "voided"
    assert await standing(client, guest) == ("100.00", "0.00", "100.00")


async def test_answers_may_tell_the_balances_after_them(client: Client) -> None:
    """Of a hold, a capture and a refund alike."""
    for code in ("guest", "hotel"):
        await client.open_account(code)
    await client.deposit("guest", "100")

    async def balances(path: str, body: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
        made = (await client.post(path, body, key=fresh_key(), params={"include": "balances"})).json()
        return made, [(one["posted"], one["held"], one["available"]) for one in made["balances"]]

    money = {"amount": "40", "currency": "USD", "from": "guest", "to": "hotel"}
    hold, told = await balances("/v1/holds", money)
    assert told == [("100.00", "40.00", "60.00"), ("0.00", "0.00", "0.00")]
    captured, told = await balances(f"/v1/holds/{hold['id']}/capture", {"amount": "30"})
    assert told == [("70.00", "10.00", "60.00"), ("30.00", "0.00", "30.00")]
    _, told = await balances(f"/v1/payments/{captured['payment_ids'][0]}/refund", {"amount": "5"})
    assert told == [("25.00", "0.00", "25.00"), ("75.00", "10.00", "65.00")]


async def test_what_its_payee_could_not_take_now_is_not_held(client: Client) -> None:
    """Frozen, closed, of another currency, or full: and so again of an increment. A capture is judged once more."""
    await client.open_account("guest", min_available=None)
    await client.open_account("hotel", max_available="100")
    body = {"from": "guest", "to": "hotel", "amount": "100.01", "currency": "USD"}
    facts = {"currency": "USD", "available": "0.00", "incoming": "100.01", "max_available": "100.00"}
    problem = refused(await client.post("/v1/holds", body, key=fresh_key()), 422, "limit_exceeded", "/to")
    assert facts.items() <= problem["facts"].items() if "facts" in problem else facts.items() <= problem.items()
    hold = (await client.post("/v1/holds", {**body, "amount": "90"}, key=fresh_key())).json()
    path = f"/v1/holds/{hold['id']}"
    refused(
        await client.post(f"{path}/increment", {"amount": "10.01"}, key=fresh_key()), 422, "limit_exceeded", "/amount"
    )
    assert (await client.post(f"{path}/increment", {"amount": "10"}, key=fresh_key())).status_code == 200
    await client.transfer("guest", "hotel", "1")
    refused(await client.post(f"{path}/capture", key=fresh_key()), 422, "limit_exceeded", "")
    assert (await client.post(f"{path}/capture", {"amount": "99"}, key=fresh_key())).status_code == 200
    await client.post("/v1/accounts/hotel/freeze")
    refused(
        await client.post("/v1/holds", body, key=fresh_key()), 409, "account_frozen", "/to", ("/to", "limit_exceeded")
    )
