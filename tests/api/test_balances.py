"""Balances over HTTP: now, as of an instant of the world or of ours, at least as new as a write one knows of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused

JAN, FEB, MAR = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00.123456Z"


async def deposit_at(client: Client, amount: str, effective_at: str) -> dict[str, Any]:
    body = {"type": "deposit", "amount": amount, "currency": "USD", "to": "a", "effective_at": effective_at}
    answer = await client.pay(body)
    assert answer.status_code == 201, answer.text
    payment: dict[str, Any] = answer.json()
    return payment


def before(moment: str) -> str:
    """One microsecond earlier."""
    return (datetime.fromisoformat(moment) - timedelta(microseconds=1)).isoformat()


async def test_a_balance_has_the_shape_and_places_it_should(client: Client) -> None:
    account = await client.open_account("a", currency="KWD", min_available=None)
    await client.open_account("b", currency="KWD")
    body = {"type": "transfer", "amount": "1.5", "currency": "KWD", "from": "a", "to": "b"}
    assert (await client.pay(body)).status_code == 201
    balance = await client.balance("a")
    assert datetime.fromisoformat(balance.pop("as_of")).tzinfo is not None
    assert balance == {
        "account_id": account["id"],
        "code": "a",
        "currency": "KWD",
        "posted": "-1.500",
        "held": "0.000",
        "available": "-1.500",
        "version": 1,
    }


async def test_a_write_is_seen_by_the_next_read(client: Client) -> None:
    await client.open_account("a")
    for n in range(1, 6):
        payment = await client.deposit("a", "1")
        account_id = payment["to"]
        assert payment["account_versions"][account_id] == n
        assert (await client.balance("a"))["posted"] == f"{n}.00"
        assert (await client.balance("a", min_version=n))["version"] == n


async def test_the_answer_says_whether_it_came_out_of_the_cache(client: Client) -> None:
    await client.open_account("a")
    await client.deposit("a", "1")
    answers = [await client.get("/v1/accounts/a/balance") for _ in range(2)]
    assert answers[1].headers["cache-status"] == "zerosum; hit"
    fresh = await client.open_account("b")
    first = await client.get(f"/v1/accounts/{fresh['id']}/balance")
    second = await client.get(f"/v1/accounts/{fresh['id']}/balance")
    assert [first.headers["cache-status"], second.headers["cache-status"]] == ["zerosum; fwd=miss", "zerosum; hit"]
    assert first.json() | {"as_of": ""} == second.json() | {"as_of": ""}


async def test_a_version_that_is_not_reached_is_refused(client: Client) -> None:
    await client.open_account("a")
    await client.deposit("a", "1")
    answer = await client.get("/v1/accounts/a/balance", params={"min_version": 2})
    refused(answer, 409, "version_not_reached", facts={"version": 1})
    assert answer.json()["retryable"] is True
    assert (await client.balance("a", min_version=1))["version"] == 1
    assert (await client.balance("a", min_version=0))["version"] == 1


@pytest.mark.parametrize("value", ["-1", "x", "1.0", "1e3", "", "٣", "9" * 30])
async def test_a_version_is_a_whole_number(client: Client, value: str) -> None:
    await client.open_account("a")
    answer = await client.get("/v1/accounts/a/balance", params={"min_version": value})
    refused(answer, 422, "invalid_parameter", "min_version")


async def test_a_balance_as_of_an_instant_counts_what_was_effective_by_then(client: Client) -> None:
    await client.open_account("a")
    await deposit_at(client, "5", MAR)
    await deposit_at(client, "1", JAN)
    await deposit_at(client, "3", FEB)
    for moment, posted in (
        (before(JAN), "0.00"),
        (JAN, "1.00"),
        (before(FEB), "1.00"),
        (FEB, "4.00"),
        (before(MAR), "4.00"),
        (MAR, "9.00"),
        ("2026-02-01T01:00:00+01:00", "4.00"),
        ("0001-01-02T00:00:00Z", "0.00"),
    ):
        balance = await client.balance("a", as_of=moment)
        assert balance["posted"] == balance["available"] == posted, moment
        assert datetime.fromisoformat(balance["as_of"]) == datetime.fromisoformat(moment)
    assert (await client.balance("a"))["posted"] == "9.00"


async def test_a_balance_as_recorded_counts_what_was_written_by_then(client: Client) -> None:
    await client.open_account("a")
    first = await deposit_at(client, "1", MAR)
    second = await deposit_at(client, "3", JAN)
    for moment, posted, version in (
        (before(first["created_at"]), "0.00", 0),
        (first["created_at"], "1.00", 1),
        (before(second["created_at"]), "1.00", 1),
        (second["created_at"], "4.00", 2),
    ):
        balance = await client.balance("a", recorded_as_of=moment)
        assert (balance["posted"], balance["version"]) == (posted, version)
    both = await client.balance("a", recorded_as_of=first["created_at"], as_of=FEB)
    assert both["posted"] == "0.00"


@pytest.mark.parametrize("name", ["as_of", "recorded_as_of"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2026-1-1",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "2026-01-01T00:00:00.9999999999Z",
        "0001-01-01T00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01t00:00:00",
        "2026-01-01T00:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٦-01-01T00:00:00Z",
        "1767225600",
    ],
)
async def test_a_time_is_written_in_full_or_refused(client: Client, name: str, value: str) -> None:
    await client.open_account("a")
    answer = await client.get("/v1/accounts/a/balance", params={name: value})
    refused(answer, 422, "invalid_parameter", name)


async def test_a_version_goes_with_the_present_only(client: Client) -> None:
    await client.open_account("a")
    answer = await client.get("/v1/accounts/a/balance", params={"as_of": JAN, "min_version": 1})
    refused(answer, 422, "invalid_parameter", "min_version")


@pytest.mark.parametrize("route", ["balance", "postings"])
async def test_what_is_not_there_has_no_balance_and_no_history(client: Client, route: str) -> None:
    refused(await client.get(f"/v1/accounts/nobody/{route}"), 404, "account_not_found", facts={})
    refused(await client.get(f"/v1/accounts/acc_x/{route}"), 422, "invalid_id")
    refused(await client.get(f"/v1/accounts/a/{route}", params={"account": "b"}), 422, "unknown_parameter", "account")


# --- History ---------------------------------------------------------------------------------------------------------


async def test_the_history_shows_each_posting_with_the_balance_after_it(client: Client) -> None:
    account = await client.open_account("a")
    await client.open_account("b")
    deposit = await deposit_at(client, "10", JAN)
    transfer = (await client.transfer("a", "b", "4")).json()
    (newest, oldest) = await all_pages(client, "/v1/accounts/a/postings")
    assert len({newest.pop("hash"), oldest.pop("hash")}) == 2
    common = {
        "account_id": account["id"],
        "account_code": "a",
        "currency": "USD",
        "layer": "posted",
        "held_after": "0.00",
    }
    assert oldest == common | {
        "journal_entry_id": deposit["journal_entry_ids"][0],
        "account_version": 1,
        "side": "credit",
        "amount": "10.00",
        "balance_after": "10.00",
        "effective_at": "2026-01-01T00:00:00.000000Z",
        "posted_at": deposit["created_at"],
    }
    assert newest == common | {
        "journal_entry_id": transfer["journal_entry_ids"][0],
        "account_version": 2,
        "side": "debit",
        "amount": "4.00",
        "balance_after": "6.00",
        "effective_at": transfer["created_at"],
        "posted_at": transfer["created_at"],
    }


async def test_the_history_has_no_gap_and_comes_in_pages(client: Client) -> None:
    account = await client.open_account("a")
    items = [
        {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", "idempotency_key": fresh_key()}
        for _ in range(7)
    ]
    await client.post("/v1/payments/bulk", {"items": items})
    path = f"/v1/accounts/{account['id']}/postings"
    newest_first = [line["account_version"] for line in await all_pages(client, path, limit=3)]
    oldest_first = [line["account_version"] for line in await all_pages(client, path, limit=3, order="asc")]
    assert (newest_first, oldest_first) == ([7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7])
    assert await all_pages(client, "/v1/accounts/a/postings") == await all_pages(client, path)
