"""Balances and statements of the past at their edges: holds, equal times, no places, closed accounts, nothing yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.test_account_groups import put
from zerosum.adapters.clock import now

JAN, FEB = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
MICROSECOND = timedelta(microseconds=1)


async def statement(client: Client, account: str, start: str, end: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/accounts/{account}/statement", params={"from": start, "to": end})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pay_at(client: Client, amount: str, effective_at: str | None, currency: str = "USD") -> dict[str, Any]:
    body = {"type": "deposit", "amount": amount, "currency": currency, "to": "a"}
    answer = await client.pay(body | ({} if effective_at is None else {"effective_at": effective_at}))
    assert answer.status_code == 201, answer.text
    payment: dict[str, Any] = answer.json()
    return payment


def shifted(moment: str, by: timedelta) -> str:
    return (datetime.fromisoformat(moment) + by).isoformat()


def day_around(moment: str) -> tuple[str, str]:
    return shifted(moment, -timedelta(days=1)), shifted(moment, timedelta(days=1))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/accounts/a/balance",
        "/v1/trial-balance",
        "/v1/account-tree",
        "/v1/balance-sheet",
        "/v1/account-groups/all/balances",
    ],
)
@pytest.mark.parametrize("name", ["as_of", "recorded_as_of"])
async def test_of_a_time_to_come_is_answered_as_of_now(client: Client, path: str, name: str) -> None:
    """Also for who has dated something some minutes ahead: it has not happened yet."""
    await client.open_account("a")
    made = await put(client, "all", "a", "clearing:*")
    assert made.status_code in (200, 201), made.text
    await pay_at(client, "1.00", None)
    await pay_at(client, "0.50", (now() + timedelta(minutes=4)).isoformat())
    answer = await client.get(path, params={name: "9999-12-30T23:59:59Z"})
    assert answer.status_code == 200, answer.text
    told = datetime.fromisoformat(answer.json()["as_of"])
    assert timedelta(0) <= now() - told < timedelta(minutes=1)
    if path.endswith("/balance"):
        assert answer.json()["posted"] == ("1.00" if name == "as_of" else "1.50")


async def test_what_was_held_then_is_told(client: Client) -> None:
    made = []
    for type_, tx in (
        ("deposit", 1),
        ("deposit", 2),
        ("dispute", 1),
        ("resolve", 1),
        ("dispute", 2),
        ("chargeback", 2),
    ):
        body = {"type": type_, "client": 5, "tx": tx} | ({"amount": str(tx)} if type_ == "deposit" else {})
        answer = await client.post("/v1/transactions", body, key=fresh_key())
        assert answer.status_code == 201, answer.text
        made.append((await client.balance("clients:5"))["version"])
    lines = (await client.get("/v1/accounts/clients:5/postings", params={"order": "asc"})).json()["data"]
    expected = [
        ("1.0000", "0.0000"),
        ("3.0000", "0.0000"),
        ("3.0000", "1.0000"),
        ("3.0000", "0.0000"),
        ("3.0000", "2.0000"),
    ]
    for version, figures in zip(made[:5], expected, strict=True):
        at = lines[version - 1]["posted_at"]
        for parameter in ("as_of", "recorded_as_of"):
            found = await client.balance("clients:5", **{parameter: at})
            assert (found["posted"], found["held"], found["version"]) == (*figures, version), (parameter, version)
    now = await client.balance("clients:5", as_of="2099-01-01")
    assert (now["posted"], now["held"], now["available"]) == ("1.0000", "0.0000", "1.0000")
    whole = await statement(client, "clients:5", *day_around(lines[0]["posted_at"]))
    assert (whole["opening"], whole["closing"]) == ("0.0000", "1.0000")
    assert [line["amount"] for line in whole["lines"]] == ["1.0000", "2.0000", "2.0000"], "what is held is no line"


async def test_of_equal_times_all_count_or_none(client: Client) -> None:
    await client.open_account("a")
    for amount in ("1", "2", "4"):
        await pay_at(client, amount, JAN)
    for moment, posted in ((shifted(JAN, -MICROSECOND), "0.00"), (JAN, "7.00"), (shifted(JAN, MICROSECOND), "7.00")):
        assert (await client.balance("a", as_of=moment))["posted"] == posted
    upto, since = await statement(client, "a", "2025-01-01", JAN), await statement(client, "a", JAN, FEB)
    assert (upto["lines"], upto["closing"], since["opening"]) == ([], "0.00", "0.00")
    assert [line["running_balance"] for line in since["lines"]] == ["1.00", "3.00", "7.00"]


@pytest.mark.parametrize(("currency", "zero", "paid"), [("JPY", "0", "7"), ("KWD", "0.000", "7.000")])
async def test_places_are_those_of_the_currency_also_before_anything_happened(
    client: Client, currency: str, zero: str, paid: str
) -> None:
    await client.open_account("a", currency=currency)
    before = await client.balance("a", as_of=JAN, recorded_as_of=JAN)
    assert (before["posted"], before["held"], before["available"], before["version"]) == (zero, zero, zero, 0)
    payment = await pay_at(client, "7", None, currency)
    assert (await client.balance("a", as_of=shifted(payment["created_at"], -MICROSECOND)))["posted"] == zero
    assert (await client.balance("a", as_of=payment["created_at"]))["posted"] == paid
    nothing = await statement(client, "a", "2025-01-01", "2025-02-01")
    assert (nothing["opening"], nothing["lines"], nothing["closing"]) == (zero, [], zero)


async def test_a_closed_account_is_looked_back_at_like_others(client: Client) -> None:
    await client.open_account("a")
    opened_at = (await client.get("/v1/accounts/a")).json()["created_at"]
    hour_before = shifted(opened_at, -timedelta(hours=1))
    payment = await pay_at(client, "3", hour_before)
    taken = await client.pay({"type": "withdrawal", "amount": "3", "currency": "USD", "from": "a"})
    assert taken.status_code == 201
    closed = await client.post("/v1/accounts/a/close", {"reason": "over"})
    assert closed.status_code == 200, closed.text
    assert (await client.balance("a", as_of=hour_before))["posted"] == "3.00"
    assert (await client.balance("a", recorded_as_of=payment["created_at"]))["posted"] == "3.00"
    found = await statement(client, "a", *day_around(payment["created_at"]))
    assert [line["running_balance"] for line in found["lines"]] == ["3.00", "0.00"]
    trial = (await client.get("/v1/trial-balance", params={"as_of": hour_before})).json()
    assert {line["code"]: line["credits"] for line in trial["accounts"]}["a"] == "3.00"


async def test_what_was_answered_as_recorded_is_answered_so_again(client: Client) -> None:
    """What was asked of a time still to come was answered as of now, and says so."""
    await client.open_account("a")
    await pay_at(client, "1", None)
    first = await client.balance("a", recorded_as_of="2099-01-01")
    assert first["posted"] == "1.00"
    assert datetime.fromisoformat(first["as_of"]).year < 2099
    await pay_at(client, "2", None)
    await pay_at(client, "4", JAN)
    assert await client.balance("a", recorded_as_of=first["as_of"]) == first
