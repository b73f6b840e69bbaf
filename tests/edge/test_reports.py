"""Statements and the trial balance, for people: with what each line is about, and as tables."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from tests.api.conftest import Client, fresh_key, make_client, service_settings
from tests.api.reading import all_pages, refused
from tests.conftest import Servers, TestDatabase
from zerosum.domain.errors import TooManyItems
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import PageRequest

YEAR = {"from": "2026-01-01", "to": "2027-01-01"}
FORMULAS = ["=HYPERLINK(1)", "+1+1", "-1", "@SUM(A1)", " =1", "a;=1", "one\n=2", "\uff1d1", "\t=1"]


async def statement(client: Client, account: str, **parameters: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/accounts/{account}/statement", params={**YEAR, **parameters})
    assert answer.status_code == 200, answer.text
    lines: list[dict[str, Any]] = answer.json()["lines"]
    return lines


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def post(client: Client, reason: str, *lines: tuple[str, str, str]) -> None:
    postings = [{"account": code, "side": side, "amount": amount, "currency": "USD"} for code, side, amount in lines]
    answer = await client.post("/v1/journal-entries", {"reason": reason, "postings": postings}, key=fresh_key())
    assert answer.status_code == 201, answer.text


async def test_a_line_of_a_statement_says_why_and_with_whom(client: Client) -> None:
    for code in ("a", "b", "c"):
        await client.open_account(code, min_available=None)
    for body in (
        {"type": "deposit", "to": "a", "reference": "in 1"},
        {"type": "transfer", "from": "a", "to": "b", "reference": "invoice 1", "description": "Lunch"},
        {"type": "transfer", "from": "b", "to": "a"},
    ):
        assert (await client.pay({"amount": "1", "currency": "USD", **body})).status_code == 201
    await post(client, "Split", ("c", "credit", "1"), ("a", "debit", "3"), ("b", "credit", "1"), ("c", "credit", "1"))
    await post(client, "Own", ("a", "debit", "1"), ("a", "credit", "1"))
    said = ("reason", "reference", "description", "counterparty")
    assert [tuple(line[name] for name in said) for line in await statement(client, "a")] == [
        ("deposit", "in 1", None, "clearing:internal:USD"),
        ("transfer", "invoice 1", "Lunch", "b"),
        ("transfer", None, None, "b"),
        ("Split", None, None, "c, b"),
        ("Own", None, None, None),
        ("Own", None, None, None),
    ]
    rows = rows_of(await client.get("/v1/accounts/a/statement", params={**YEAR, "format": "csv"}))
    assert [tuple(row[name] for name in said) for row in rows[2:5]] == [
        ("transfer", "invoice 1", "Lunch", "b"),
        ("transfer", "", "", "b"),
        ("Split", "", "", "c, b"),
    ]


async def test_of_many_counterparties_ten_are_named(client: Client) -> None:
    codes = [f"staff:{n:02}" for n in range(12)]
    for code in ("payroll", *codes):
        await client.open_account(code, min_available=None)
    for count in (10, 12):
        await post(
            client, "Wages", ("payroll", "debit", str(count)), *((code, "credit", "1") for code in codes[:count])
        )
    ten, twelve = [line["counterparty"] for line in await statement(client, "payroll")]
    assert (ten, twelve) == (", ".join(codes[:10]), ", ".join([*codes[:10], "…"]))


async def test_a_statement_is_read_with_a_fixed_number_of_statements(client: Client, service: Service) -> None:
    await client.open_account("a")
    counts = []
    engine = service.database._engine.sync_engine
    for _ in range(2):
        for _ in range(3):
            await client.deposit("a", "1")
        asked: list[str] = []

        def listen(*said: Any, asked: list[str] = asked) -> None:
            asked.append(said[2])

        event.listen(engine, "before_cursor_execute", listen)
        await statement(client, "a")
        event.remove(engine, "before_cursor_execute", listen)
        counts.append(len(asked))
    assert counts[0] == counts[1]


async def test_an_opening_is_the_same_added_up_or_taken_back(client: Client) -> None:
    """It is computed from whichever side has fewer postings."""
    await client.open_account("a", min_available=None)
    days = [f"2026-0{month}-01T00:00:00Z" for month in (5, 1, 8, 3, 2, 7, 4, 6)]
    for amount, day in enumerate(days, 1):
        body = {"type": "deposit", "amount": str(amount), "currency": "USD", "to": "a", "effective_at": day}
        assert (await client.pay(body)).status_code == 201
    for month in range(1, 10):
        start = f"2026-0{month}-01"
        wanted = sum(amount for amount, day in enumerate(days, 1) if day < start)
        for account in ("a", "clearing:internal:USD"):
            found = await client.get(f"/v1/accounts/{account}/statement", params={"from": start, "to": "2026-12-01"})
            shown = found.json()
            assert (shown["opening"], shown["closing"]) == (f"{wanted}.00", "36.00")


async def test_a_statement_that_is_too_long_is_refused_before_it_is_read(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    service = Service(service_settings(test_database, servers, statement_lines_max=3))
    await service.start()
    client = await make_client(service, ledger_id)
    await client.open_account("a")
    for _ in range(3):
        await client.deposit("a", "1")
    assert len(await statement(client, "a")) == 3
    await client.deposit("a", "1")
    asked: list[str] = []
    event.listen(service.database._engine.sync_engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    answer = await client.get("/v1/accounts/a/statement", params=YEAR)
    problem = refused(answer, 422, "too_many_items", "from", facts={"lines_max": 3})
    assert "shorter" in problem["detail"]
    assert "postings" in problem["detail"]
    assert not [sql for sql in asked if "balance_after" in sql]
    as_csv = await client.get("/v1/accounts/a/statement", params={**YEAR, "format": "csv"})
    refused(as_csv, 422, "too_many_items", "from")
    assert len(await all_pages(client, "/v1/accounts/a/postings", effective_from=YEAR["from"])) == 4
    await client.http.aclose()
    await service.stop()


@pytest.mark.parametrize("written", FORMULAS)
async def test_no_spreadsheet_takes_a_callers_text_for_a_formula(client: Client, written: str) -> None:
    await client.open_account("a")
    texts = {"reference": written, "description": written}
    body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", **texts}
    assert (await client.pay(body)).status_code == 201
    _, row, _ = rows_of(await client.get("/v1/accounts/a/statement", params={**YEAR, "format": "csv"}))
    for name in texts:
        assert row[name].replace("'", "") == written
        assert not re.search("(^|[;\t\r\n])\\s*[=+@\uff1d-]", row[name])
    assert (await statement(client, "a"))[0]["reference"] == written, "JSON says it as it is"
    assert row["running_balance"] == "1.00"


async def test_amounts_below_zero_stay_numbers_in_csv(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.pay({"type": "withdrawal", "amount": "5", "currency": "USD", "from": "a"})
    _, row, closing = rows_of(await client.get("/v1/accounts/a/statement", params={**YEAR, "format": "csv"}))
    assert (row["running_balance"], closing["running_balance"]) == ("-5.00", "-5.00")


async def test_the_trial_balance_is_csv_where_that_is_asked_for(client: Client) -> None:
    await client.open_account("a")
    await client.open_account("j", currency="JPY")
    await client.deposit("a", "10")
    await client.deposit("j", "7", "JPY")
    shown = (await client.get("/v1/trial-balance")).json()
    members = ("account_id", "code", "type", "currency", "debits", "credits")
    ways: list[tuple[dict[str, str], dict[str, Any]]] = [
        ({"Accept": "text/csv"}, {}),
        ({}, {"format": "csv"}),
        ({}, {"format": "csv", "limit": 9}),
    ]
    for headers, parameters in ways:
        answer = await client.get("/v1/trial-balance", params=parameters, headers=headers)
        rows = rows_of(answer)
        assert "link" not in answer.headers
        assert [{name: row[name] for name in members} for row in rows[:4]] == shown["accounts"]
        assert [(row["currency"], row["debits"], row["difference"]) for row in rows[4:]] == [
            ("JPY", "7", "0"),
            ("USD", "10.00", "0.00"),
        ]
        assert [row["line"] for row in rows] == ["account"] * 4 + ["total"] * 2
    assert (await client.get("/v1/trial-balance", params={"format": "json"}, headers={"Accept": "text/csv"})).json()
    refused(await client.get("/v1/trial-balance", params={"format": "pdf"}), 422, "invalid_parameter", "format")


async def test_pages_of_a_trial_balance_in_csv_name_the_next(client: Client, service: Service) -> None:
    for code in ("a", "b", "c", "d", "e"):
        await client.open_account(code)
    address, codes = "/v1/trial-balance?format=csv&limit=2&as_of=2026-12-31", []
    for _ in range(3):
        answer = await client.get(address)
        codes += [row["code"] for row in rows_of(answer)]
        address = answer.headers.get("link", "").partition(">")[0].lstrip("<")
    assert (codes, address) == (["a", "b", "c", "d", "e"], "")
    balances, caller = service.services.balances, Caller(LedgerId(parse_id(Prefix.LEDGER, client.ledger)), "x")
    request = PageRequest(list_name="trial balance", filters={})
    assert len((await balances.whole_trial_balance(caller, request, lines_max=5)).accounts.items) == 5
    with pytest.raises(TooManyItems, match="limit"):
        await balances.whole_trial_balance(caller, request, lines_max=4)
