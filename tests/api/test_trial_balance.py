"""The trial balance over HTTP: every account, and zero in every currency."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import all_pages, refused


async def trial_balance(client: Client, **parameters: Any) -> dict[str, Any]:
    answer = await client.get("/v1/trial-balance", params={"limit": 200, **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pay(client: Client, amount: str, currency: str, effective_at: str) -> None:
    body = {
        "type": "deposit",
        "amount": amount,
        "currency": currency,
        "to": f"x:{currency}",
        "effective_at": effective_at,
    }
    assert (await client.pay(body)).status_code == 201


async def test_an_empty_ledger_balances(client: Client) -> None:
    found = await trial_balance(client)
    assert (found["currencies"], found["accounts"], found["has_more"]) == ([], [], False)


async def test_it_shows_both_sides_of_every_account(client: Client) -> None:
    a = await client.open_account("a")
    await client.open_account("b")
    await client.deposit("a", "10")
    await client.transfer("a", "b", "4")
    found = await trial_balance(client)
    assert found["currencies"] == [{"currency": "USD", "debits": "14.00", "credits": "14.00", "difference": "0.00"}]
    lines = {line["code"]: line for line in found["accounts"]}
    assert lines["a"] == {
        "account_id": a["id"],
        "code": "a",
        "type": "liability",
        "currency": "USD",
        "debits": "4.00",
        "credits": "10.00",
    }
    assert (lines["b"]["debits"], lines["b"]["credits"]) == ("0.00", "4.00")
    assert (lines["clearing:internal:USD"]["debits"], lines["clearing:internal:USD"]["type"]) == ("10.00", "asset")


async def test_each_currency_is_summed_by_itself_with_its_places(client: Client) -> None:
    for currency, amount in (("JPY", "7"), ("KWD", "1.005"), ("USD", "3")):
        await client.open_account(f"x:{currency}", currency=currency)
        await client.deposit(f"x:{currency}", amount, currency)
    found = await trial_balance(client)
    assert [(one["currency"], one["debits"], one["difference"]) for one in found["currencies"]] == [
        ("JPY", "7", "0"),
        ("KWD", "1.005", "0.000"),
        ("USD", "3.00", "0.00"),
    ]


async def test_it_looks_back_at_what_was_effective_then(client: Client) -> None:
    for currency in ("USD", "JPY"):
        await client.open_account(f"x:{currency}", currency=currency)
    await pay(client, "1", "USD", "2026-01-01T00:00:00Z")
    await pay(client, "2", "USD", "2026-02-01T00:00:00Z")
    await pay(client, "5", "JPY", "2026-02-01T00:00:00Z")
    for as_of, totals in (
        ("2025-12-31T23:59:59.999999Z", []),
        ("2026-01-01T00:00:00Z", [("USD", "1.00", "1.00", "0.00")]),
        ("2026-02-01T00:00:00Z", [("JPY", "5", "5", "0"), ("USD", "3.00", "3.00", "0.00")]),
    ):
        found = await trial_balance(client, as_of=as_of)
        assert [tuple(one.values()) for one in found["currencies"]] == totals
        by_currency: dict[str, Decimal] = {}
        for line in found["accounts"]:
            change = Decimal(line["debits"]) - Decimal(line["credits"])
            by_currency[line["currency"]] = by_currency.get(line["currency"], Decimal(0)) + change
        assert set(by_currency.values()) == {Decimal(0)}
        assert found["as_of"].startswith(as_of[:19])


async def test_accounts_come_in_pages_by_code(client: Client) -> None:
    for code in ("b", "a", "c", "B"):
        await client.open_account(code)
    codes, cursor = [], None
    while True:
        page = await trial_balance(client, limit=3, **({} if cursor is None else {"cursor": cursor}))
        codes += [line["code"] for line in page["accounts"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sorted(codes) == ["B", "a", "b", "c"]
    assert len(set(codes)) == 4


async def test_it_is_the_callers_ledger_only(client: Client, stranger: Client) -> None:
    await stranger.open_account("a")
    await stranger.deposit("a", "10")
    assert (await trial_balance(client))["accounts"] == []
    assert await all_pages(client, "/v1/accounts") == []


async def test_it_has_no_order(client: Client) -> None:
    refused(await client.get("/v1/trial-balance", params={"order": "asc"}), 422, "unknown_parameter", "order")


# --- One instant -----------------------------------------------------------------------------------------------------


def sums(lines: list[dict[str, Any]]) -> tuple[Decimal, Decimal]:
    return sum((Decimal(line["debits"]) for line in lines), Decimal(0)), sum(
        (Decimal(line["credits"]) for line in lines), Decimal(0)
    )


@pytest.mark.parametrize("name", [None, "as_of", "recorded_as_of"])
async def test_all_pages_show_the_instant_of_the_first(client: Client, name: str | None) -> None:
    for code in ("a", "b", "c"):
        await client.open_account(code)
        await client.deposit(code, "10")
    wanted = {} if name is None else {name: (await client.balance("a"))["as_of"]}
    first = await trial_balance(client, limit=2, **wanted)
    await client.transfer("a", "c", "4")
    await client.open_account("d")
    await client.deposit("d", "7")
    # Effective before, but written after the first page was.
    await pay_to(client, "b", "5", "2026-01-01T00:00:00Z")
    second = await trial_balance(client, limit=2, cursor=first["next_cursor"])
    assert second["has_more"] is False
    assert (second["as_of"], second["currencies"]) == (first["as_of"], first["currencies"])
    lines = first["accounts"] + second["accounts"]
    # What it shows beside what was there: an account without postings is not one of a time of ours before it began.
    assert {line["code"]: line["credits"] for line in lines} == {
        "a": "10.00",
        "b": "10.00",
        "c": "10.00",
        "clearing:internal:USD": "0.00",
    }
    assert sums(lines) == (Decimal(30), Decimal(30))


async def pay_to(client: Client, code: str, amount: str, effective_at: str) -> None:
    body = {"type": "deposit", "amount": amount, "currency": "USD", "to": code, "effective_at": effective_at}
    assert (await client.pay(body)).status_code == 201


async def test_it_tells_what_was_written_by_then(client: Client) -> None:
    await client.open_account("a")
    first = await client.deposit("a", "1")
    await pay_to(client, "a", "2", "2026-01-01T00:00:00Z")
    found = await trial_balance(client, recorded_as_of=first["created_at"])
    assert (found["as_of"], found["currencies"][0]["debits"]) == (first["created_at"], "1.00")
    both = await trial_balance(client, recorded_as_of=first["created_at"], as_of="2026-02-01T00:00:00Z")
    assert (both["currencies"], {line["credits"] for line in both["accounts"]}) == ([], {"0.00"})
    assert (await trial_balance(client, recorded_as_of="2026-01-01"))["accounts"] == []
    refusal = await client.get("/v1/trial-balance", params={"recorded_as_of": "then"})
    refused(refusal, 422, "invalid_parameter", "recorded_as_of")


async def test_beside_payments_the_lines_add_up_to_the_totals(client: Client) -> None:
    """One look at the books is one: lines and totals come of different statements."""
    for code in ("a", "b"):
        await client.open_account(code)
    await client.deposit("a", "1000")
    is_over = False

    async def pay_on() -> None:
        while not is_over:
            assert (await client.transfer("a", "b", "0.01")).status_code == 201
            await client.deposit("b", "0.01")

    paying = asyncio.create_task(pay_on())
    try:
        for _ in range(30):
            for parameters in ({}, {"as_of": "2099-01-01"}):
                found = await trial_balance(client, **parameters)
                [total] = found["currencies"]
                assert sums(found["accounts"]) == (Decimal(total["debits"]), Decimal(total["credits"]))
                assert total["difference"] == "0.00"
    finally:
        is_over = True
        await paying
