"""No rule is gone round by a hold: an increment is a greater promise, as a capture of more than is held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.rules.judging import HELD, LIMIT, must_be_right, read_at_once, write_rules
from tests.rules.scores import Scores, scored, scoring
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


@pytest.fixture
def scores() -> Iterator[Scores]:
    """By the amount: from 51 on what it says is held, from 80 on refused."""
    with scoring() as made:
        made.answer = lambda asked: (200, json.dumps({"score": min(float(asked["amount"]), 1000)}).encode())
        yield made


HOLD = {"currency": "USD", "from": "alice", "to": "bob"}


async def set_to(service: Service, file: Path, *rules: Any) -> None:
    write_rules(file, *rules)
    await read_at_once(service)


async def place(client: Client, amount: str, **members: Any) -> Any:
    return await client.post("/v1/holds", {**HOLD, "amount": amount, **members}, key=fresh_key())


async def placed(client: Client, amount: str, **members: Any) -> str:
    answer = await place(client, amount, **members)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def changed(client: Client, hold: str, verb: str, key: str | None = None, **body: Any) -> Any:
    return await client.post(f"/v1/holds/{hold}/{verb}", body, key=key or fresh_key())


async def resolved(client: Client, hold: str, *amounts: str) -> Any:
    """Captured together, or not at all."""
    members = {"hold": hold, "action": "capture"}
    return await client.post(
        "/v1/holds/resolve",
        {"items": [{**members, "amount": amount, "idempotency_key": fresh_key()} for amount in amounts]},
    )


def told(answer: Any) -> tuple[Any, ...]:
    problem = answer.json()
    pointer = problem["errors"][0]["pointer"] if problem.get("errors") else None
    return answer.status_code, problem.get("rule"), pointer, problem.get("action")


async def test_no_more_is_promised_or_captured_than_a_payment_may_be(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    before = await placed(alice, "90", capture_max="500")
    await set_to(judging, rules_file, LIMIT, {**HELD, "name": "held", "amount_max": "95"})
    assert told(await place(alice, "90", capture_max="500")) == (422, "large transfers", "/amount", None)
    assert told(await changed(alice, before, "capture", amount="500")) == (422, "large transfers", "/amount", None)
    hold, key = await placed(alice, "90"), fresh_key()
    assert told(await changed(alice, hold, "increment", key, amount="20")) == (422, "large transfers", "/amount", None)
    assert told(await changed(alice, hold, "increment", amount="6")) == (422, "held", "/amount", "review")
    assert (await changed(alice, hold, "increment", amount="5")).status_code == 200
    assert (await changed(alice, hold, "capture")).status_code == 200
    assert (await changed(alice, before, "capture", amount="60")).status_code == 200
    await set_to(judging, rules_file, {**LIMIT, "amount_max": "20"})
    assert (await changed(alice, before, "capture", amount="10")).status_code == 200  # It was promised.
    assert (await changed(alice, before, "void")).status_code == 200
    await set_to(judging, rules_file)
    assert told(await changed(alice, hold, "increment", key, amount="20")) == (422, "large transfers", "/amount", None)
    await must_be_right(database, ledger_id)


async def test_what_is_more_than_was_held_leaves_the_account(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    tolerant = await placed(alice, "10", capture_max="500")
    much = {"name": "much", "kind": "velocity", "party": "from", "currencies": ["USD"], "sum_max": "200"}
    # The deposit has not left the account; of the holds counts what was held.
    await set_to(judging, rules_file, {**much, "window_seconds": 600})
    hold = await placed(alice, "90")
    assert told(await changed(alice, hold, "increment", amount="100.01")) == (422, "much", "", None)
    assert (await changed(alice, hold, "increment", amount="90")).status_code == 200
    assert told(await changed(alice, tolerant, "capture", amount="20.01")) == (422, "much", "", None)
    assert (await changed(alice, hold, "capture")).status_code == 200  # It was promised.
    assert (await changed(alice, tolerant, "capture", amount="20")).status_code == 200
    await must_be_right(database, ledger_id)


async def test_who_gets_a_part_of_a_capture_is_a_party(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    await alice.open_account("mallory")
    hold = await placed(alice, "50")
    splits = [{"to": "mallory", "percent": "99"}, {"to": "bob", "remainder": True}]
    await set_to(judging, rules_file, {"name": "sanctions", "kind": "blocked", "blocked_accounts": ["mallory"]})
    assert told(await changed(alice, hold, "capture", splits=splits)) == (422, "sanctions", "/splits", None)
    assert (await changed(alice, hold, "capture")).status_code == 200
    await must_be_right(database, ledger_id)


async def test_a_score_is_asked_again_where_more_is_promised(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, database: Database, ledger_id: LedgerId
) -> None:
    await alice.open_account("mallory")
    await set_to(judging, rules_file, scored(scores.url))
    hold = await placed(alice, "1", capture_max="20")
    key = fresh_key()
    assert told(await changed(alice, hold, "increment", key, amount="99999")) == (422, "risk", None, None)
    assert told(await changed(alice, hold, "increment", amount="59")) == (422, "risk", None, "review")
    assert told(await changed(alice, hold, "increment", key, amount="99999")) == (422, "risk", None, None)
    assert [asked["amount"] for asked in scores.asked] == ["20.00", "100000.00", "60.00"]
    assert (await changed(alice, hold, "increment", amount="9")).status_code == 200
    assert (await changed(alice, hold, "capture", amount="10")).status_code == 200, "it was promised"
    assert len(scores.asked) == 4
    beyond = await placed(alice, "10", capture_max="49")
    scores.answer = lambda _: (200, b'{"score": 99}')
    assert told(await changed(alice, beyond, "capture", amount="12")) == (422, "risk", None, None)
    splits = [{"to": "mallory", "percent": "99"}, {"to": "bob", "remainder": True}]
    assert told(await changed(alice, beyond, "capture", splits=splits)) == (422, "risk", None, None)
    assert scores.asked[-1]["receivers"] == ["mallory", "bob"]
    refused = await resolved(alice, beyond, "6", "5")
    assert told(refused) == (422, "risk", None, None), refused.json()
    scores.answer = lambda _: (200, b'{"score": 0}')
    before = len(scores.asked)
    assert (await resolved(alice, beyond, "6", "5")).is_success
    assert [asked["amount"] for asked in scores.asked[before:]] == ["11.00"]
    await must_be_right(database, ledger_id)


async def test_of_several_increments_at_once_each_is_asked_about_with_those_before_it(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, database: Database, ledger_id: LedgerId
) -> None:
    await set_to(judging, rules_file, scored(scores.url, review_from=49, refuse_from=50))
    hold = await placed(alice, "10")
    answers = await asyncio.gather(*[changed(alice, hold, "increment", amount="30") for _ in range(3)])
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422]
    assert (await alice.get(f"/v1/holds/{hold}")).json()["amount"] == "40.00"
    await must_be_right(database, ledger_id)
