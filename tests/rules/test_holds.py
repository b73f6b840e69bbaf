"""No rule is gone round by a hold: an increment is a greater promise, as a capture of more than is held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.api.conftest import Client, fresh_key
from tests.rules.judging import HELD, LIMIT, must_be_right, read_at_once, write_rules
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

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
