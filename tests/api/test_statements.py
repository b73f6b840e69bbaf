"""Statements: one account over a span of time, whole, ordered and adding up; in JSON and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from zerosum.adapters.clock import now
from zerosum.api.schemas.statements import EXPLAINED
from zerosum.db.engine import Database
from zerosum.domain.errors import TooManyItems
from zerosum.domain.identifiers import LedgerId
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.statements import Statements

SAID_BESIDE = ("running_balance", "reason", "reference", "description", "counterparty", *EXPLAINED)
"""What a line says beyond the posting itself."""

NOVEMBER = {"from": "2025-11-01", "to": "2025-12-01"}


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


async def pay(client: Client, amount: str, effective_at: str, **sides: str) -> None:
    """A deposit or a withdrawal of the account `a` at some time in the world."""
    body = {"type": "deposit", "amount": amount, "currency": "USD", "to": "a", "effective_at": effective_at}
    if amount.startswith("-"):
        body = {
            "type": "withdrawal",
            "amount": amount[1:],
            "currency": "USD",
            "from": "a",
            "effective_at": effective_at,
        }
    answer = await client.pay({**body, **sides})
    assert answer.status_code == 201, answer.text


async def statement(client: Client, account: str = "a", **parameters: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/accounts/{account}/statement", params={**NOVEMBER, **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def a_year(client: Client) -> dict[str, Any]:
    account = await client.open_account("a")
    await pay(client, "100", "2025-10-31T23:59:59.999999Z")
    await pay(client, "10", "2025-11-01T00:00:00Z")
    await pay(client, "-4", "2025-11-30T23:59:59.999999Z")
    await pay(client, "50", "2025-12-01T00:00:00Z")
    await pay(client, "-1", "2025-11-15T12:00:00Z")  # written last, though it happened before
    return account


async def test_it_holds_what_happened_in_the_span_in_the_order_in_which_it_happened(client: Client) -> None:
    account = await a_year(client)
    found = await statement(client)
    assert {name: found[name] for name in ("account_id", "code", "currency", "from", "to", "opening", "closing")} == {
        "account_id": account["id"],
        "code": "a",
        "currency": "USD",
        "from": "2025-11-01T00:00:00.000000Z",
        "to": "2025-12-01T00:00:00.000000Z",
        "opening": "100.00",
        "closing": "105.00",
    }
    shown = [
        (line["side"], line["amount"], line["running_balance"], line["balance_after"], line["account_version"])
        for line in found["lines"]
    ]
    assert shown == [
        ("credit", "10.00", "110.00", "110.00", 2),
        ("debit", "1.00", "109.00", "155.00", 5),
        ("debit", "4.00", "105.00", "106.00", 3),
    ]
    history = (await client.get("/v1/accounts/a/postings")).json()["data"]
    for line in found["lines"]:
        assert {name: value for name, value in line.items() if name not in SAID_BESIDE} in history


async def test_statements_that_follow_each_other_fit_together(client: Client) -> None:
    await a_year(client)
    october = await statement(client, **{"from": "2025-10-01", "to": "2025-11-01"})
    november = await statement(client)
    december = await statement(client, **{"from": "2025-12-01", "to": "2026-01-01"})
    assert october["opening"] == "0.00"
    assert (october["closing"], november["closing"]) == (november["opening"], december["opening"])
    assert december["closing"] == (await client.balance("a"))["posted"]


async def test_an_account_of_ours_grows_by_debits(client: Client) -> None:
    await a_year(client)
    found = await statement(client, "clearing:internal:USD")
    assert (found["opening"], found["closing"]) == ("100.00", "105.00")
    assert [line["side"] for line in found["lines"]] == ["debit", "credit", "credit"]


async def test_a_span_of_nothing_is_empty_and_times_are_as_good_as_days(client: Client) -> None:
    await a_year(client)
    same = {"from": "2025-11-01T01:00:00+01:00", "to": "2025-12-01T00:00:00Z"}
    assert await statement(client, **same) == await statement(client)
    instant = await statement(client, **{"from": "2025-11-01", "to": "2025-11-01"})
    assert (instant["opening"], instant["lines"], instant["closing"]) == ("100.00", [], "100.00")


@pytest.mark.parametrize(
    ("headers", "parameters", "is_csv"),
    [
        ({"Accept": "text/csv"}, {}, True),
        ({"Accept": "text/csv, application/json;q=0.5"}, {}, True),
        ({"Accept": "application/json, text/csv"}, {}, False),
        ({"Accept": "*/*"}, {"format": "csv"}, True),
        ({"Accept": "text/csv"}, {"format": "json"}, False),
        ({}, {}, False),
    ],
)
async def test_it_is_csv_where_that_is_asked_for(
    client: Client, headers: dict[str, str], parameters: dict[str, str], is_csv: bool
) -> None:
    await client.open_account("a")
    answer = await client.get("/v1/accounts/a/statement", params={**NOVEMBER, **parameters}, headers=headers)
    assert answer.headers["content-type"].startswith("text/csv" if is_csv else "application/json")


async def test_the_csv_says_the_same(client: Client) -> None:
    await a_year(client)
    found = await statement(client)
    answer = await client.get("/v1/accounts/a/statement", params={**NOVEMBER, "format": "csv"})
    assert "\r\n" in answer.text
    opening, *lines, closing = list(csv.DictReader(io.StringIO(answer.text)))
    assert (opening["line"], opening["running_balance"], opening["effective_at"]) == (
        "opening",
        found["opening"],
        found["from"],
    )
    assert (closing["line"], closing["running_balance"]) == ("closing", found["closing"])
    for row, line in zip(lines, found["lines"], strict=True):
        assert row.pop("line") == "posting"
        assert row == {name: "" if line[name] is None else str(line[name]) for name in row}
    assert Decimal(opening["running_balance"]) + Decimal("5.00") == Decimal(closing["running_balance"])


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"from": "2025-11-01"}, "to"),
        ({"to": "2025-11-01"}, "from"),
        ({**NOVEMBER, "from": "2025-13-01"}, "from"),
        ({**NOVEMBER, "from": "2025-11-01T00:00:00"}, "from"),
        ({**NOVEMBER, "to": "tomorrow"}, "to"),
        ({**NOVEMBER, "from": "2025-12-02"}, "from"),
        ({"from": "2024-01-01", "to": "2025-01-03"}, "to"),
        ({**NOVEMBER, "format": "pdf"}, "format"),
    ],
)
async def test_a_bad_parameter_is_named(client: Client, parameters: dict[str, str], pointer: str) -> None:
    await client.open_account("a")
    refused(
        await client.get("/v1/accounts/a/statement", params=parameters), 422, "invalid_parameter", pointer, facts={}
    )


async def test_what_is_not_there_has_no_statement(client: Client) -> None:
    refused(await client.get("/v1/accounts/nobody/statement", params=NOVEMBER), 404, "account_not_found", facts={})


async def test_more_lines_than_fit_are_refused_and_not_cut(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    await a_year(client)
    caller, span = (
        Caller(ledger_id, "test"),
        {"start": datetime(2025, 11, 1, tzinfo=UTC), "end": datetime(2025, 12, 1, tzinfo=UTC)},
    )
    directory, currencies = AccountDirectory(database), Currencies(database, now)
    enough = Statements(database, directory, currencies, lines_max=3)
    assert len((await enough.get(caller, "a", **span)).lines) == 3
    too_few = Statements(database, directory, currencies, lines_max=2)
    with pytest.raises(TooManyItems, match="shorter") as refusal:
        await too_few.get(caller, "a", **span)
    assert refusal.value.facts == {"lines_max": 2}
