"""People who decide at once, in two services: a review ends one way, and what was ordered is paid once or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key, make_client, service_settings
from tests.api.test_first_use import put_chart
from tests.conftest import Servers, TestDatabase
from tests.rules.judging import approve, held, must_be_right, read_at_once, refuse, write_rules
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.payments.routing import Route
from zerosum.main import Service
from zerosum.services.requests.outside_processors import OutsideProcessors

ROUNDS = 8


@pytest.fixture
async def elsewhere(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId, people: list[Client]
) -> AsyncIterator[list[Client]]:
    """Two people again, at another service that has no rules: what was held before is decided there too."""
    other = Service(service_settings(test_database, servers))
    await other.start()
    clients = [await make_client(other, ledger_id) for _ in range(2)]
    yield clients
    for client in clients:
        await client.http.aclose()
    await other.stop()


async def test_two_who_approve_at_once_pay_once(
    alice: Client, people: list[Client], elsewhere: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    for _ in range(ROUNDS):
        review = await held(alice, "150")
        answers = await asyncio.gather(*[approve(client, review) for client in (*people, *elsewhere)])
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert (await alice.balance("bob"))["posted"] == f"{150 * ROUNDS}.00"
    await must_be_right(database, ledger_id)


async def test_of_three_approvals_at_once_two_count(
    alice: Client, people: list[Client], elsewhere: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    for _ in range(ROUNDS):
        review = await held(alice, "1000")
        answers = await asyncio.gather(*[approve(client, review) for client in (*people, elsewhere[0])])
        assert sorted(answer.status_code for answer in answers) == [200, 200, 409]
        assert (await alice.get(f"/v1/reviews/{review['id']}")).json()["status"] == "approved"
    assert (await alice.balance("bob"))["posted"] == f"{1000 * ROUNDS}.00"
    await must_be_right(database, ledger_id)


async def test_approve_against_refuse_ends_one_way(
    alice: Client, people: list[Client], elsewhere: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    paid = 0
    for number in range(ROUNDS):
        review = await held(alice, "150")
        ways = [approve(people[0], review), refuse(elsewhere[0], review), refuse(people[1], review)]
        first, *rest = await asyncio.gather(*(reversed(ways) if number % 2 else ways))
        statuses = sorted(answer.status_code for answer in (first, *rest))
        assert statuses == [200, 409, 409]
        found = (await alice.get(f"/v1/reviews/{review['id']}")).json()
        paid += found["status"] == "approved"
        assert (found["payment_id"] is not None) == (found["status"] == "approved")
    assert (await alice.balance("bob"))["posted"] == f"{150 * paid}.00"
    await must_be_right(database, ledger_id)


async def test_the_same_key_at_once_is_one_approval(
    alice: Client, people: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    review, key = await held(alice, "150"), fresh_key()
    answers = await asyncio.gather(*[approve(people[0], review, key) for _ in range(5)])
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (await alice.balance("bob"))["posted"] == "150.00"
    await must_be_right(database, ledger_id)


async def test_the_books_of_that_moment_have_the_last_word(
    alice: Client, people: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    review = await held(alice, "60000")
    assert (await approve(people[0], review)).status_code == 200
    assert (await alice.pay({"type": "withdrawal", "amount": "50000", "currency": "USD", "from": "alice"})).is_success
    answer = await approve(people[1], review)
    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")
    assert (await alice.get(f"/v1/reviews/{review['id']}")).json()["status"] == "in_review"
    await alice.deposit("alice", "50000")
    assert (await approve(people[1], review)).json()["status"] == "approved"
    await must_be_right(database, ledger_id)


async def test_a_payment_of_any_shape_is_held_and_paid(
    judging: Service,
    rules_file: Path,
    alice: Client,
    people: list[Client],
    database: Database,
    ledger_id: LedgerId,
) -> None:
    """With parts, a date, texts, through a processor, into an account that is opened by its first use."""
    write_rules(rules_file, {"name": "all", "kind": "limit", "amount_max": "0", "action": "review"})
    await read_at_once(judging)
    out = {"type": "withdrawal", "amount": "9.00", "currency": "USD", "from": "alice"}
    bodies: list[dict[str, Any]] = [
        {**out, "processor": "away"},
        {**out, "splits": [{"to": "bob", "percent": "10"}]},
        {**out, "type": "transfer", "to": "bob", "splits": [{"to": "clearing:internal:USD", "amount": "1"}]},
        {**out, "type": "transfer", "splits": [{"to": "bob", "remainder": True}], "description": "d"},
        {**out, "type": "deposit", "from": None, "to": "bob", "effective_at": "2026-01-02T03:04:05.678Z"},
    ]
    bodies.append({**out, "type": "transfer", "to": "wallets:new"})
    await put_chart(alice, {"pattern": "wallets:*", "type": "liability"})
    wanted = ["processing", "succeeded", "succeeded", "succeeded", "succeeded", "succeeded"]
    for number, (body, status) in enumerate(zip(bodies, wanted, strict=True)):
        answer = await alice.pay({name: value for name, value in body.items() if value is not None})
        assert answer.status_code == 202, answer.text
        approved = await approve(people[0], answer.json())
        assert approved.status_code == 200, (number, approved.text)
        payment = (await alice.get(f"/v1/payments/{approved.json()['payment_id']}")).json()
        assert payment["status"] == status
    await must_be_right(database, ledger_id)


@pytest.mark.parametrize("own", ["from", "to"])
async def test_what_was_held_goes_by_the_route_of_the_day_it_is_approved(
    judging: Service,
    rules_file: Path,
    alice: Client,
    people: list[Client],
    monkeypatch: pytest.MonkeyPatch,
    database: Database,
    ledger_id: LedgerId,
    own: str,
) -> None:
    """The processor is another one, and so is its clearing account."""
    write_rules(rules_file, {"name": "all", "kind": "limit", "amount_max": "0", "action": "review"})
    await read_at_once(judging)

    def route_to(processor: str) -> None:
        route = Route(name="it", processors=(processor,))
        outside = OutsideProcessors(names=frozenset({"away", "abroad"}), routes=(route,))
        monkeypatch.setattr(judging.services.payments.kind, "_outside", outside)

    route_to("away")
    type_ = "withdrawal" if own == "from" else "deposit"
    body = {"type": type_, "amount": "9.00", "currency": "USD", own: "alice", "processor": "auto"}
    answer = await alice.pay(body)
    assert answer.status_code == 202, answer.text
    route_to("abroad")
    approved = await approve(people[0], answer.json())
    assert approved.status_code == 200, approved.text
    payment = (await alice.get(f"/v1/payments/{approved.json()['payment_id']}")).json()
    assert (payment["status"], payment["processor"]) == ("processing", "abroad")
    await must_be_right(database, ledger_id)


async def test_what_is_refused_opens_no_account(judging: Service, rules_file: Path, alice: Client) -> None:
    write_rules(rules_file, {"name": "all", "kind": "limit", "amount_max": "0"})
    await read_at_once(judging)
    await put_chart(alice, {"pattern": "wallets:*", "type": "liability"})
    answer = await alice.pay(
        {"type": "transfer", "amount": "1", "currency": "USD", "from": "alice", "to": "wallets:new"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "rule_refused")
    assert (await alice.get("/v1/accounts/wallets:new")).status_code == 404
