"""Payments, captures and refunds in parts, over HTTP: the whole is always kept, and each gives back what it got."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

FEES = [{"to": "fees", "percent": "2.9"}, {"to": "tips", "amount": "0.30"}]


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture(autouse=True)
async def ground(client: Client) -> None:
    for code in ("alice", "bob"):
        await client.open_account(code)
    for code in ("fees", "tips"):
        await client.open_account(code, type="revenue")
    await client.deposit("alice", "1000")


async def pay(client: Client, amount: str, splits: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    answer = await client.pay(order(amount, splits, **members))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def order(amount: str, splits: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    said = {"type": "transfer", "amount": amount, "currency": "USD", "from": "alice", "to": "bob", "splits": splits}
    return {name: value for name, value in (said | members).items() if value is not None}


async def balances(client: Client, *codes: str) -> list[str]:
    return [(await client.balance(code))["posted"] for code in codes]


def parts(payment: dict[str, Any]) -> dict[str, str]:
    return {split["to_code"]: split["amount"] for split in payment["splits"]}


async def test_the_platform_keeps_its_fees(client: Client) -> None:
    made = await pay(client, "50", FEES)
    assert parts(made) == {"fees": "1.45", "tips": "0.30", "bob": "48.25"}
    assert made["splits"][0] == {
        "to": made["splits"][0]["to"],
        "to_code": "fees",
        "percent": "2.9",
        "fixed": None,
        "remainder": False,
        "amount": "1.45",
        "refunded": "0.00",
    }
    assert (made["to_code"], made["amount"], len(made["account_versions"])) == ("bob", "50.00", 4)
    assert await balances(client, "alice", "bob", "fees", "tips") == ["950.00", "48.25", "1.45", "0.30"]
    assert (await client.get(f"/v1/payments/{made['id']}")).json() == made
    entry = (await client.get(f"/v1/journal-entries/{made['journal_entry_ids'][0]}")).json()
    lines = [(line["side"], line["account_code"], line["amount"]) for line in entry["postings"]]
    assert lines == [
        ("debit", "alice", "50.00"),
        ("credit", "fees", "1.45"),
        ("credit", "tips", "0.30"),
        ("credit", "bob", "48.25"),
    ]


async def test_who_takes_the_remainder_need_not_be_named_twice(client: Client) -> None:
    splits: list[dict[str, Any]] = [{"to": "bob", "remainder": True}, {"to": "fees", "percent": "10.00"}]
    for to in (None, "bob"):
        made = await pay(client, "0.99", splits, to=to)
        assert (parts(made), made["to_code"]) == ({"bob": "0.89", "fees": "0.10"}, "bob")
        assert [split["percent"] for split in made["splits"]] == [None, "10"]


async def test_a_part_that_rounds_to_nothing_posts_nothing(client: Client) -> None:
    """But a place in the payment it has."""
    made = await pay(client, "0.01", [{"to": "fees", "percent": "2.9"}])
    assert parts(made) == {"fees": "0.00", "bob": "0.01"}
    assert len(made["account_versions"]) == 2
    everything = await pay(client, "1", [{"to": "tips", "percent": "100"}])
    assert (parts(everything), everything["to_code"]) == ({"tips": "1.00", "bob": "0.00"}, "bob")


async def test_deposits_and_withdrawals_are_split_too(client: Client) -> None:
    made = await pay(client, "20", [{"to": "fees", "percent": "5"}], type="deposit", **{"from": None})
    assert (made["from_code"], parts(made)) == ("clearing:internal:USD", {"fees": "1.00", "bob": "19.00"})
    made = await pay(client, "20", [{"to": "fees", "amount": "1"}], type="withdrawal", to=None)
    assert parts(made) == {"fees": "1.00", "clearing:internal:USD": "19.00"}
    await client.post(f"/v1/payments/{made['id']}/refund", key=fresh_key())
    assert await balances(client, "alice", "bob", "fees") == ["1000.00", "19.00", "1.00"]


ONE = {"to": "fees", "percent": "1"}
REST = {"to": "fees", "remainder": True}
REFUSED: list[tuple[list[dict[str, Any]], dict[str, Any], str, str]] = [
    (
        [{"to": "fees", "percent": "60"}, {"to": "tips", "percent": "40.000001"}],
        {},
        "splits_exceed_amount",
        "/1/percent",
    ),
    ([{"to": "fees", "percent": "99"}, {"to": "tips", "amount": "0.11"}], {}, "splits_exceed_amount", "/1/amount"),
    ([{"to": "fees", "amount": "10.01"}], {}, "splits_exceed_amount", "/0/amount"),
    ([{"to": "fees", "percent": "100.000001"}], {}, "validation_error", "/0/percent"),
    ([{"to": "fees", "percent": "-1"}], {}, "validation_error", "/0/percent"),
    ([{"to": "fees", "percent": "0.000000"}], {}, "validation_error", "/0/percent"),
    ([{"to": "fees", "percent": "1.0000001"}], {}, "validation_error", "/0/percent"),
    ([{"to": "fees", "percent": 3}], {}, "validation_error", "/0/percent"),
    ([{"to": "fees", "amount": "-1"}], {}, "invalid_amount", "/0/amount"),
    ([{"to": "fees", "amount": 1}], {}, "invalid_amount", "/0/amount"),
    ([{"to": "fees", "amount": "0.001"}], {}, "amount_too_precise", "/0/amount"),
    ([{"to": "fees"}], {}, "validation_error", "/0"),
    ([{"to": "fees", "percent": "1", "amount": "1"}], {}, "validation_error", "/0"),
    ([{"to": "fees", "percent": "1", "remainder": True}], {"to": None}, "validation_error", "/0"),
    ([REST, {"to": "tips", "remainder": True}], {}, "validation_error", "/1/remainder"),
    ([REST], {}, "validation_error", "/0/remainder"),
    ([REST], {"type": "withdrawal", "to": None}, "validation_error", "/0/remainder"),
    ([ONE, ONE], {}, "same_account", "/1/to"),
    ([{"to": "bob", "percent": "1"}], {}, "same_account", "/0/to"),
    ([{"to": "alice", "percent": "1"}], {}, "same_account", "/0/to"),
    ([{"to": "alice", "remainder": True}], {"to": None}, "same_account", "/0/to"),
    ([ONE, {"to": "euros", "percent": "1"}], {}, "currency_mismatch", "/1/to"),
    ([{"to": "nobody", "percent": "1"}], {}, "account_not_found", "/0/to"),
    ([{"to": "nobody", "remainder": True}], {"to": None}, "account_not_found", "/0/to"),
    ([ONE] * 51, {}, "validation_error", ""),
    ([{"to": "fees", "percent": "1", "share": "1"}], {}, "unknown_field", "/0/share"),
]


async def test_splits_that_cannot_be_are_refused(client: Client) -> None:
    await client.open_account("euros", currency="EUR")
    for splits, members, code, pointer in REFUSED:
        refused(await client.pay(order("10", splits, **members)), 422, code, f"/splits{pointer}")
    assert await balances(client, "alice", "bob", "fees", "tips") == ["1000.00", "0.00", "0.00", "0.00"]


async def test_what_the_books_refuse_names_the_split(client: Client) -> None:
    tips = await client.get("/v1/accounts/tips")
    await client.post("/v1/accounts/tips/close")
    facts = {"account": "tips", "account_id": tips.json()["id"], "account_code": "tips"}
    refused(await client.pay(order("10", FEES)), 409, "account_closed", "/splits/1/to", facts=facts)
    refused(await client.pay(order("10", [{"to": "bob", "percent": "1"}], to="tips")), 409, "account_closed", "/to")
    refused(await client.pay(order("1000.01", FEES[:1])), 422, "insufficient_funds", "/from")
    refused(await client.pay(order("10", FEES[:1], to=None)), 422, "validation_error", "/to")


async def test_each_key_gives_its_first_answer(client: Client) -> None:
    key, body = fresh_key(), order("50", FEES)
    first = await client.pay(body, key)
    await client.post(f"/v1/payments/{first.json()['id']}/refund", key=fresh_key())
    again = await client.pay(body, key)
    assert (again.status_code, again.content) == (201, first.content)
    same = order("50", [{"to": "fees", "percent": "2.90"}, {"to": "tips", "amount": "0.3"}])
    assert (await client.pay(same, key)).content == first.content
    for splits in (FEES[::-1], FEES[:1], [], [{"to": "fees", "percent": "2.8"}, FEES[1]]):
        refused(await client.pay(order("50", splits), key), 422, "idempotency_key_reused")


async def test_a_bulk_call_and_a_dry_run_know_splits(client: Client) -> None:
    items = [order("10", FEES) | {"idempotency_key": fresh_key()} for _ in range(2)]
    answer = await client.post("/v1/payments/bulk", {"items": items}, params={"mode": "atomic"})
    assert [parts(result["data"])["fees"] for result in answer.json()["results"]] == ["0.29", "0.29"]
    tried = await client.post("/v1/payments", order("50", FEES), key=fresh_key(), params={"dry_run": "true"})
    assert (tried.status_code, parts(tried.json())["fees"], len(tried.json()["balances"])) == (200, "1.45", 4)
    assert await balances(client, "alice", "fees") == ["980.00", "0.58"]


async def refund(client: Client, payment: dict[str, Any], **body: Any) -> None:
    answer = await client.post(f"/v1/payments/{payment['id']}/refund", body, key=fresh_key())
    assert answer.status_code == 201, answer.text


async def given_back(client: Client, payment: dict[str, Any]) -> dict[str, str]:
    shown = (await client.get(f"/v1/payments/{payment['id']}")).json()
    return {split["to_code"]: split["refunded"] for split in shown["splits"]}


async def test_after_all_its_refunds_each_has_given_back_exactly_its_part(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    made = await pay(client, "50", FEES)
    seen = []
    for amount in ("0.01", "10", "33.33", None):
        await refund(client, made, **({} if amount is None else {"amount": amount}))
        seen.append(await given_back(client, made))
    assert seen == [
        {"fees": "0.00", "tips": "0.00", "bob": "0.01"},
        {"fees": "0.29", "tips": "0.06", "bob": "9.66"},
        {"fees": "1.26", "tips": "0.26", "bob": "41.82"},
        {"fees": "1.45", "tips": "0.30", "bob": "48.25"},
    ]
    assert await balances(client, "alice", "bob", "fees", "tips") == ["1000.00", "0.00", "0.00", "0.00"]
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_who_has_spent_his_part_stops_the_refund(client: Client) -> None:
    made = await pay(client, "50", FEES)
    await client.transfer("bob", "alice", "48.25")
    answer = await client.post(f"/v1/payments/{made['id']}/refund", key=fresh_key())
    refused(answer, 422, "insufficient_funds", "")
    assert await given_back(client, made) == {"fees": "0.00", "tips": "0.00", "bob": "0.00"}


async def test_the_payee_answers_for_disputes(client: Client, database: Database, ledger_id: LedgerId) -> None:
    """The platform keeps its fee of what is lost; of what is left each gives back what it has."""
    made = await pay(client, "50", FEES)
    body = {"reason": "fraudulent", "amount": "40"}
    dispute = (await client.post(f"/v1/payments/{made['id']}/dispute", body, key=fresh_key())).json()
    assert (await client.balance("bob"))["available"] == "8.25"
    await client.post(f"/v1/disputes/{dispute['id']}/chargeback", {}, key=fresh_key())
    await refund(client, made)
    assert await given_back(client, made) == {"fees": "1.45", "tips": "0.30", "bob": "8.25"}
    assert await balances(client, "alice", "bob", "fees", "tips") == ["1000.00", "0.00", "0.00", "0.00"]
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def hold(client: Client, amount: str) -> str:
    body = {"from": "alice", "to": "bob", "amount": amount, "currency": "USD"}
    path: str = "/v1/holds/" + (await client.post("/v1/holds", body, key=fresh_key())).json()["id"]
    return path


async def test_each_capture_is_split(client: Client, database: Database, ledger_id: LedgerId) -> None:
    path = await hold(client, "50")
    for body in ({"amount": "10", "splits": FEES}, {"amount": "10"}, {"splits": [{"to": "fees", "percent": "100"}]}):
        answer = await client.post(f"{path}/capture", body, key=fresh_key())
        assert answer.status_code == 200, answer.text
    assert await balances(client, "alice", "bob", "fees", "tips") == ["950.00", "19.41", "30.29", "0.30"]
    shown = [(await client.get(f"/v1/payments/{id_}")).json() for id_ in answer.json()["payment_ids"]]
    assert [one.get("splits") and parts(one) for one in shown] == [
        {"fees": "0.29", "tips": "0.30", "bob": "9.41"},
        None,
        {"fees": "30.00", "bob": "0.00"},
    ]
    await refund(client, shown[0], amount="3.33")
    await refund(client, shown[0])
    assert await given_back(client, shown[0]) == {"fees": "0.29", "tips": "0.30", "bob": "9.41"}
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_a_capture_whose_splits_cannot_be_changes_nothing(client: Client) -> None:
    path = await hold(client, "10")
    await client.post("/v1/accounts/tips/close")
    key = fresh_key()
    for splits, status, code, pointer in (
        ([{"to": "fees", "amount": "10.01"}], 422, "splits_exceed_amount", "/splits/0/amount"),
        ([{"to": "bob", "percent": "1"}], 422, "same_account", "/splits/0/to"),
        ([{"to": "fees", "remainder": True}], 422, "validation_error", "/splits/0/remainder"),
        (FEES, 409, "account_closed", "/splits/1/to"),
        ([{"to": "nobody", "amount": "1"}], 422, "account_not_found", "/splits/0/to"),
    ):
        answer = await client.post(f"{path}/capture", {"splits": splits}, key=fresh_key())
        refused(answer, status, code, pointer)
    done = await client.post(f"{path}/capture", {"splits": FEES[:1]}, key=key)
    assert (await client.post(f"{path}/capture", {"splits": FEES[:1]}, key=key)).content == done.content
    refused(await client.post(f"{path}/capture", {}, key=key), 422, "idempotency_key_reused")
    assert await balances(client, "alice", "bob", "fees") == ["990.00", "9.71", "0.29"]


async def test_what_the_books_refuse_of_a_capture_or_an_increment_names_its_amount(client: Client) -> None:
    answer = await client.post(
        "/v1/holds", {"amount": "10", "capture_max": "5000", "currency": "USD", "from": "alice", "to": "bob"},
        key=fresh_key(),
    )  # fmt: skip
    path = f"/v1/holds/{answer.json()['id']}"
    for step, body in (
        ("capture", {"amount": "4000"}),
        ("capture", {"amount": "4000", "splits": FEES[:1]}),
        ("increment", {"amount": "4000"}),
    ):
        answer = await client.post(f"{path}/{step}", body, key=fresh_key())
        assert refused(answer, 422, "insufficient_funds", "/amount")["account"] == "alice"
    await client.post("/v1/accounts/bob/freeze", {"reason": "Asked for"}, key=fresh_key())
    refused(await client.post(f"{path}/capture", {"amount": "1"}, key=fresh_key()), 409, "account_frozen", "")


@pytest.mark.parametrize("named_by", ["id", "code"])
@pytest.mark.parametrize("way", ["a capture", "a payment", "a part that comes to nothing"])
async def test_a_receiver_who_is_in_the_way_is_named_as_the_request_names_him(
    client: Client, way: str, named_by: str
) -> None:
    full = await client.open_account("full", type="revenue", max_available="0.00")
    path = await hold(client, "10")
    await client.post("/v1/accounts/full/freeze", {"reason": "Asked for"}, key=fresh_key())
    percent = "0.0001" if way == "a part that comes to nothing" else "50"
    splits = [{"to": full[named_by], "percent": percent}]
    if way == "a capture":
        answer = await client.post(f"{path}/capture", {"splits": splits}, key=fresh_key())
    else:
        answer = await client.pay(order("10", splits))
    problem = refused(answer, 409, "account_frozen", members=["account"])
    told = [problem, *[fault for fault in problem["errors"] if "account" in fault]]
    for one in told:
        assert one["account"] == full[named_by]
        assert (one["account_id"], one["account_code"]) == (full["id"], "full")
    assert {fault["pointer"] for fault in problem["errors"]} == {"/splits/0/to"}


async def test_holds_are_resolved_with_splits(client: Client) -> None:
    ids = [(await hold(client, "10")).rpartition("/")[2] for _ in range(2)]
    capture = {"hold": ids[0], "action": "capture", "splits": FEES, "idempotency_key": fresh_key()}
    void = {"hold": ids[1], "action": "void", "idempotency_key": fresh_key()}
    answer = await client.post("/v1/holds/resolve", {"items": [capture, void]})
    assert answer.status_code == 200, answer.text
    assert await balances(client, "alice", "bob", "fees", "tips") == ["990.00", "9.41", "0.29", "0.30"]
    refused(
        await client.post("/v1/holds/resolve", {"items": [void | {"splits": FEES}]}),
        422, "validation_error", "/items/0/splits",
    )  # fmt: skip


async def test_refunds_at_once_take_from_each_exactly_its_part(
    neighbours: tuple[Client, Client], database: Database, ledger_id: LedgerId
) -> None:
    """At two services."""
    here, there = neighbours
    for code in ("payer", "payee", "first", "second"):
        await here.open_account(code, min_available=None)
    splits = [{"to": "first", "percent": "33.33"}, {"to": "second", "amount": "0.07"}]
    made = await pay(here, "10", splits, **{"from": "payer", "to": "payee"})
    path = f"/v1/payments/{made['id']}/refund"
    calls = [client.post(path, {"amount": "0.77"}, key=fresh_key()) for _ in range(8) for client in (here, there)]
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {201: 12, 422: 4}
    await refund(there, made)
    assert await given_back(here, made) == parts(made)
    assert await balances(here, "payer", "payee", "first", "second") == ["0.00"] * 4
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_who_gets_nothing_must_still_be_one_who_could(client: Client) -> None:
    """Or a dispute of the payment, which nothing may refuse, could not be posted."""
    await client.open_account("payer", min_available=None)
    await client.open_account("euros", currency="EUR")
    await client.open_account("shut")
    await client.post("/v1/accounts/shut/close")
    order = {"type": "transfer", "amount": "100", "currency": "USD", "from": "payer"}
    whole, part = [{"to": "fees", "amount": "100"}], {"percent": "0.000001"}
    for to, splits, status, code, pointer in (
        ("euros", whole, 422, "currency_mismatch", "/to"),
        ("shut", whole, 409, "account_closed", "/to"),
        ("fees", [{"to": "shut", **part}], 409, "account_closed", "/splits/0/to"),
        ("fees", [{"to": "euros", **part}], 422, "currency_mismatch", "/splits/0/to"),
    ):
        for parameters in ({}, {"dry_run": "true"}):
            body = {**order, "to": to, "splits": splits}
            answer = await client.post("/v1/payments", body, key=fresh_key(), params=parameters)
            refused(answer, status, code, pointer)
    del order["type"]
    hold = (await client.post("/v1/holds", {**order, "to": "fees"}, key=fresh_key())).json()
    answer = await client.post(f"/v1/holds/{hold['id']}/capture", {"splits": [{"to": "shut", **part}]}, key=fresh_key())
    refused(answer, 409, "account_closed", "/splits/0/to")
