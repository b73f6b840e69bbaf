"""Journal entries over HTTP, both ways: post, read, list."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


def line(account: str, side: str, amount: str, currency: str = "USD") -> dict[str, Any]:
    return {"account": account, "side": side, "amount": amount, "currency": currency}


def entry(*postings: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"reason": "test", "postings": list(postings), **members}


def plain(amount: str = "1", **members: Any) -> dict[str, Any]:
    return entry(line("a", "debit", amount), line("b", "credit", amount), **members)


async def post(client: Client, body: dict[str, Any], key: str | None = None) -> Any:
    return await client.post("/v1/journal-entries", body, key=key or fresh_key())


async def open_pair(client: Client) -> tuple[str, str]:
    a = await client.open_account("a", min_available=None)
    b = await client.open_account("b")
    return a["id"], b["id"]


async def test_an_entry_is_posted_with_all_that_is_said(client: Client) -> None:
    a, b = await open_pair(client)
    answer = await post(client, plain("1.5", metadata={"x": "y"}, effective_at="2026-01-01T01:00:00+01:00"))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert re.fullmatch("je_[0-9a-f-]{36}", body["id"])
    posted = {"currency": "USD", "layer": "posted", "account_version": 1, "amount": "1.50"}
    assert body == {
        "id": body["id"],
        "reason": "test",
        "postings": [
            posted | {"account_id": a, "account_code": "a", "side": "debit", "balance_after": "-1.50"},
            posted | {"account_id": b, "account_code": "b", "side": "credit", "balance_after": "1.50"},
        ],
        "effective_at": "2026-01-01T00:00:00.000000Z",
        "posted_at": body["posted_at"],
        "reverses": None,
        "reversed_by": None,
        "actor": body["actor"],
        "metadata": {"x": "y"},
        "account_versions": {a: 1, b: 1},
    }
    assert body["actor"].startswith("key_")
    assert (await client.get(f"/v1/journal-entries/{body['id']}")).json() == body


async def test_an_entry_is_effective_when_it_is_posted_unless_it_says_otherwise(client: Client) -> None:
    await open_pair(client)
    body = (await post(client, plain())).json()
    assert body["effective_at"] == body["posted_at"]
    null = (await post(client, plain(effective_at=None, metadata=None))).json()
    assert (null["effective_at"], null["metadata"]) == (null["posted_at"], {})


async def test_one_account_may_stand_on_several_lines(client: Client) -> None:
    a, b = await open_pair(client)
    body = entry(line(a, "debit", "5"), line("a", "credit", "2"), line("a", "debit", "1"), line("b", "credit", "4"))
    posted = (await post(client, body)).json()
    assert [(one["account_version"], one["balance_after"]) for one in posted["postings"]] == [
        (1, "-5.00"),
        (2, "-3.00"),
        (3, "-4.00"),
        (1, "4.00"),
    ]
    assert posted["account_versions"] == {a: 3, b: 1}


async def test_only_the_balance_after_the_whole_entry_counts(client: Client) -> None:
    await open_pair(client)
    through = entry(
        line("b", "debit", "5"), line("a", "credit", "5"), line("a", "debit", "5"), line("b", "credit", "5")
    )
    assert (await post(client, through)).status_code == 201


async def test_each_currency_balances_by_itself(client: Client, database: Database, ledger_id: LedgerId) -> None:
    """One entry may move several currencies; each is summed, reversed and proved by itself."""
    for code in ("usd1", "usd2"):
        await client.open_account(code, min_available=None)
    for code in ("jpy1", "jpy2"):
        await client.open_account(code, currency="JPY", min_available=None)
    dollars = [line("usd1", "debit", "1.5"), line("usd2", "credit", "1.50")]
    yen = [line("jpy1", "debit", "150", "JPY"), line("jpy2", "credit", "150", "JPY")]
    posted = (await post(client, entry(*dollars, *yen))).json()
    assert [one["amount"] for one in posted["postings"]] == ["1.50", "1.50", "150", "150"]
    short = entry(*dollars, yen[0], line("jpy2", "credit", "149", "JPY"))
    problem = refused(await post(client, short), 422, "unbalanced", "/postings")
    assert problem["differences"] == [{"currency": "JPY", "difference": "1"}]
    found = (await client.get("/v1/trial-balance")).json()["currencies"]
    assert [(one["currency"], one["debits"], one["difference"]) for one in found] == [
        ("JPY", "150", "0"),
        ("USD", "1.50", "0.00"),
    ]
    back = await client.post(f"/v1/journal-entries/{posted['id']}/reverse", {"reason": "a mistake"}, key=fresh_key())
    assert [one["balance_after"] for one in back.json()["postings"]] == ["0.00", "0.00", "0", "0"]
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
    across = entry(line("usd1", "debit", "1"), line("jpy1", "credit", "1", "JPY"))
    problem = refused(await post(client, across), 422, "unbalanced", "/postings")
    assert (problem["currency"], problem["difference"], problem["layer"]) == ("USD", "1.00", "posted")


@pytest.mark.parametrize(
    ("postings", "difference"),
    [
        ([line("a", "debit", "1"), line("b", "credit", "1.01")], "-0.01"),
        ([line("a", "debit", "1"), line("b", "debit", "1")], "2.00"),
        ([line("a", "debit", "3"), line("b", "credit", "1"), line("b", "credit", "1")], "1.00"),
    ],
)
async def test_what_does_not_balance_is_refused(client: Client, postings: Any, difference: str) -> None:
    await open_pair(client)
    differences = [{"currency": "USD", "difference": difference}]
    facts = {"currency": "USD", "layer": "posted", "difference": difference, "differences": differences}
    refused(await post(client, entry(*postings)), 422, "unbalanced", "/postings", facts=facts)


async def test_an_entry_has_two_to_a_hundred_lines(client: Client) -> None:
    await open_pair(client)
    pair = [line("a", "debit", "0.01"), line("b", "credit", "0.01")]
    for postings in ([], pair[:1], pair * 50 + pair[:1]):
        refused(await post(client, entry(*postings)), 422, "validation_error", "/postings")
    full = await post(client, entry(*pair * 50))
    assert full.status_code == 201
    assert full.json()["postings"][-1]["account_version"] == 50


async def test_too_little_is_refused_with_what_there_is(client: Client) -> None:
    _, b = await open_pair(client)
    await post(client, plain("10"))
    back = entry(line("b", "debit", "10.01"), line("a", "credit", "10.01"))
    facts = {
        "account": "b",
        "account_id": b,
        "account_code": "b",
        "currency": "USD",
        "available": "10.00",
        "required": "10.01",
        "min_available": "0.00",
    }
    refused(await post(client, back), 422, "insufficient_funds", "/postings/0/account", facts=facts)


async def test_too_much_is_refused_with_the_limit(client: Client) -> None:
    await open_pair(client)
    full = await client.open_account("full", max_available="5")
    facts = {"account": "full", "account_id": full["id"], "account_code": "full"}
    facts |= {"currency": "USD", "available": "0.00", "incoming": "5.01", "max_available": "5.00"}
    over = entry(line("a", "debit", "5.01"), line("full", "credit", "5.01"))
    refused(await post(client, over), 422, "limit_exceeded", "/postings/1/account", facts=facts)


@pytest.mark.parametrize(
    ("change", "status", "code", "pointers"),
    [
        ({"account": "nobody"}, 422, "account_not_found", ["/postings/1/account"]),
        ({"account": "acc_x"}, 422, "invalid_id", ["/postings/1/account"]),
        ({"account": "' or 1=1--"}, 422, "invalid_id", ["/postings/1/account"]),
        ({"account": ""}, 422, "validation_error", ["/postings/1/account"]),
        ({"account": None}, 422, "validation_error", ["/postings/1/account"]),
        ({"account": "frozen"}, 409, "account_frozen", ["/postings/1/account"]),
        ({"account": "closed"}, 409, "account_closed", ["/postings/1/account"]),
        ({"account": "euro"}, 422, "currency_mismatch", ["/postings/1/account"]),
        ({"side": "left"}, 422, "validation_error", ["/postings/1/side"]),
        ({"side": None}, 422, "validation_error", ["/postings/1/side"]),
        ({"currency": "usd"}, 422, "invalid_currency", ["/postings/1/currency"]),
        ({"currency": ""}, 422, "invalid_currency", ["/postings/1/currency"]),
        ({"layer": "pending"}, 422, "unknown_field", ["/postings/1/layer"]),
    ],
)
async def test_a_wrong_line_is_refused_where_it_is_wrong(
    client: Client, change: dict[str, Any], status: int, code: str, pointers: list[str]
) -> None:
    await open_pair(client)
    for name in ("frozen", "closed"):
        await client.open_account(name)
    await client.post("/v1/accounts/frozen/freeze")
    await client.post("/v1/accounts/closed/close")
    await client.open_account("euro", currency="EUR")
    refused(
        await post(client, entry(line("a", "debit", "1"), line("b", "credit", "1") | change)), status, code, *pointers
    )
    assert (await client.balance("a"))["version"] == 0


@pytest.mark.parametrize(
    ("members", "code", "pointers"),
    [
        ({"reason": ""}, "validation_error", ["/reason"]),
        ({"reason": "x" * 501}, "validation_error", ["/reason"]),
        ({"reason": None}, "validation_error", ["/reason"]),
        ({"postings": {}}, "validation_error", ["/postings"]),
        ({"postings": None}, "validation_error", ["/postings"]),
        ({"postings": [1, 2]}, "validation_error", ["/postings/0", "/postings/1"]),
        ({"effective_at": "2026-01-01"}, "validation_error", ["/effective_at"]),
        ({"effective_at": 1767225600}, "validation_error", ["/effective_at"]),
        ({"metadata": {"a": None}}, "validation_error", ["/metadata/a"]),
        ({"reverses": "je_x"}, "unknown_field", ["/reverses"]),
        ({"id": "x"}, "unknown_field", ["/id"]),
        ({"idempotency_key": "x"}, "unknown_field", ["/idempotency_key"]),
    ],
)
async def test_a_wrong_entry_is_refused_where_it_is_wrong(
    client: Client, members: dict[str, Any], code: str, pointers: list[str]
) -> None:
    await open_pair(client)
    refused(await post(client, plain() | members), 422, code, *pointers)


async def test_every_fault_of_the_form_is_named_at_once(client: Client) -> None:
    body = {"postings": [{"account": 5, "side": "x", "amount": 1, "currency": "USD"}, line("b", "credit", "1")], "x": 1}
    refused(
        await post(client, body),
        422,
        "validation_error",
        "/reason",
        "/postings/0/account",
        "/postings/0/side",
        ("/postings/0/amount", "invalid_amount"),
        ("/x", "unknown_field"),
    )


# --- Read and list ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry_id", "status", "code"),
    [
        ("je_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 404, "journal_entry_not_found"),
        ("pay_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", 422, "invalid_id"),
        ("je_00000000-0000-0000-0000-000000000000", 422, "invalid_id"),
        ("je_x", 422, "invalid_id"),
        ("%27", 422, "invalid_id"),
    ],
)
async def test_what_is_not_there_is_not_found(client: Client, entry_id: str, status: int, code: str) -> None:
    refused(await client.get(f"/v1/journal-entries/{entry_id}"), status, code, facts={})


async def test_entries_are_listed_by_posting_and_filtered_by_effect(client: Client) -> None:
    await open_pair(client)
    months = ["2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]
    posted = [(await post(client, plain(effective_at=month, metadata={"m": month[5:7]}))).json() for month in months]
    path = "/v1/journal-entries"
    assert await all_pages(client, path, limit=1) == posted[::-1]
    assert await all_pages(client, path, limit=2, order="asc") == posted
    found = await all_pages(client, path, **{"from": months[1], "to": months[0], "limit": 1})
    assert found == [posted[2], posted[1]]
    assert await all_pages(client, path, **{"metadata[m]": "02"}) == [posted[2]]
    assert await all_pages(client, path, to="2026-01-01T00:00:00.000001Z") == [posted[1]]


async def test_payments_are_among_the_entries(client: Client) -> None:
    await client.open_account("a")
    payment = await client.deposit("a", "1")
    (found,) = await all_pages(client, "/v1/journal-entries")
    assert (found["id"], found["reason"]) == (payment["journal_entry_ids"][0], "deposit")
