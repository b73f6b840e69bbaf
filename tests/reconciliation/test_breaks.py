"""Breaks: explained or not, worked on, adjusted; what comes later closes them, and a file that comes again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.reconciliation.ground import BANK, breaks, csv_of, entry, make_source, open_bank, report, send, sent, today
from zerosum.adapters.clock import now
from zerosum.main import Service
from zerosum.services.reconciliation import breaks as break_steps
from zerosum.services.reconciliation.adjustments import ReconciliationAdjustments

DAY = today()
YESTERDAY, TOMORROW = ((now() + timedelta(days=days)).date().isoformat() for days in (-1, 1))


@pytest.fixture
async def bank(client: Client) -> Client:
    await open_bank(client)
    (await make_source(client)).raise_for_status()
    return client


async def _one_break(client: Client, **parameters: Any) -> dict[str, Any]:
    (found,) = await breaks(client, **parameters)
    return found


async def _step(client: Client, one: dict[str, Any], word: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"/v1/reconciliation/breaks/{one['id']}/{word}", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_same_file_is_the_same_and_looks_again_at_what_is_open(bank: Client) -> None:
    content = csv_of(f"{DAY},b1,late,5.00,", f"{DAY},b2,never,6.00,")
    first = await sent(bank, content)
    assert (first["matched"], first["open_breaks"]) == (0, 2)
    await entry(bank, "5.00", key="late")
    again = await send(bank, content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**first, "matched": 1, "open_breaks": 1}
    assert [(one["line"], one["state"]) for one in await breaks(bank)] == [(1, "matched"), (2, "open")]
    assert len((await bank.get("/v1/reconciliation/files")).json()["data"]) == 1


async def test_what_the_other_side_has_said_of_a_line_is_shown_with_its_break(bank: Client) -> None:
    await entry(bank, "7.00", key="ours")
    await sent(bank, csv_of(f"{DAY},b1,unknown,5.00,Charges of November"))
    told = {}
    for one in await breaks(bank):
        found = (await bank.get(f"/v1/reconciliation/breaks/{one['id']}")).json()
        told[found["kind"]] = found["told"]
    line = {"booked_on": DAY, "value_on": None, "id": "b1", "references": ["unknown"]}
    assert told["missing_here"] == {**line, "description": "Charges of November"}
    assert told.get("missing_there") is None


async def test_a_line_that_an_earlier_file_has_told_of_is_not_told_again(bank: Client) -> None:
    await entry(bank, "5.00", key="r1")
    await sent(bank, csv_of(f"{DAY},b1,r1,5.00,"))
    second = await sent(bank, csv_of(f"{DAY},b1,r1,5.00,", f"{DAY},b2,r2,6.00,"))
    assert (second["lines"], second["repeats"], second["matched"], second["open_breaks"]) == (2, 1, 0, 1)


async def test_what_is_young_is_in_transit_and_a_later_file_closes_it(client: Client) -> None:
    await open_bank(client)
    (await make_source(client, rules={"transit_days": 2})).raise_for_status()
    await entry(client, "9.00", key="r9", effective_at=f"{YESTERDAY}T00:00:00Z")
    await sent(client, csv_of(f"{YESTERDAY},b1,r1,1.00,"))
    young = await _one_break(client, explained="true")
    assert (young["kind"], young["explanation"], young["explained_until"]) == ("missing_there", "in_transit", TOMORROW)
    told = await report(client)
    assert told["unexplained"] == 1
    later = (now() + timedelta(days=2)).date().isoformat()
    assert (await report(client, as_of=later))["unexplained"] == 2
    await sent(client, csv_of(f"{DAY},b2,r9,9.00,"))
    assert await breaks(client, explained="true", state="open") == []
    detail = (await client.get(f"/v1/reconciliation/breaks/{young['id']}")).json()
    assert [(step["number"], step["step"], step["left_as"]["state"]) for step in detail["steps"]] == [
        (1, "opened", "open"),
        (2, "matched", "matched"),
    ]


async def test_a_later_value_date_explains_a_line_until_then(client: Client) -> None:
    await open_bank(client)
    (await make_source(client, columns={"value_date": "value"})).raise_for_status()
    await sent(client, csv_of(f"{DAY},b1,r1,1.00,,{TOMORROW}", header="day,id,reference,amount,text,value"))
    one = await _one_break(client)
    assert (one["explanation"], one["explained_until"], one["day"]) == ("value_date", TOMORROW, TOMORROW)


async def test_a_new_version_of_the_rules_leaves_what_was_matched(bank: Client) -> None:
    await entry(bank, "5.00", key="r1")
    await entry(bank, "7.00", key="r2")
    content = csv_of(f"{DAY},b1,r1,5.00,", f"{DAY},b2,r2,7.01,")
    assert (await sent(bank, content))["matched"] == 1
    assert {one["kind"] for one in await breaks(bank)} == {"different"}
    second = await make_source(bank, rules={"tolerance": "0.01"})
    assert (second.json()["version"], second.json()["rules"]["tolerance"]) == (2, "0.01")
    assert (await make_source(bank, rules={"tolerance": "0.01"})).json()["version"] == 2, "the same again is no version"
    assert (await sent(bank, content))["matched"] == 2
    assert {one["state"] for one in await breaks(bank)} == {"matched"}
    assert (await bank.get("/v1/reconciliation/sources/bank?version=1")).json()["rules"]["tolerance"] == "0.00"


async def test_a_break_is_assigned_noted_explained_and_resolved_and_all_of_it_is_kept(bank: Client) -> None:
    await sent(bank, csv_of(f"{DAY},b1,r1,5.00,"))
    one = await _one_break(bank)
    await _step(bank, one, "assign", {"owner": "dana"})
    await _step(bank, one, "assign", {"owner": "dana"})
    await _step(bank, one, "note", {"note": "Asked the bank."})
    explained = await _step(bank, one, "explain", {"reason": "They book it late.", "until": TOMORROW})
    assert (explained["is_explained"], explained["explanation"]) == (True, "by_hand")
    assert (await report(bank))["unexplained"] == 0
    resolved = await _step(bank, one, "resolve", {"reason": "Was not ours."})
    assert (resolved["state"], resolved["owner"], resolved["note"]) == ("resolved", "dana", "Was not ours.")
    answer = await bank.post(f"/v1/reconciliation/breaks/{one['id']}/note", {"note": "Too late."})
    refused(answer, 409, "reconciliation_break_closed", facts={"state": "resolved"})
    detail = (await bank.get(f"/v1/reconciliation/breaks/{one['id']}")).json()
    assert [step["step"] for step in detail["steps"]] == ["opened", "assigned", "noted", "explained", "resolved"]
    assert {step["actor"] for step in detail["steps"]} == {detail["steps"][0]["actor"]}
    await entry(bank, "5.00", key="r1")
    assert (await sent(bank, csv_of(f"{DAY},b1,r1,5.00,")))["matched"] == 0, "it was said that nothing is to be done"


async def test_a_line_that_the_books_lack_is_posted_once(bank: Client) -> None:
    await sent(bank, csv_of(f"{DAY},b1,charges,-2.50,"))
    one = await _one_break(bank)
    body = {"account": "expenses:fees", "reason": "Bank charges"}
    path = f"/v1/reconciliation/breaks/{one['id']}/adjust"
    answers = await asyncio.gather(*[bank.post(path, body) for _ in range(4)])
    answers.append(await bank.post(path, {**body, "reason": "Another"}))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert {(answer.json()["state"], answer.json()["adjustment"]) for answer in answers} == {
        ("adjusted", answers[0].json()["adjustment"])
    }
    made = (await bank.get(f"/v1/journal-entries/{answers[0].json()['adjustment']}")).json()
    assert made["metadata"] == {"reconciliation_break": one["id"]}
    assert [(await bank.balance(code))["posted"] for code in (BANK, "expenses:fees")] == ["-2.50", "2.50"]
    file = await sent(bank, csv_of(f"{DAY},b1,charges,-2.50,"))
    assert (file["matched"], file["open_breaks"]) == (1, 0), "the entry is matched with the line and is no break itself"
    assert len(await breaks(bank)) == 1


async def test_whoever_dies_behind_the_entry_is_followed_by_the_same_request(
    bank: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(bank, csv_of(f"{DAY},b1,charges,-2.50,"))
    one = await _one_break(bank)
    path, body = f"/v1/reconciliation/breaks/{one['id']}/adjust", {"account": "expenses:fees", "reason": "Charges"}

    async def die(*_: object) -> None:
        raise ConnectionError("the process has died")

    monkeypatch.setattr(ReconciliationAdjustments, "_link", die)
    assert (await bank.post(path, body)).status_code == 500
    monkeypatch.undo()
    resolved = await bank.post(f"/v1/reconciliation/breaks/{one['id']}/resolve", {"reason": "x"})
    refused(resolved, 409, "reconciliation_break_closed", facts={"state": "adjusting"})
    again = await sent(bank, csv_of(f"{DAY},b1,charges,-2.50,"))
    assert again["matched"] == 0, "nobody matches it meanwhile, not even with its own entry"
    other = await bank.post(path, {**body, "reason": "By somebody else"})
    assert (other.status_code, other.json()["state"]) == (200, "adjusted"), other.text
    assert (await bank.balance(BANK))["posted"] == "-2.50"
    assert [(one["line"], one["state"]) for one in await breaks(bank, state="adjusted")] == [(1, "adjusted")]


async def test_an_entry_that_is_too_much_is_taken_back(bank: Client) -> None:
    await entry(bank, "8.00")
    await sent(bank, csv_of(f"{DAY},b1,r1,1.00,"))
    one = (await breaks(bank))[-1]
    assert one["kind"] == "missing_there"
    answer = await bank.post(
        f"/v1/reconciliation/breaks/{one['id']}/adjust", {"account": "equity:owner", "reason": "Never came"}
    )
    assert answer.json()["state"] == "adjusted"
    assert (await bank.balance(BANK))["posted"] == "0.00"
    assert {one["state"] for one in await breaks(bank, state="adjusted")} == {"adjusted"}


async def test_what_the_books_refuse_leaves_the_break_open_and_may_be_tried_otherwise(bank: Client) -> None:
    await bank.open_account("poor")
    await sent(bank, csv_of(f"{DAY},b1,r1,5.00,"))
    one = await _one_break(bank)
    path = f"/v1/reconciliation/breaks/{one['id']}/adjust"
    nobody = await bank.post(path, {"account": "nobody", "reason": "x"})
    refused(nobody, 422, "account_not_found", "/account", members=("account",))
    refused(await bank.post(path, {"account": BANK, "reason": "x"}), 422, "validation_error", "/account")
    await sent(bank, csv_of(f"{DAY},b2,r2,-5.00,"))
    out = f"/v1/reconciliation/breaks/{(await breaks(bank))[-1]['id']}/adjust"
    for _ in range(2):
        refused(
            await bank.post(out, {"account": "poor", "reason": "x"}), 422, "insufficient_funds", members=("account",)
        )
    assert {one["state"] for one in await breaks(bank)} == {"open"}
    for each in (path, out):
        answer = await bank.post(each, {"account": "equity:owner", "reason": "x"})
        assert (answer.status_code, answer.json()["state"]) == (200, "adjusted")


async def test_whoever_is_refused_takes_nothing_from_who_has_joined_him(
    bank: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is there and not yet written down: opened again, the break could be resolved, or matched otherwise."""
    await sent(bank, csv_of(f"{DAY},b1,r1,5.00,"))
    one = await _one_break(bank)
    path = f"/v1/reconciliation/breaks/{one['id']}/adjust"
    has_joined, is_refused = asyncio.Event(), asyncio.Event()
    order, link = ReconciliationAdjustments._entry_order, ReconciliationAdjustments._link

    async def slow_order(self: Any, caller: Any, found: Any, wanted: Any, key: str) -> Any:
        if wanted.account == BANK:
            await has_joined.wait()
        return await order(self, caller, found, wanted, key)

    async def slow_link(self: Any, *given: Any) -> Any:
        has_joined.set()
        await is_refused.wait()
        return await link(self, *given)

    monkeypatch.setattr(ReconciliationAdjustments, "_entry_order", slow_order)
    monkeypatch.setattr(ReconciliationAdjustments, "_link", slow_link)
    first = asyncio.create_task(bank.post(path, {"account": BANK, "reason": "x"}))
    while (await _one_break(bank))["state"] != "adjusting":
        await asyncio.sleep(0.01)
    second = asyncio.create_task(bank.post(path, {"account": "equity:owner", "reason": "x"}))
    refused(await first, 422, "validation_error", "/account")
    assert (await _one_break(bank))["state"] == "adjusting"
    is_refused.set()
    assert ((await second).status_code, (await second).json()["state"]) == (200, "adjusted"), (await second).text


async def test_tries_that_fail_do_not_lengthen_the_history_for_ever(
    bank: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(break_steps, "CHANGES_MAX", 7)
    await sent(bank, csv_of(f"{DAY},b1,r1,5.00,"))
    path = f"/v1/reconciliation/breaks/{(await _one_break(bank))['id']}/adjust"
    for _ in range(3):
        refused(await bank.post(path, {"account": BANK, "reason": "x"}), 422, "validation_error", "/account")
    assert (await bank.post(path, {"account": BANK, "reason": "x"})).json()["code"] == "quota_exceeded"
    assert (await _one_break(bank))["state"] == "open"


async def test_the_report_as_csv_is_that_as_json(bank: Client) -> None:
    await entry(bank, "5.00", key="r1")
    await sent(bank, csv_of(f"{DAY},b1,r1,5.00,", f"{DAY},b2,r2,6.00,"))
    answer = await bank.get("/v1/reconciliation/report", params={"format": "csv", "from": DAY, "to": DAY})
    assert answer.headers["content-type"].startswith("text/csv")
    header, row = answer.text.split()
    told = dict(zip(header.split(","), row.split(","), strict=True))
    (day,) = (await report(bank))["days"]
    assert told == {name: str(value) for name, value in day.items()}
    refused(await bank.get("/v1/reconciliation/report?from=2026-02-30"), 422, "invalid_parameter", "from")
    refused(await bank.get("/v1/reconciliation/report?from=2026-01-01&to=2026-12-31"), 422, "invalid_parameter", "to")
