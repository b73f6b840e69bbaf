"""Disputes of payments over HTTP: opened, evidence, won, lost; facts from outside that nothing refuses."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import all_pages, refused
from zerosum.db.engine import Database
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services import disputes
from zerosum.services.proofs.whole_ledger import verify_ledger


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture
async def paid(client: Client) -> dict[str, Any]:
    """Bob was paid 40.00 by alice, who had 100.00."""
    await client.open_account("alice")
    await client.open_account("bob")
    await client.deposit("alice", "100")
    payment: dict[str, Any] = (await client.transfer("alice", "bob", "40")).json()
    return payment


async def sent(client: Client, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    answer = await client.post(path, body, key=fresh_key())
    assert answer.status_code == status, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def opened(client: Client, payment: dict[str, Any], **body: Any) -> dict[str, Any]:
    return await sent(client, f"/v1/payments/{payment['id']}/dispute", {"reason": "fraudulent", **body}, 201)


async def payment_now(client: Client, payment: dict[str, Any]) -> tuple[str, str, str]:
    found = (await client.get(f"/v1/payments/{payment['id']}")).json()
    return found["status"], found["refunded"], found["disputed"]


async def standing(client: Client, account: str) -> tuple[str, str, str]:
    balance = await client.balance(account)
    return balance["posted"], balance["held"], balance["available"]


async def test_a_closed_account_may_be_disputed_and_is_not_closed_while_it_is_promised_something(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    await client.transfer("bob", "alice", "40")
    promised = {"from": "alice", "to": "bob", "amount": "5", "currency": "USD"}
    hold = await sent(client, "/v1/holds", promised, 201)
    refused(await client.post("/v1/accounts/bob/close"), 409, "invalid_state", members=["open_holds"])
    await sent(client, f"/v1/holds/{hold['id']}/void")
    assert (await client.post("/v1/accounts/bob/close")).status_code == 200
    await opened(client, paid)
    assert await standing(client, "bob") == ("0.00", "40.00", "-40.00")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_what_is_questioned_is_held_at_who_was_paid(client: Client, paid: dict[str, Any]) -> None:
    said = {"provider_case_id": "case-7", "network_reason_code": "10.4", "respond_by": "2099-12-31T00:00:00.000000Z"}
    dispute = await opened(client, paid, **said)
    assert dispute == said | {
        "id": dispute["id"],
        "payment_id": paid["id"],
        "status": "open",
        "stage": "first",
        "amount": "40.00",
        "currency": "USD",
        "reason": "fraudulent",
        "evidence": [],
        "note": None,
        "fee": None,
        "journal_entry_ids": [dispute["id"].replace("dsp_", "je_")],
        "created_at": dispute["created_at"],
    }
    assert (await client.get(f"/v1/disputes/{dispute['id']}")).json() == dispute
    assert await standing(client, "bob") == ("40.00", "40.00", "0.00")
    assert await payment_now(client, paid) == ("disputed", "0.00", "40.00")


async def test_it_is_won(client: Client, paid: dict[str, Any]) -> None:
    dispute = await opened(client, paid)
    under_review = await sent(client, f"/v1/disputes/{dispute['id']}/evidence", {"text": "Delivered"})
    assert (under_review["status"], [one["text"] for one in under_review["evidence"]]) == (
        "under_review",
        ["Delivered"],
    )
    won = await sent(client, f"/v1/disputes/{dispute['id']}/resolve", {"note": "The bank agrees"})
    assert (won["status"], won["note"], len(won["journal_entry_ids"])) == ("won", "The bank agrees", 2)
    assert await standing(client, "bob") == ("40.00", "0.00", "40.00")
    assert await payment_now(client, paid) == ("succeeded", "0.00", "0.00")
    for verb, body in (("resolve", None), ("chargeback", None), ("evidence", {"text": "x"})):
        answer = await client.post(f"/v1/disputes/{dispute['id']}/{verb}", body, key=fresh_key())
        refused(answer, 409, "invalid_state", facts={"dispute_status": "won"})


async def test_it_is_lost_though_the_money_is_gone(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    """Nothing refuses it: not a floor, not a freeze. What comes in next makes up for it."""
    await client.transfer("bob", "alice", "35")
    await client.post("/v1/accounts/bob/freeze")
    dispute = await opened(client, paid)
    assert await standing(client, "bob") == ("5.00", "40.00", "-35.00")
    lost = await sent(client, f"/v1/disputes/{dispute['id']}/chargeback")
    assert (lost["status"], len(lost["journal_entry_ids"])) == ("lost", 2)
    now = (await client.get(f"/v1/payments/{paid['id']}")).json()
    assert (now["status"], now["disputed"], now["charged_back"]) == ("charged_back", "0.00", lost["amount"])
    assert "charged_back" not in paid
    assert await standing(client, "bob") == ("-35.00", "0.00", "-35.00")
    assert await standing(client, "alice") == ("135.00", "0.00", "135.00")
    assert await payment_now(client, paid) == ("charged_back", "0.00", "0.00")
    await client.post("/v1/accounts/bob/unfreeze")
    refused(await client.transfer("bob", "alice", "1"), 422, "insufficient_funds", "/from")
    await client.deposit("bob", "36")
    assert (await client.transfer("bob", "alice", "1")).status_code == 201
    answer = await client.post(f"/v1/payments/{paid['id']}/refund", key=fresh_key())
    refused(answer, 422, "amount_exceeds_payment")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_debt_is_told_and_announced(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    """From when it begins until it is paid: by what comes in, or by an overdraft that is agreed to."""

    async def debts() -> list[tuple[str, bool, str]]:
        listed = await all_pages(client, "/v1/accounts", in_debt="true", limit=1)
        return [(one["code"], one["in_debt"], one["debt"]) for one in listed]

    async def told() -> list[tuple[str, dict[str, Any]]]:
        async with database.work(ledger_id) as connection:
            found = await connection.execute(
                text("select type, data from events where type like 'account.%debt' order by xid, id")
            )
            return [(row.type, row.data) for row in found]

    await client.open_account("thrifty", min_available="100")
    assert await debts() == []
    await client.transfer("bob", "alice", "35")
    await opened(client, paid)
    assert await debts() == [("bob", True, "35.00")]
    await client.deposit("bob", "34.99")
    assert await debts() == [("bob", True, "0.01")]
    await client.deposit("bob", "0.01")
    assert await debts() == []
    dispute = (await client.get("/v1/disputes")).json()["data"][0]
    await sent(client, f"/v1/disputes/{dispute['id']}/chargeback")
    [other] = [await opened(client, (await client.transfer("alice", "bob", "10")).json())]
    await client.http.patch("/v1/accounts/bob", json={"min_available": "-5"})
    assert await debts() == []
    answer = await client.http.patch("/v1/accounts/bob", json={"min_available": "0"})
    assert (answer.json()["in_debt"], answer.json()["debt"]) == (False, "0.00")
    await sent(client, f"/v1/disputes/{other['id']}/resolve")
    fell, left = await told()
    assert fell == ("account.fell_into_debt", {"currency": "USD", "available": "-35.00", "debt": "35.00"})
    assert left == ("account.left_debt", {"currency": "USD", "available": "0.00", "debt": "0.00"})
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_an_agreed_overdraft_is_no_debt(client: Client, paid: dict[str, Any]) -> None:
    """Only what goes beyond it; and another floor may make a debt of it, or take one away."""

    async def limited(floor: str | None, key: str | None = None) -> tuple[bool, str]:
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await client.http.patch("/v1/accounts/bob", json={"min_available": floor}, headers=headers)
        return answer.json()["in_debt"], answer.json()["debt"]

    await limited("-30")
    await client.transfer("bob", "alice", "40")
    await opened(client, paid)
    bob = (await client.get("/v1/accounts/bob")).json()
    assert (bob["balance"]["available"], bob["in_debt"], bob["debt"]) == ("-40.00", True, "10.00")
    key = fresh_key()
    assert await limited("0", key) == (True, "40.00")
    assert await limited("-40") == (False, "0.00")
    assert await limited("0", key) == (True, "40.00")
    assert await limited(None) == (False, "0.00")
    await limited("0")
    await client.deposit("bob", "40")
    events = (await client.get("/v1/accounts/bob")).json()
    assert (events["in_debt"], events["debt"]) == (False, "0.00")


async def test_what_was_won_is_questioned_once_more(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    """Up to arbitration, which is the end."""
    dispute = await opened(client, paid, respond_by="2099-12-31T00:00:00Z")
    path = f"/v1/disputes/{dispute['id']}"
    await sent(client, f"{path}/resolve", {"note": "won at first"})
    said = {"stage": "pre_arbitration", "note": "they insist", "respond_by": "2100-01-31T00:00:00.000000Z"}
    further = await sent(client, f"{path}/escalate", said)
    assert further.items() >= {**said, "status": "open"}.items()
    assert await standing(client, "bob") == ("40.00", "40.00", "0.00")
    assert await payment_now(client, paid) == ("disputed", "0.00", "40.00")
    await sent(client, f"{path}/evidence", {"text": "Delivered"})
    last = await sent(client, f"{path}/escalate", {"stage": "arbitration"})
    assert (last["status"], last["stage"], last["note"], last["respond_by"]) == ("open", "arbitration", None, None)
    assert len(last["journal_entry_ids"]) == 3, "held already: nothing is posted"
    for stage in ("pre_arbitration", "arbitration"):
        answer = await client.post(f"{path}/escalate", {"stage": stage}, key=fresh_key())
        refused(answer, 409, "invalid_state", facts={"dispute_stage": "arbitration"})
    await sent(client, f"{path}/chargeback")
    assert await standing(client, "bob") == ("0.00", "0.00", "0.00")
    assert await payment_now(client, paid) == ("charged_back", "0.00", "0.00")
    answer = await client.post(f"{path}/escalate", {"stage": "arbitration"}, key=fresh_key())
    refused(answer, 409, "invalid_state", facts={"dispute_status": "lost"})
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_no_freeze_and_no_limit_refuses_any_step(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    """What was paid is spent, and nobody may take or give anything: it has happened elsewhere all the same."""
    await client.transfer("bob", "alice", "40")
    windows = [{"direction": way, "window": "day", "count": 1} for way in ("in", "out")]
    for code in ("alice", "bob"):
        limits = {"max_available": "0", "velocity_limits": windows}
        changed = await client.http.patch(f"/v1/accounts/{code}", json=limits)
        assert changed.status_code == 200, changed.text
        await sent(client, f"/v1/accounts/{code}/freeze")
    path = f"/v1/disputes/{(await opened(client, paid))['id']}"
    for step, body, status in (
        ("evidence", {"text": "Delivered"}, "under_review"),
        ("resolve", {}, "won"),
        ("escalate", {"stage": "pre_arbitration"}, "open"),
        ("evidence", {"text": "Signed"}, "under_review"),
        ("resolve", {}, "won"),
        ("escalate", {"stage": "arbitration"}, "open"),
        ("chargeback", {}, "lost"),
    ):
        rehearsed = await client.post(f"{path}/{step}", body, key=fresh_key(), params={"dry_run": "true"})
        assert (rehearsed.status_code, rehearsed.json()["status"]) == (200, status), (step, rehearsed.text)
        assert (await sent(client, f"{path}/{step}", body))["status"] == status, step
    assert await standing(client, "bob") == ("-40.00", "0.00", "-40.00")
    assert await standing(client, "alice") == ("140.00", "0.00", "140.00")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_what_was_won_and_then_refunded_is_not_held_again(client: Client, paid: dict[str, Any]) -> None:
    dispute = await opened(client, paid)
    await sent(client, f"/v1/disputes/{dispute['id']}/resolve")
    await sent(client, f"/v1/payments/{paid['id']}/refund", {"amount": "0.01"}, 201)
    for parameters in ({}, {"dry_run": "true"}):
        answer = await client.post(
            f"/v1/disputes/{dispute['id']}/escalate", {"stage": "arbitration"}, key=fresh_key(), params=parameters
        )
        refused(answer, 422, "amount_exceeds_payment", facts={"disputable": "39.99", "currency": "USD"})


async def test_losing_costs_a_fee(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    await client.open_account("fees", type="revenue")
    await client.open_account("euros", currency="EUR")
    await client.open_account("shut")
    await client.post("/v1/accounts/shut/close")
    dispute = await opened(client, paid)
    path = f"/v1/disputes/{dispute['id']}/chargeback"
    for fee, code, pointer in (
        ({"amount": "0", "to": "fees"}, "invalid_amount", "/fee/amount"),
        ({"amount": "1.001", "to": "fees"}, "amount_too_precise", "/fee/amount"),
        ({"amount": "1", "to": "nobody"}, "account_not_found", "/fee/to"),
        ({"amount": "1", "to": "bob"}, "same_account", "/fee/to"),
        ({"amount": "1", "to": "euros"}, "currency_mismatch", "/fee/to"),
        ({"amount": "1"}, "validation_error", "/fee/to"),
        ({"amount": "0.01", "to": "fees"}, "insufficient_funds", "/fee/amount"),
        ({"amount": "0.01", "to": "shut", "force": True}, "account_closed", "/fee/to"),
    ):
        answer = await client.post(path, {"fee": fee}, key=fresh_key())
        refused(answer, answer.status_code, code, pointer)
        assert answer.status_code in (404, 409, 422)
    lost = await sent(client, path, {"fee": {"amount": "15", "to": "fees", "force": True}})
    earner = (await client.get("/v1/accounts/fees")).json()["id"]
    assert (lost["status"], lost["fee"]) == ("lost", {"amount": "15.00", "to": earner, "house_rules": None})
    assert await standing(client, "bob") == ("-15.00", "0.00", "-15.00")
    assert await standing(client, "fees") == ("15.00", "0.00", "15.00")
    assert await payment_now(client, paid) == ("charged_back", "0.00", "0.00")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


@pytest.mark.parametrize("named_by", ["id", "code"])
@pytest.mark.parametrize("in_the_way", ["currency_mismatch", "account_frozen", "limit_exceeded"])
async def test_a_fee_that_is_refused_names_its_account_as_the_request_does_and_is_kept(
    client: Client, paid: dict[str, Any], named_by: str, in_the_way: str
) -> None:
    currency = "EUR" if in_the_way == "currency_mismatch" else "USD"
    ceiling = "0.99" if in_the_way == "limit_exceeded" else None
    fees = await client.open_account("fees", type="revenue", currency=currency, max_available=ceiling)
    if in_the_way == "account_frozen":
        await client.post("/v1/accounts/fees/freeze")
    dispute = await opened(client, paid)
    path, key = f"/v1/disputes/{dispute['id']}/chargeback", fresh_key()
    body = {"fee": {"amount": "1", "to": fees[named_by], "force": True}}
    first = await client.post(path, body, key=key)
    problem = refused(first, first.status_code, in_the_way, "/fee/to", members=["account"])
    told = [problem[name] for name in ("account", "account_id", "account_code")]
    assert told == [fees[named_by], fees["id"], "fees"]
    await client.post("/v1/accounts/fees/unfreeze")
    again = await client.post(path, body, key=key)
    replay = refused(again, first.status_code, in_the_way, "/fee/to")
    assert again.headers["idempotency-replayed"] == "true"
    assert {**replay, "request_id": ""} == {**problem, "request_id": ""}
    refused(await client.post(path, {}, key=key), 422, "idempotency_key_reused")


async def test_all_that_is_in_the_way_of_a_fee_is_told(client: Client, paid: dict[str, Any]) -> None:
    """Whoever unfreezes its account is not to find the next by trying."""
    await client.open_account("fees", type="revenue", max_available="0.99")
    await client.post("/v1/accounts/fees/freeze")
    path, body = f"/v1/disputes/{(await opened(client, paid))['id']}/chargeback", {"fee": {"amount": "1", "to": "fees"}}
    for parameters in ({}, {"dry_run": "true"}):
        refused(
            await client.post(path, body, key=fresh_key(), params=parameters),
            409,
            "account_frozen",
            "/fee/to",
            ("/fee/amount", "insufficient_funds"),
            ("/fee/to", "limit_exceeded"),
        )


async def test_refunds_and_disputes_never_come_to_more_than_was_paid(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    path = f"/v1/payments/{paid['id']}"
    await sent(client, f"{path}/refund", {"amount": "10"}, 201)
    first = await opened(client, paid, amount="25")
    answer = await client.post(f"{path}/dispute", {"reason": "x", "amount": "5.01"}, key=fresh_key())
    refused(answer, 422, "amount_exceeds_payment", "/amount", facts={"disputable": "5.00", "currency": "USD"})
    second = await opened(client, paid)
    assert second["amount"] == "5.00"
    refused(await client.post(f"{path}/refund", key=fresh_key()), 422, "amount_exceeds_payment")
    await sent(client, f"/v1/disputes/{first['id']}/resolve")
    await sent(client, f"/v1/disputes/{second['id']}/chargeback")
    assert await payment_now(client, paid) == ("charged_back", "10.00", "0.00")
    await sent(client, f"{path}/refund", None, 201)
    assert await payment_now(client, paid) == ("charged_back", "35.00", "0.00")
    entries = (await client.get(path)).json()["journal_entry_ids"]
    assert (len(entries), entries) == (7, [entries[0], *sorted(entries[1:])])
    assert await standing(client, "bob") == ("0.00", "0.00", "0.00")
    listed = await all_pages(client, "/v1/disputes", payment=paid["id"], limit=1)
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert [one["id"] for one in await all_pages(client, "/v1/disputes", status="won")] == [first["id"]]
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_second_notice_of_a_case_is_answered_with_the_same_dispute(
    client: Client, paid: dict[str, Any], database: Database, ledger_id: LedgerId
) -> None:
    dispute = await opened(client, paid, provider_case_id="case-7", amount="10")
    await sent(client, f"/v1/disputes/{dispute['id']}/evidence", {"text": "Delivered"})
    body, key = {"reason": "other words", "provider_case_id": "case-7", "amount": "12"}, fresh_key()
    again = await client.post(f"/v1/payments/{paid['id']}/dispute", body, key=key)
    assert (again.status_code, again.json()["id"], again.json()["status"]) == (201, dispute["id"], "under_review")
    assert await standing(client, "bob") == ("40.00", "10.00", "30.00")
    await sent(client, f"/v1/disputes/{dispute['id']}/resolve")
    replayed = await client.post(f"/v1/payments/{paid['id']}/dispute", body, key=key)
    assert (replayed.content, replayed.headers["idempotency-replayed"]) == (again.content, "true")
    deposit = await client.deposit("bob", "1")
    answer = await client.post(f"/v1/payments/{deposit['id']}/dispute", body, key=fresh_key())
    refused(answer, 422, "validation_error", "/provider_case_id")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_each_key_gives_its_first_answer(client: Client, paid: dict[str, Any]) -> None:
    path = f"/v1/payments/{paid['id']}/dispute"
    calls: list[tuple[str, Any]] = [(path, {"reason": "fraudulent"})]
    answers: list[tuple[str, Any]] = []
    for verb, said in ((None, None), ("evidence", {"text": "a"}), ("evidence", {"text": "b"}), ("chargeback", None)):
        if verb is not None:
            calls.append((f"/v1/disputes/{answers[0][1].json()['id']}/{verb}", said))
        key = fresh_key()
        answers.append((key, await client.post(*calls[-1], key=key)))
        assert answers[-1][1].is_success, answers[-1][1].text
    for (route, said), (key, answer) in zip(calls, answers, strict=True):
        again = await client.post(route, said, key=key)
        assert (again.status_code, again.content) == (answer.status_code, answer.content)
        told = (await client.get(f"/v1/idempotency-keys/{key}")).json()
        assert told["resource"] == {"type": "dispute", "id": answers[0][1].json()["id"]}
    refused(await client.post(*calls[-1], key=answers[0][0]), 422, "idempotency_key_reused")


async def test_what_cannot_be_disputed(client: Client, paid: dict[str, Any], stranger: Client) -> None:
    withdrawal = (await client.pay({"type": "withdrawal", "amount": "1", "currency": "USD", "from": "bob"})).json()
    path = f"/v1/payments/{withdrawal['id']}/dispute"
    refused(await client.post(path, {"reason": "x"}, key=fresh_key()), 422, "not_disputable")
    refused(await stranger.post(path, {"reason": "x"}, key=fresh_key()), 404, "payment_not_found")
    refused(await client.post("/v1/payments/pay_1/dispute", {"reason": "x"}, key=fresh_key()), 422, "invalid_id")
    missing = paid["id"].replace("pay_", "dsp_")
    refused(await client.get(f"/v1/disputes/{missing}"), 404, "dispute_not_found")
    refused(await client.post(f"/v1/disputes/{missing}/resolve", key=fresh_key()), 404, "dispute_not_found")
    path = f"/v1/payments/{paid['id']}/dispute"
    for body, code, pointer in (
        ({}, "validation_error", "/reason"),
        ({"reason": "x", "amount": "0"}, "invalid_amount", "/amount"),
        ({"reason": "x", "respond_by": "tomorrow"}, "validation_error", "/respond_by"),
        ({"reason": "x", "note": "y"}, "unknown_field", "/note"),
    ):
        refused(await client.post(path, body, key=fresh_key()), 422, code, pointer)
    tried = await client.post(path, {"reason": "x"}, key=fresh_key(), params={"dry_run": "true"})
    assert (tried.status_code, tried.json()["dry_run"]) == (200, True)
    assert await standing(client, "bob") == ("39.00", "0.00", "39.00")


async def test_one_case_told_of_two_payments_at_once_is_a_dispute_of_one(
    neighbours: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    """At two services, whose transactions have no account in common: only the unique index can tell them apart."""
    payments = []
    for number in range(8):
        await neighbours[0].open_account(f"shop:{number}")
        await neighbours[0].open_account(f"buyer:{number}", min_available=None)
        payments.append((await neighbours[0].transfer(f"buyer:{number}", f"shop:{number}", "5")).json())
    for round_ in range(4):
        body = {"reason": "fraudulent", "provider_case_id": f"case-{round_}"}
        calls = [
            client.post(f"/v1/payments/{payment['id']}/dispute", body, key=fresh_key())
            for client, payment in zip(neighbours, payments[2 * round_ : 2 * round_ + 2], strict=True)
        ]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status_code for answer in answers) == [201, 422], [answer.text for answer in answers]
    assert len(await all_pages(neighbours[0], "/v1/disputes")) == 4
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_notices_refunds_and_decisions_at_once_keep_within_the_payment(
    neighbours: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    """Whatever is first: what is refunded, questioned and taken is never more than was paid; each ends once."""
    here, there = neighbours
    await here.open_account("shop", min_available=None)
    await here.open_account("buyer", min_available=None)
    for _ in range(4):
        payment = (await here.transfer("buyer", "shop", "10")).json()
        path = f"/v1/payments/{payment['id']}"
        dispute = (await here.post(f"{path}/dispute", {"reason": "x", "amount": "4"}, key=fresh_key())).json()
        calls = []
        for client in neighbours:
            calls += [
                client.post(f"{path}/refund", {"amount": "3"}, key=fresh_key()),
                client.post(f"{path}/dispute", {"reason": "y", "amount": "3"}, key=fresh_key()),
                client.post(f"/v1/disputes/{dispute['id']}/resolve", key=fresh_key()),
                client.post(f"/v1/disputes/{dispute['id']}/chargeback", key=fresh_key()),
            ]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 201, 409, 422}
        assert sum(answer.status_code == 200 for answer in answers) == 1, "it is decided once"
        now = (await there.get(path)).json()
        lost = (await there.get(f"/v1/disputes/{dispute['id']}")).json()["status"] == "lost"
        gone = Decimal(now["refunded"]) + Decimal(now["disputed"]) + (Decimal(4) if lost else 0)
        assert gone <= Decimal(10)
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_answers_may_tell_the_balances_after_them(client: Client, paid: dict[str, Any]) -> None:
    """Of a second notice of a case those that its dispute's last step has left, in each of its answers."""

    async def told(path: str, body: dict[str, Any], key: str | None = None) -> list[tuple[str, str, str]]:
        made = await client.post(path, body, key=key or fresh_key(), params={"include": "balances"})
        return [(one["posted"], one["held"], one["available"]) for one in made.json()["balances"]]

    path, body, key = f"/v1/payments/{paid['id']}/dispute", {"reason": "x", "provider_case_id": "c"}, fresh_key()
    opening = [("40.00", "40.00", "0.00"), ("60.00", "0.00", "60.00")]
    assert await told(path, body) == opening
    await client.deposit("bob", "1")
    assert await told(path, body, key) == opening
    dispute = (await client.get("/v1/disputes")).json()["data"][0]["id"]
    assert await told(f"/v1/disputes/{dispute}/evidence", {"text": "x"}) == []
    lost = await told(f"/v1/disputes/{dispute}/chargeback", {"note": "x"})
    assert sorted(lost) == [("1.00", "0.00", "1.00"), ("100.00", "0.00", "100.00")]
    assert await told(path, body, key) == opening
    refused(await client.post(path, body, key=fresh_key(), params={"include": "x"}), 422, "invalid_parameter")


async def test_a_dispute_that_is_made_and_cannot_be_told_is_unknown_until_its_key_tells(
    service: Service, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there is no room for whoever asks again."""
    client = await make_client(service, ledger_id)
    for account in ("alice", "bob"):
        await client.open_account(account)
    await client.deposit("alice", "100")
    payment = (await client.transfer("alice", "bob", "40")).json()
    key = fresh_key()

    async def ask() -> httpx.Response:
        path, balances = f"/v1/payments/{payment['id']}/dispute", {"include": "balances"}
        return await client.post(path, {"reason": "x"}, key=key, params=balances)

    async def away(*_: Any) -> None:
        raise Unavailable("The database cannot be reached; nothing was done.")

    with monkeypatch.context() as patched:
        patched.setattr(disputes, "find_lines", away)
        refused(await ask(), 504, "outcome_unknown")
    with monkeypatch.context() as patched:
        patched.setattr(service.committer._options, "queue_commands_max", 0)
        refused(await ask(), 504, "outcome_unknown")
    settled = await ask()
    assert (settled.status_code, settled.headers["idempotency-replayed"]) == (201, "true")
    assert not service.committer.unknown_keys
    await client.http.aclose()
