"""The ways in that are not plain calls: the express way, and messages."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.api.conftest import Client, fresh_key, over_socket
from tests.api.serving import served
from tests.ingest.ground import caller_of, desk_of
from tests.ingest.test_messages import message
from tests.rules.judging import HELD, LIMIT, PLAIN, approve, held, must_be_right, read_at_once, write_rules
from zerosum.api.messages import MessageDesk
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.messages import DeadLetterStatus, OutcomeKind, maker_of_messages
from zerosum.gateway.app import Gateway
from zerosum.main import Service
from zerosum.services.committing.submission import Prepared


async def test_payments_go_express_with_a_rule_and_without_one(
    judging: Service, rules_file: Path, alice: Client, ledger_id: LedgerId
) -> None:
    assert isinstance(judging.app, Gateway)
    async with served(judging) as port, AsyncExitStack() as stack:
        caller = await over_socket(stack, judging, ledger_id, port)
        body, taken = {**PLAIN, "amount": "200.00"}, judging.app.express.taken
        await caller.pay(body)  # what it names is in memory then
        for number in range(3):
            answer = await caller.pay(body)
            assert (answer.status_code, judging.app.express.taken >= taken + number) == (201, True)
        taken = judging.app.express.taken
        write_rules(rules_file, LIMIT)
        await read_at_once(judging)
        key = fresh_key()
        refused = await caller.pay(body, key)
        write_rules(rules_file, HELD)
        await read_at_once(judging)
        held = await caller.pay(body)
        assert (refused.status_code, held.status_code, judging.app.express.taken) == (422, 202, taken + 2)
        key_of_held = fresh_key()
        first = await caller.pay(body, key_of_held)
        write_rules(rules_file)
        await read_at_once(judging)
        for used, before in ((key, refused), (key_of_held, first)):
            again = await caller.pay(body, used)
            assert (again.status_code, again.headers["idempotency-replayed"]) == (before.status_code, "true")
            assert again.json() | {"request_id": ""} == before.json() | {"request_id": ""}


async def test_messages_are_judged_and_held(
    judging: Service,
    rules_file: Path,
    alice: Client,
    holding: str,
    people: list[Client],
    database: Database,
    ledger_id: LedgerId,
) -> None:
    rules = json.loads(rules_file.read_text(encoding="utf-8"))["rules"]
    write_rules(rules_file, *rules, {**LIMIT, "name": "far too large", "amount_max": "5000"})
    await read_at_once(judging)
    desk = desk_of(judging, alice)
    amounts = ("1.00", "200.00", "6000.00")
    sent = [
        message({"command": "payment", **PLAIN, "amount": amount}, f"{ledger_id}-{place}")
        for place, amount in enumerate(amounts)
    ]
    for is_again in (False, True):
        outcomes = await desk.carry_out([desk.read(one) for one in sent])
        assert [one.kind for one in outcomes] == [OutcomeKind.DONE, OutcomeKind.DONE, OutcomeKind.REFUSED]
        assert [one.is_replay for one in outcomes] == [is_again] * 3
        told = [one.answer for one in outcomes]
        assert told[1]["data"]["status"] == "in_review"  # type: ignore[index]
        assert told[2]["problem"]["rule"] == "far too large"  # type: ignore[index]
    answer = await approve(people[0], told[1]["data"])  # type: ignore[arg-type]
    assert answer.json()["status"] == "approved"
    assert (await alice.balance("bob"))["posted"] == "201.00"
    await must_be_right(database, ledger_id)


async def test_a_plain_message_goes_past_its_model_only_where_nobody_judges(
    judging: Service, rules_file: Path, alice: Client, ledger_id: LedgerId
) -> None:
    desk = desk_of(judging, alice)
    sent = message({"command": "payment", **PLAIN, "amount": "1.00"}, f"{ledger_id}-sent")
    assert isinstance(desk.read(sent).order, Prepared)
    write_rules(rules_file, LIMIT)
    await read_at_once(judging)
    assert not isinstance(desk.read(sent).order, Prepared)


async def test_who_writes_to_an_input_does_not_approve_what_was_replayed_of_it(
    judging: Service, alice: Client, people: list[Client]
) -> None:
    """Whoever replays it carries it out, and it is still made by who has sent it."""
    sender = (await held(people[0], "150"))["made_by"]
    ingestion, caller = judging.services.ingestion, caller_of(alice)
    sent = message({"command": "payment", **PLAIN, "amount": "150.00", "idempotency_key": "one"})
    letter = ingestion.put_aside(sent, DeadLetterStatus.DEAD, "internal_error", {}, 5, sender)
    await ingestion.only_set_aside(caller, [letter])
    replayed = (await people[1].post(f"/v1/dead-letters/dl_{letter.id}/replay", {})).json()
    own = await approve(people[0], replayed["outcome"]["data"])
    assert (own.status_code, own.json()["code"]) == (409, "four_eyes_required")


async def test_who_writes_to_an_input_does_not_approve_what_comes_by_it(
    judging: Service, alice: Client, people: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    sender = (await held(people[0], "150"))["made_by"]
    made = replace(caller_of(alice), actor=maker_of_messages("orders", sender))
    desk = MessageDesk(judging.services, made)
    sent = message({"command": "payment", **PLAIN, "amount": "150.00"}, f"{ledger_id}-sent")
    [outcome] = await desk.carry_out([desk.read(sent)])
    review: dict[str, Any] = outcome.answer["data"]  # type: ignore[assignment]
    assert review["made_by"] == f"zerosum ingest orders for {sender}"
    own = await approve(people[0], review)
    assert (own.status_code, own.json()["code"]) == (409, "four_eyes_required")
    assert (await approve(people[1], review)).json()["status"] == "approved"
    await must_be_right(database, ledger_id)
