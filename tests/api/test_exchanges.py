"""Exchanges over HTTP: both currencies balance, nothing is lost by rounding, and the record says how it came."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

ORDER: dict[str, Any] = {
    "from": "alice", "to": "alice:eur", "amount": "100", "currency": "USD", "to_currency": "EUR",
    "rate": "0.92135", "rate_source": "ECB", "rate_at": "2026-01-02T15:00:00Z",
}  # fmt: skip
TOLD: dict[str, Any] = {
    "reference": "r",
    "description": "d",
    "metadata": {"b": "2", "a": "1"},
    "effective_at": "2026-01-02T16:00:00Z",
}


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


@pytest.fixture(autouse=True)
async def ground(client: Client) -> None:
    await client.open_account("alice")
    await client.open_account("alice:eur", currency="EUR")
    await client.deposit("alice", "1000")


async def exchange(client: Client, key: str | None = None, **members: Any) -> Any:
    return await client.post("/v1/exchanges", ORDER | members, key=key or fresh_key())


async def balances(client: Client, *codes: str) -> list[str]:
    return [(await client.balance(code))["posted"] for code in codes]


async def test_one_currency_is_sold_for_another(client: Client, database: Database, ledger_id: LedgerId) -> None:
    answer = await exchange(client, margin_percent="0.50", rounding="half_up", **TOLD)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    figures = {
        "amount": "100.00", "currency": "USD", "bought": "91.68", "to_currency": "EUR", "margin": "0.46",
        "margin_percent": "0.5", "rate": "0.92135", "rate_source": "ECB", "rate_at": "2026-01-02T15:00:00.000000Z",
        "exact": "92.135", "rounding": "half_up", "difference": "0.005", "from_code": "alice", "to_code": "alice:eur",
    }  # fmt: skip
    assert figures.items() <= made.items()
    assert (made["reference"], made["description"], made["metadata"]) == ("r", "d", {"a": "1", "b": "2"})
    entry = (await client.get(f"/v1/journal-entries/{made['journal_entry_ids'][0]}")).json()
    lines = [(line["side"], line["account_code"], line["amount"], line["currency"]) for line in entry["postings"]]
    assert lines == [
        ("debit", "alice", "100.00", "USD"),
        ("credit", "zerosum:exchange:USD", "100.00", "USD"),
        ("debit", "zerosum:exchange:EUR", "92.14", "EUR"),
        ("credit", "alice:eur", "91.68", "EUR"),
        ("credit", "zerosum:exchange-margin:EUR", "0.46", "EUR"),
    ]
    assert (await client.get(f"/v1/exchanges/{made['id']}")).json() == made
    back = {"from": "alice:eur", "to": "alice", "amount": "91.68", "currency": "EUR", "to_currency": "USD"}
    assert (await exchange(client, **back, rate="1.085")).json()["bought"] == "99.47"
    assert [one["currency"] for one in await all_pages(client, "/v1/exchanges", limit=1)] == ["EUR", "USD"]
    own = ("zerosum:exchange:USD", "zerosum:exchange:EUR", "zerosum:exchange-margin:EUR")
    assert await balances(client, "alice", "alice:eur", *own) == ["999.47", "0.00", "0.53", "-0.46", "0.46"]
    found = (await client.get("/v1/trial-balance")).json()["currencies"]
    assert [(one["currency"], one["difference"]) for one in found] == [("EUR", "0.00"), ("USD", "0.00")]
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
    reversal = await client.post(f"/v1/journal-entries/{entry['id']}/reverse", {"reason": "x"}, key=fresh_key())
    refused(reversal, 409, "invalid_state")


async def test_as_much_is_sold_as_what_is_bought_costs(client: Client, database: Database, ledger_id: LedgerId) -> None:
    """What is sold is rounded up; what that is worth in whole units more is posted to an account of its own."""
    await client.open_account("alice:jpy", currency="JPY")
    by_bought = {name: value for name, value in ORDER.items() if name != "amount"}
    yen = {"to": "alice:jpy", "to_currency": "JPY", "rate": "951.234", "bought": "100", "margin_percent": "5"}
    answer = await client.post("/v1/exchanges", by_bought | yen, key=fresh_key())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    figures = {
        "amount": "0.12", "bought": "100", "margin": "6", "gain": "8", "exact": "114.14808", "rounding": "up",
        "difference": "-0.14808",
    }  # fmt: skip
    assert figures.items() <= made.items()
    entry = (await client.get(f"/v1/journal-entries/{made['journal_entry_ids'][0]}")).json()
    lines = [(line["side"], line["account_code"], line["amount"], line["currency"]) for line in entry["postings"]]
    assert lines == [
        ("debit", "alice", "0.12", "USD"),
        ("credit", "zerosum:exchange:USD", "0.12", "USD"),
        ("debit", "zerosum:exchange:JPY", "114", "JPY"),
        ("credit", "alice:jpy", "100", "JPY"),
        ("credit", "zerosum:exchange-margin:JPY", "6", "JPY"),
        ("credit", "zerosum:exchange-rounding:JPY", "8", "JPY"),
    ]
    assert (await client.get(f"/v1/exchanges/{made['id']}")).json() == made
    plain = (await client.post("/v1/exchanges", by_bought | {"bought": "50"}, key=fresh_key())).json()
    assert (plain["amount"], plain["gain"], plain["difference"]) == ("54.27", "0.00", "-0.0016645")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
    for members, pointer in (
        ({}, "/amount"),
        ({"amount": "1", "bought": "1"}, "/amount"),
        ({"bought": "1", "rounding": "down"}, "/rounding"),
        ({"bought": "1", "margin_percent": "100"}, "/margin_percent"),
    ):
        answer = await client.post("/v1/exchanges", by_bought | members, key=fresh_key())
        refused(answer, 422, "validation_error", pointer)
    for bad, code in (("0", "invalid_amount"), ("0.001", "amount_too_precise"), (1, "invalid_amount")):
        refused(await client.post("/v1/exchanges", by_bought | {"bought": bad}, key=fresh_key()), 422, code, "/bought")
    answer = await client.post("/v1/exchanges", by_bought | {"bought": "5000"}, key=fresh_key())
    refused(answer, 422, "insufficient_funds", "/from")


async def test_each_key_gives_its_first_answer(client: Client) -> None:
    key = fresh_key()
    first = await exchange(client, key, margin_percent="0.5")
    again = await exchange(client, key, margin_percent="0.50", rate="0.921350", rounding="half_even", amount="100.00")
    assert (again.status_code, again.content) == (201, first.content)
    told = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert told["resource"] == {"type": "exchange", "id": first.json()["id"]}
    tried = await client.post("/v1/exchanges", ORDER, key=fresh_key(), params={"dry_run": "true"})
    assert (tried.status_code, tried.json()["bought"], len(tried.json()["balances"])) == (200, "92.14", 4)


REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"to_currency": "USD"}, 422, "validation_error", "/to_currency"),
    ({"to_currency": "JPY"}, 422, "currency_mismatch", "/to"),
    ({"to_currency": "XXX"}, 422, "invalid_currency", "/to_currency"),
    ({"currency": "GBP"}, 422, "currency_mismatch", "/from"),
    ({"from": "nobody"}, 422, "account_not_found", "/from"),
    ({"to": "nobody"}, 422, "account_not_found", "/to"),
    ({"amount": "1000.01"}, 422, "insufficient_funds", "/from"),
    ({"amount": "0.001"}, 422, "amount_too_precise", "/amount"),
    ({"amount": "0.01", "rate": "0.5"}, 422, "amount_too_small", "/amount"),
    ({"margin_percent": "100"}, 422, "amount_too_small", "/amount"),
    ({"margin_percent": "100.1"}, 422, "validation_error", "/margin_percent"),
    ({"rate": "0"}, 422, "validation_error", "/rate"),
    ({"rate": "-1"}, 422, "validation_error", "/rate"),
    ({"rate": "1e3"}, 422, "validation_error", "/rate"),
    ({"rate": "0." + "1" * 19}, 422, "validation_error", "/rate"),
    ({"rate": "99999999999999999999"}, 422, "amount_too_large", "/amount"),
    ({"rate": 0.9}, 422, "validation_error", "/rate"),
    ({"rate_at": "2099-01-01T00:00:00Z"}, 422, "effective_in_future", "/rate_at"),
    ({"rate_source": ""}, 422, "validation_error", "/rate_source"),
    ({"rounding": "ceiling"}, 422, "validation_error", "/rounding"),
]


async def test_what_cannot_be_exchanged_moves_nothing(client: Client) -> None:
    await exchange(client, amount="1")
    for members, status, code, pointer in REFUSED:
        refused(await exchange(client, **members), status, code, pointer)
    assert await balances(client, "alice", "alice:eur", "zerosum:exchange:USD") == ["999.00", "0.92", "1.00"]
    unknown = "exc_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"
    refused(await client.get(f"/v1/exchanges/{unknown}"), 404, "exchange_not_found")
