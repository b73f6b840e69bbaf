"""What is held is seen wherever balances are told, at every instant, and lies in no sum of what is posted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.api.conftest import Client, fresh_key
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

STEPS: list[tuple[str, int, str | None, str, str]] = [
    # what happens to which tx, for how much; then what is posted, and what of it is held
    ("deposit", 1, "10", "10.0000", "0.0000"),
    ("deposit", 2, "5.5", "15.5000", "0.0000"),
    ("dispute", 2, None, "15.5000", "5.5000"),
    ("withdrawal", 3, "4", "11.5000", "5.5000"),
    ("dispute", 1, None, "11.5000", "15.5000"),  # more than there is
    ("resolve", 2, None, "11.5000", "10.0000"),
    ("dispute", 2, None, "11.5000", "15.5000"),
    ("chargeback", 1, None, "1.5000", "5.5000"),  # one hold is used up, the other stays
]
AVAILABLE = ["10.0000", "15.5000", "10.0000", "6.0000", "-4.0000", "1.5000", "-4.0000", "-4.0000"]
ACCOUNT = "clients:1"


@pytest.fixture
async def lines(client: Client) -> list[dict[str, Any]]:
    """The client's last posting of each step, oldest first; beside a neighbour of whom nothing is held."""
    await send(client, "deposit", 2, 100, "7")
    for type_, tx, amount, *_ in STEPS:
        await send(client, type_, 1, tx, amount)
    answer = await client.get(f"/v1/accounts/{ACCOUNT}/postings", params={"order": "asc", "limit": 50})
    last_of_each = {line["journal_entry_id"]: line for line in answer.json()["data"]}
    assert len(last_of_each) == len(STEPS)
    return list(last_of_each.values())


async def send(client: Client, type_: str, number: int, tx: int, amount: str | None) -> None:
    body = {"type": type_, "client": number, "tx": tx, **({} if amount is None else {"amount": amount})}
    answer = await client.post("/v1/transactions", body, key=fresh_key())
    assert answer.status_code == 201, answer.text


async def statement_from(client: Client, start: str) -> dict[str, Any]:
    end = datetime.fromisoformat(start) + timedelta(days=1)
    answer = await client.get(
        f"/v1/accounts/{ACCOUNT}/statement", params={"from": start, "to": end.isoformat().replace("+00:00", "Z")}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def figures(balance: dict[str, Any]) -> tuple[str, str, str, int]:
    return (balance["posted"], balance["held"], balance["available"], balance["version"])


async def test_each_posting_tells_what_was_held_after_it(lines: list[dict[str, Any]]) -> None:
    assert [(line["balance_after"], line["held_after"]) for line in lines] == [step[3:] for step in STEPS]
    layers = {"deposit": "posted", "withdrawal": "posted", "dispute": "pending", "resolve": "pending"}
    assert [line["layer"] for line in lines[:-1]] == [layers[step[0]] for step in STEPS[:-1]]


@pytest.mark.parametrize("axis", ["as_of", "recorded_as_of"])
async def test_a_balance_of_then_knows_what_was_held_then(
    client: Client, lines: list[dict[str, Any]], axis: str
) -> None:
    time = "effective_at" if axis == "as_of" else "posted_at"
    for number, (line, step) in enumerate(zip(lines, STEPS, strict=True)):
        told = await client.balance(ACCOUNT, **{axis: line[time]})
        assert figures(told) == (step[3], step[4], AVAILABLE[number], line["account_version"]), step


async def test_the_balance_of_now_is_that_of_the_last_instant(client: Client, lines: list[dict[str, Any]]) -> None:
    assert figures(await client.balance(ACCOUNT)) == figures(
        await client.balance(ACCOUNT, as_of=lines[-1]["effective_at"])
    )
    read = (await client.get("/v1/clients/1")).json()
    assert (read["total"], read["held"], read["available"], read["locked"]) == ("1.5000", "5.5000", "-4.0000", True)


async def test_a_statement_counts_what_is_posted_and_no_hold(client: Client, lines: list[dict[str, Any]]) -> None:
    statement = await statement_from(client, lines[0]["effective_at"])
    assert (statement["opening"], statement["closing"]) == ("0.0000", "1.5000")
    assert [line["running_balance"] for line in statement["lines"]] == ["10.0000", "15.5000", "11.5000", "1.5000"]
    later = await statement_from(client, lines[3]["effective_at"])
    assert (later["opening"], later["closing"]) == ("15.5000", "1.5000")  # one open dispute lies before it


async def test_a_trial_balance_counts_what_is_posted_and_no_hold(client: Client, lines: list[dict[str, Any]]) -> None:
    now_told = (await client.get("/v1/trial-balance")).json()
    then_told = (await client.get("/v1/trial-balance", params={"as_of": lines[-1]["effective_at"]})).json()
    for told in (now_told, then_told):
        [total] = told["currencies"]
        assert (total["debits"], total["credits"], total["difference"]) == ("36.5000", "36.5000", "0.0000")
        sums = {account["code"]: (account["debits"], account["credits"]) for account in told["accounts"]}
        assert sums[ACCOUNT] == ("14.0000", "15.5000")
        assert sums["clients:2"] == ("0.0000", "7.0000")


async def test_integrity_finds_books_with_holds_right(
    service: Service, client: Client, lines: list[dict[str, Any]]
) -> None:
    """The quick look over HTTP and the whole walk."""
    answer = await client.get("/v1/integrity")
    assert answer.status_code == 200
    assert answer.json()["is_intact"] is True, answer.text
    report = await verify_ledger(service.database, parse_id(Prefix.LEDGER, client.ledger), lambda done, total: None)
    assert report.is_right, report.breaks


TAMPERINGS = {
    "a hold that never was": "update accounts set held = held + 1 where {account}",
    "a hold taken away": "update accounts set held = 0 where {account}",
    "a hold made smaller in the middle": "update postings set held_after = held_after - 1 where {line} = 5",
    "a hold that releases": "update postings set releases = not releases where {line} = 3",
    "a release that holds": "update postings set releases = not releases where {line} = 6",
    "a hold made a payment": "update postings set layer = 'p' where {line} = 3",
    "a payment made a hold": "update postings set layer = 'h' where {line} = 2",
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_a_hold_that_somebody_has_touched_is_found(
    service: Service, client: Client, lines: list[dict[str, Any]], superuser: Superuser, name: str
) -> None:
    ledger_id = parse_id(Prefix.LEDGER, client.ledger)
    account = f"'{parse_id(Prefix.ACCOUNT, lines[0]['account_id'])}'"
    places = {"account": f"id = {account}", "line": f"account_id = {account} and account_version"}
    assert (await verify_ledger(service.database, ledger_id, lambda done, total: None)).is_right
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        await superuser.execute(TAMPERINGS[name].format(**places))
    report = await verify_ledger(service.database, ledger_id, lambda done, total: None)
    assert parse_id(Prefix.ACCOUNT, lines[0]["account_id"]) in {fault.account_id for fault in report.breaks}
