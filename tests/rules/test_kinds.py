"""Each kind of rule that a file can say, and every way in by which a payment comes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.scheduling import RENT, SOON, read, run_at, scheduled
from tests.rules.judging import HELD, LIMIT, PLAIN, approve, held, must_be_right, read_at_once, refuse, write_rules
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

DEPOSIT: dict[str, Any] = {"type": "deposit", "amount": "5.00", "currency": "USD", "to": "bob"}
OUT: dict[str, Any] = {"type": "withdrawal", "amount": "5.00", "currency": "USD", "from": "alice"}


async def set_to(service: Service, file: Path, *rules: Any) -> str:
    write_rules(file, *rules)
    return await read_at_once(service)


def named(kind: str, **members: Any) -> dict[str, Any]:
    return {"name": "it", "kind": kind, **members}


STATIC: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an amount": (named("limit", amount_max="4.99"), DEPOSIT, "/amount"),
    "too small an amount": (named("limit", amount_min="5.01"), DEPOSIT, "/amount"),
    "a payee": (named("blocked", blocked_accounts=["bob"]), DEPOSIT, "/to"),
    "a payer by the beginning of his code": (named("blocked", blocked_accounts=["al*"]), OUT, "/from"),
    "who gets a part": (
        named("blocked", blocked_accounts=["bob"]),
        {**OUT, "splits": [{"to": "bob", "amount": "1.00"}]},
        "/splits",
    ),
    "who gets a part of what a processor carries out": (
        named("blocked", blocked_accounts=["alice"]),
        {**DEPOSIT, "processor": "away", "splits": [{"to": "alice", "amount": "1.00"}]},
        "/splits",
    ),
    "a value of metadata": (
        named("blocked", blocked_metadata={"a/b": ["x", "y"]}),
        {**DEPOSIT, "metadata": {"a/b": "y"}},
        "/metadata/a~1b",
    ),
    "another currency than those": (named("currencies", allowed=["EUR"]), DEPOSIT, "/currency"),
    "a currency": (named("currencies", denied=["USD"]), DEPOSIT, "/currency"),
    "one of a type": (named("limit", types=["withdrawal"], amount_max="1"), OUT, "/amount"),
    "one of an account": (named("limit", accounts=["bob"], amount_max="1"), DEPOSIT, "/amount"),
    "one with metadata": (
        named("limit", metadata={"a": "b"}, amount_max="1"),
        {**DEPOSIT, "metadata": {"a": "b"}},
        "/amount",
    ),
}
NOT_MEANT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "at the limit": (named("limit", amount_max="5.00", amount_min="5"), DEPOSIT),
    "of another type": (named("limit", types=["withdrawal"], amount_max="1"), DEPOSIT),
    "of another currency": (named("limit", currencies=["EUR"], amount_max="1"), DEPOSIT),
    "of another account": (named("limit", accounts=["alice", "bo"], amount_max="1"), DEPOSIT),
    "with other metadata": (named("limit", metadata={"a": "b"}, amount_max="1"), {**DEPOSIT, "metadata": {"a": "c"}}),
    "from a clearing account": (named("blocked", blocked_accounts=["clearing:*"]), DEPOSIT),
}


@pytest.mark.parametrize("what", STATIC)
async def test_a_rule_catches(judging: Service, rules_file: Path, alice: Client, what: str) -> None:
    rule, body, pointer = STATIC[what]
    await set_to(judging, rules_file, rule)
    answer = await alice.pay(body)
    assert (answer.status_code, answer.json()["code"], answer.json()["rule"]) == (422, "rule_refused", "it")
    assert answer.json()["errors"][0]["pointer"] == pointer
    await set_to(judging, rules_file, {**rule, "action": "review"})
    assert (await alice.pay(body)).status_code == 202


@pytest.mark.parametrize("what", NOT_MEANT)
async def test_a_rule_lets_pass(judging: Service, rules_file: Path, alice: Client, what: str) -> None:
    rule, body = NOT_MEANT[what]
    await set_to(judging, rules_file, rule)
    answer = await alice.pay(body)
    assert answer.status_code == 201, answer.text


async def test_an_account_named_by_its_id_is_the_same(judging: Service, rules_file: Path, alice: Client) -> None:
    bob = (await alice.get("/v1/accounts/bob")).json()["id"]
    await set_to(judging, rules_file, named("blocked", blocked_accounts=["bob"]))
    assert (await alice.pay({**DEPOSIT, "to": bob})).status_code == 422


async def test_so_many_and_so_much_within_a_window_whoever_pays_at_once(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    """Twenty at once: no two of them can both be the last one."""
    rule = named("velocity", party="from", window_seconds=60, count_max=7)
    await set_to(judging, rules_file, rule)
    answers = await asyncio.gather(*[alice.transfer("alice", "bob", "1.00") for _ in range(20)])
    assert sorted(answer.status_code for answer in answers) == [201] * 7 + [422] * 13
    last = answers[[answer.status_code for answer in answers].index(422)].json()
    assert (last["rule"], last["used_count"], last["errors"][0]["pointer"]) == ("it", 7, "/from")
    await set_to(judging, rules_file, named("velocity", currencies=["USD"], party="to", window_seconds=60, sum_max="9"))
    statuses = [(await alice.transfer("alice", "bob", amount)).status_code for amount in ("2.01", "2.00", "0.01")]
    assert statuses == [422, 201, 422]
    await must_be_right(database, ledger_id)


async def test_who_gets_a_part_gets_no_more_than_who_gets_all(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    window = {"kind": "velocity", "party": "to", "window_seconds": 600}
    much = {**window, "name": "much", "currencies": ["USD"], "sum_max": "100"}
    await set_to(judging, rules_file, {**much, "accounts": ["mallory"]})
    await alice.open_account("mallory")

    async def paid(amount: str, type_: str = "transfer") -> tuple[int, Any]:
        rest = {"to": "bob", "remainder": True}
        splits = [{"to": "mallory", "percent": "90"}, *([] if type_ == "withdrawal" else [rest])]
        body = {"type": type_, "amount": amount, "currency": "USD", "from": "alice", "splits": splits}
        answer = await alice.pay(body)
        errors = answer.json().get("errors")
        return answer.status_code, errors and errors[0]["pointer"]

    assert await paid("100") == (201, None)
    assert await paid("20") == (422, "/splits")
    assert await paid("20", "withdrawal") == (422, "/splits")
    assert await paid("10", "withdrawal") == (201, None)
    assert await paid("1", "withdrawal") == (201, None)
    assert await paid("1") == (422, "/splits")
    coming = {"type": "deposit", "amount": "2", "currency": "USD", "to": "bob", "processor": "away"}
    answer = await alice.pay({**coming, "splits": [{"to": "mallory", "percent": "90"}]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/splits")
    await must_be_right(database, ledger_id)


async def test_the_same_within_a_window(judging: Service, rules_file: Path, alice: Client) -> None:
    await alice.open_account("carol")
    await set_to(judging, rules_file, named("duplicate", window_seconds=60))
    bodies = [{**DEPOSIT, "amount": "7.00"}, {**PLAIN, "amount": "7.00"}, {**OUT, "amount": "7.00"}]
    for body in bodies:
        first = await alice.pay(body)
        again = await alice.pay(body)
        assert (first.status_code, again.status_code) == (201, 422)
        assert again.json()["payment_id"] == first.json()["id"]
    for other in ({**PLAIN, "amount": "7.01"}, {**PLAIN, "amount": "7.00", "to": "carol"}):
        assert (await alice.pay(other)).status_code == 201
    answers = await asyncio.gather(*[alice.transfer("alice", "carol", "3.00") for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422]


async def test_the_same_that_is_held_for_a_review(
    judging: Service, rules_file: Path, people: list[Client], alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    await alice.open_account("carol")
    review = {**LIMIT, "name": "held", "action": "review", "amount_max": "10"}
    await set_to(judging, rules_file, named("duplicate", window_seconds=60), review)
    bodies = [{**PLAIN, "amount": "50.00", "to": to} for to in ("bob", "carol")]
    first = await held(alice, "50.00")
    again = await alice.pay(bodies[0])
    assert (again.status_code, again.json()["rule"], again.json()["review_id"]) == (422, "it", first["id"])
    answers = await asyncio.gather(*[alice.pay(bodies[1]) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [202, 422, 422, 422]
    assert (await refuse(people[0], first)).status_code == 200
    second = await held(alice, "50.00")
    assert (await approve(people[0], second)).status_code == 200
    again = await alice.pay(bodies[0])
    assert (again.status_code, "payment_id" in again.json()) == (422, True)
    await must_be_right(database, ledger_id)


async def test_the_first_that_refuses_is_named_and_the_strictest_review_decides(
    judging: Service, rules_file: Path, alice: Client
) -> None:
    review = {**LIMIT, "name": "one", "action": "review", "amount_max": "10"}
    two = {**LIMIT, "name": "two", "action": "review", "amount_max": "20", "two_approvals_from": "0"}
    refusing = [named("limit", amount_max="30"), {**named("limit", amount_max="25"), "name": "last"}]
    await set_to(judging, rules_file, review, two, *refusing)
    found = []
    for amount in ("10", "11", "21", "26", "31"):
        answer = await alice.transfer("alice", "bob", amount)
        found.append((answer.status_code, answer.json().get("rule"), answer.json().get("approvals_needed")))
    assert found == [(201, None, None), (202, "one", 1), (202, "one", 2), (422, "last", None), (422, "it", None)]


async def test_what_the_books_refuse_is_held_for_nobody(alice: Client, holding: str) -> None:
    answer = await alice.transfer("alice", "bob", "100000.01")
    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")
    refused = (await alice.transfer("bob", "alice", "99")).json()
    assert refused["code"] == "insufficient_funds"


async def test_bulk_calls_are_judged_item_by_item_and_do_not_wait_where_all_go_together(
    alice: Client, holding: str, database: Database, ledger_id: LedgerId
) -> None:
    items = [{**PLAIN, "amount": amount, "idempotency_key": fresh_key()} for amount in ("1.00", "200.00", "2.00")]
    answer = await alice.post("/v1/payments/bulk", {"items": items})
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [201, 202, 201]
    assert results[1]["data"]["status"] == "in_review"
    again = (await alice.post("/v1/payments/bulk", {"items": items})).json()["results"]
    assert [(one["status"], one["replayed"], one["data"]) for one in again] == [
        (one["status"], True, one["data"]) for one in results
    ]
    fresh = [{**item, "idempotency_key": fresh_key()} for item in items]
    atomic = await alice.post("/v1/payments/bulk?mode=atomic", {"items": fresh})
    problem = atomic.json()
    assert (atomic.status_code, problem["code"], problem["index"], problem["action"]) == (
        422,
        "rule_refused",
        1,
        "review",
    )
    assert (await alice.balance("bob"))["posted"] == "3.00"
    assert (await alice.post("/v1/payments/bulk?mode=atomic", {"items": [fresh[0], fresh[2]]})).status_code == 200
    await must_be_right(database, ledger_id)


async def test_a_rehearsal_is_judged_and_leaves_nothing(alice: Client, holding: str) -> None:
    answer = await alice.post("/v1/payments?dry_run=true", {**PLAIN, "amount": "200"}, key=fresh_key())
    assert (answer.status_code, answer.json()["status"], answer.json()["dry_run"]) == (200, "in_review", True)
    assert (await alice.get("/v1/reviews")).json()["data"] == []
    bulk = {"items": [{**PLAIN, "amount": "200", "idempotency_key": fresh_key()}]}
    [result] = (await alice.post("/v1/payments/bulk?dry_run=true", bulk)).json()["results"]
    assert (result["status"], result["data"]["rule"]) == (202, "large transfers")


async def test_what_has_conditions_cannot_wait(alice: Client, holding: str) -> None:
    conditions = [{"account": "alice", "available_at_least": "1.00"}]
    answer = await alice.pay({**PLAIN, "amount": "200", "conditions": conditions})
    assert (answer.status_code, answer.json()["action"]) == (422, "review")
    assert (await alice.pay({**PLAIN, "amount": "20", "conditions": conditions})).status_code == 201


async def test_what_says_something_about_a_person_cannot_wait(alice: Client, holding: str) -> None:
    said = {"personal": {"subject": "person-1", "members": {"name": "Ada"}}}
    answer = await alice.pay({**PLAIN, "amount": "200", **said})
    assert (answer.status_code, answer.json()["code"], answer.json()["action"]) == (422, "rule_refused", "review")
    assert (await alice.get("/v1/subjects/person-1")).json()["entries"] == 0
    assert (await alice.pay({**PLAIN, "amount": "20", **said})).status_code == 201
    assert (await alice.get("/v1/subjects/person-1")).json()["entries"] == 1


async def test_a_scheduled_payment_is_judged_when_it_is_run(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    for code in ("tenant", "landlord"):
        await alice.open_account(code, min_available=None)
    due = [await scheduled(alice, amount=amount) for amount in ("10", "20", "30")]
    limits = [{**LIMIT, "amount_max": "25"}, {**HELD, "name": "held", "amount_max": "15"}]
    twice = {"name": "twice", "kind": "duplicate", "window_seconds": 600}
    often = {"name": "often", "kind": "velocity", "party": "from", "window_seconds": 600, "count_max": 5}
    await set_to(judging, rules_file, *limits, twice, often)
    await run_at(judging, now() + SOON)
    runs = [(await read(alice, made))["runs"][0] for made in due]
    told = [(run["outcome"], (run["refusal"] or {}).get("facts", {}).get("rule")) for run in runs]
    assert told == [("executed", None), ("skipped", "held"), ("skipped", "large transfers")]
    same = await scheduled(alice, amount="10", reference="other")
    await run_at(judging, now() + SOON)
    [run] = (await read(alice, same))["runs"]
    assert run["refusal"]["facts"]["rule"] == "twice"
    assert RENT["amount"] == "10"
    await must_be_right(database, ledger_id)


async def test_a_hold_is_judged_as_the_transfer_that_it_promises(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    often = {"name": "often", "kind": "velocity", "party": "from", "window_seconds": 600, "count_max": 3}
    twice = {"name": "twice", "kind": "duplicate", "window_seconds": 600}
    await set_to(
        judging, rules_file, {**HELD, "name": "held", "amount_max": "50"}, {**LIMIT, "amount_max": "80"}, often, twice
    )

    async def place(amount: str, key: str | None = None) -> tuple[int, Any, Any]:
        hold = {"amount": amount, "currency": "USD", "from": "alice", "to": "bob"}
        answer = await alice.post("/v1/holds", hold, key=key or fresh_key())
        return answer.status_code, answer.json().get("rule"), answer.json().get("action")

    key = fresh_key()
    assert await place("81", key) == (422, "large transfers", None)
    assert await place("51") == (422, "held", "review")
    assert [await place("5") for _ in range(4)] == [(201, None, None)] * 3 + [(422, "often", None)]
    await set_to(judging, rules_file)
    assert await place("81", key) == (422, "large transfers", None)
    assert await place("81") == (201, None, None)
    await must_be_right(database, ledger_id)
