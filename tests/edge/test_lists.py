"""Lists people need: narrowed by what they know, in every combination, without reading a whole ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Subquery, select, text
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.journal import EntryFilter, entries_page, postings_page
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.queries.payments import PaymentFilter, payments_page
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id

OLD, NEW = "2026-03-05T12:00:00Z", "2026-09-05T12:00:00Z"


def item(type_: str, currency: str, when: str, reference: str | None, **sides: str) -> dict[str, Any]:
    return {
        "type": type_, "currency": currency, "amount": "1", "effective_at": when, "reference": reference,
        "idempotency_key": fresh_key(), "metadata": {"shop": "north" if when is OLD else "south"}, **sides,
    }  # fmt: skip


async def some_of_each(client: Client) -> list[dict[str, Any]]:
    """48 payments: every type, in two currencies, between three accounts, at two times, with two references or none."""
    for currency in ("USD", "EUR"):
        for code in ("a", "b", "c"):
            await client.open_account(f"{code}:{currency}", currency=currency, min_available=None)
    items = []
    for currency in ("USD", "EUR"):
        a, b, c = (f"{code}:{currency}" for code in ("a", "b", "c"))
        for when in (NEW, OLD):
            for reference in ("invoice 1", "Rechnung 2 – Mai", None):
                items += [
                    item("deposit", currency, when, reference, to=a),
                    item("transfer", currency, when, reference, **{"from": a, "to": b}),
                    item("transfer", currency, when, reference, **{"from": b, "to": c}),
                    item("withdrawal", currency, when, reference, **{"from": c}),
                ]
    answer = await client.post("/v1/payments/bulk", {"items": items})
    assert {one["status"] for one in answer.json()["results"]} == {201}, answer.text
    return [one["data"] for one in answer.json()["results"]]


def fits(payment: dict[str, Any], filters: dict[str, str]) -> bool:
    """What the filters mean, said once more and plainly."""
    rules: dict[str, Callable[[str], bool]] = {
        "account": lambda value: value in (payment["from_code"], payment["to_code"], payment["from"], payment["to"]),
        "effective_from": lambda value: payment["effective_at"] >= value,
        "effective_to": lambda value: payment["effective_at"] < value,
        "metadata[shop]": lambda value: payment["metadata"].get("shop") == value,
    }
    return all(
        rules.get(name, lambda value, name=name: payment[name] == value)(value) for name, value in filters.items()
    )


CHOICES = {
    "account": "b:USD",
    "reference": "Rechnung 2 – Mai",
    "type": "transfer",
    "currency": "USD",
    "status": "succeeded",
    "effective_from": "2026-04-01",
    "effective_to": "2026-10-01",
    "metadata[shop]": "north",
}


async def test_payments_are_narrowed_by_every_filter_and_every_two_of_them(client: Client) -> None:
    made = await some_of_each(client)
    for names in [*((name,) for name in CHOICES), *combinations(CHOICES, 2), tuple(CHOICES)]:
        filters = {name: CHOICES[name] for name in names}
        for order in ("asc", "desc"):
            found = await all_pages(client, "/v1/payments", limit=7, order=order, **filters)
            assert {one["id"] for one in found} == {one["id"] for one in made if fits(one, filters)}, filters
            assert len({one["id"] for one in found}) == len(found)
            is_by_time = "account" in names and {"effective_from", "effective_to"} & set(names)
            by = "effective_at" if is_by_time else "created_at"
            moments = [one[by] for one in found]
            assert moments == sorted(moments, reverse=order == "desc")


async def test_an_account_may_be_named_by_its_id_and_is_the_payer_or_the_payee(client: Client) -> None:
    made = await some_of_each(client)
    account = (await client.get("/v1/accounts/a:EUR")).json()["id"]
    found = await all_pages(client, "/v1/payments", account=account)
    assert {(one["type"], one["from_code"], one["to_code"]) for one in found} == {
        ("deposit", "clearing:internal:EUR", "a:EUR"),
        ("transfer", "a:EUR", "b:EUR"),
    }
    assert [one["id"] for one in found] == [one["id"] for one in reversed(made) if fits(one, {"account": "a:EUR"})]


async def test_an_account_that_is_not_there_is_told_and_not_passed_over(client: Client, stranger: Client) -> None:
    theirs = await stranger.open_account("theirs")
    for path in ("/v1/payments", "/v1/journal-entries"):
        for name in ("nobody", "theirs", theirs["id"]):
            refused(await client.get(path, params={"account": name}), 422, "account_not_found", "account")
        for name in ("acc_x", "a b", ""):
            refused(await client.get(path, params={"account": name}), 422, "invalid_parameter", "account")
        refused(await client.get(f"/v1/accounts/{theirs['id']}"), 404, "account_not_found")


async def test_a_reference_is_compared_whole(client: Client) -> None:
    await some_of_each(client)
    for reference in ("invoice", "invoice 1 ", "INVOICE 1", "invoice_1", "%", "invoice 12"):
        assert await all_pages(client, "/v1/payments", reference=reference) == []
    for reference in ("", "x" * 501):
        refused(
            await client.get("/v1/payments", params={"reference": reference}), 422, "invalid_parameter", "reference"
        )


async def test_a_reference_is_found_in_whatever_form_its_letters_come(client: Client) -> None:
    await client.open_account("a")
    body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", "reference": "Cafe\u0301"}
    assert (await client.pay(body)).status_code == 201
    for reference in ("Caf\u00e9", "Cafe\u0301"):
        assert len(await all_pages(client, "/v1/payments", reference=reference)) == 1


@pytest.mark.parametrize("path", ["/v1/payments", "/v1/journal-entries"])
async def test_the_old_names_of_times_mean_the_same(client: Client, path: str) -> None:
    await some_of_each(client)
    new = {"effective_from": "2026-03-01T00:00:00Z", "effective_to": "2026-04-01"}
    old = {"from": new["effective_from"], "to": new["effective_to"]}
    found = await all_pages(client, path, **new)
    assert len(found) == 24
    assert found == await all_pages(client, path, **old)
    page = (await client.get(path, params={**old, "limit": 5})).json()
    for repeated in (old, new, {"effective_from": new["effective_from"], "to": old["to"]}, {}):
        rest = await client.get(path, params={**repeated, "cursor": page["next_cursor"], "limit": 200})
        assert [one["id"] for one in rest.json()["data"]] == [one["id"] for one in found[5:]]
    for name, other in (("from", "effective_from"), ("to", "effective_to")):
        both = {name: "2026-03-01", other: "2026-03-01"}
        refused(await client.get(path, params=both), 422, "invalid_parameter", name)


@pytest.mark.parametrize(
    "path", ["/v1/payments", "/v1/journal-entries", "/v1/accounts/a/postings", "/v1/clients/1/transactions"]
)
async def test_times_are_days_or_moments_forward_and_at_most_a_year_apart(client: Client, path: str) -> None:
    await client.open_account("a")
    await client.post("/v1/transactions", {"type": "deposit", "client": 1, "tx": 1, "amount": "1"}, key=fresh_key())
    for start, end in (("2026-11-01", "2026-12-01"), ("2026-11-01T01:00:00+01:00", "2026-12-01")):
        answer = await client.get(path, params={"effective_from": start, "effective_to": end})
        assert answer.status_code == 200, answer.text
    for parameters, pointer in (
        ({"effective_from": "2026-02-01", "effective_to": "2026-01-31"}, "effective_from"),
        ({"effective_from": "2025-01-01", "effective_to": "2026-01-03"}, "effective_to"),
        ({"effective_from": "2026-02-30"}, "effective_from"),
        ({"effective_to": "yesterday"}, "effective_to"),
        ({"effective_to": ""}, "effective_to"),
        ({"effective_from": "2026-01-01T00:00:00"}, "effective_from"),
    ):
        refused(await client.get(path, params=parameters), 422, "invalid_parameter", pointer)


async def test_a_day_begins_at_midnight_utc_and_as_of_a_day_is_its_end(client: Client) -> None:
    await client.open_account("a")
    for amount, moment in (("1", "2025-11-27T23:59:59.999999Z"), ("2", "2025-11-28T00:00:00Z"),
                           ("4", "2025-11-28T23:59:59.999999Z"), ("8", "2025-11-29T00:00:00Z")):  # fmt: skip
        await client.pay({"type": "deposit", "amount": amount, "currency": "USD", "to": "a", "effective_at": moment})
    day = {"effective_from": "2025-11-28", "effective_to": "2025-11-29"}
    assert [one["amount"] for one in await all_pages(client, "/v1/payments", **day)] == ["4.00", "2.00"]
    assert [one["amount"] for one in await all_pages(client, "/v1/accounts/a/postings", **day)] == ["4.00", "2.00"]
    balance = await client.balance("a", as_of="2025-11-28")
    assert (balance["posted"], balance["as_of"]) == ("7.00", "2025-11-28T23:59:59.999999Z")
    statement = await client.get("/v1/accounts/a/statement", params={"from": "2025-11-28", "to": "2025-11-29"})
    assert statement.json()["closing"] == "7.00"
    trial = (await client.get("/v1/trial-balance", params={"as_of": "2025-11-28"})).json()
    assert (trial["currencies"][0]["debits"], trial["as_of"]) == ("7.00", "2025-11-28T23:59:59.999999Z")
    tomorrow = (now() + timedelta(days=1)).date().isoformat()
    assert (await client.balance("a", recorded_as_of=tomorrow))["posted"] == "15.00"
    yesterday = (now() - timedelta(days=2)).date().isoformat()
    assert (await client.balance("a", recorded_as_of=yesterday))["posted"] == "0.00"


async def test_journal_entries_are_narrowed_to_an_account_and_shown_once_each(client: Client) -> None:
    await client.open_account("a", min_available=None)
    await client.open_account("b", min_available=None)
    for when in (NEW, OLD, None):
        lines = [("a", "debit", "3"), ("a", "credit", "1"), ("b", "credit", "2")]
        postings = [
            {"account": code, "side": side, "amount": amount, "currency": "USD"} for code, side, amount in lines
        ]
        body = {"reason": "x", "postings": postings, "effective_at": when}
        assert (await client.post("/v1/journal-entries", body, key=fresh_key())).status_code == 201
    await client.deposit("b", "1")
    everything = await all_pages(client, "/v1/journal-entries")
    for order in ("asc", "desc"):
        found = await all_pages(client, "/v1/journal-entries", account="a", limit=1, order=order)
        wanted = [one for one in everything if one["reason"] == "x"]
        assert found == (wanted if order == "desc" else wanted[::-1])
    timed = {"effective_from": "2026-03-01", "effective_to": "2026-10-01"}
    found = await all_pages(client, "/v1/journal-entries", account="a", limit=1, **timed)
    assert [one["effective_at"][:10] for one in found] == [NEW[:10], OLD[:10]]


async def test_postings_in_a_span_of_time_come_in_its_order(client: Client) -> None:
    await some_of_each(client)
    timed = {"effective_from": "2026-03-01", "effective_to": "2026-10-01"}
    history = await all_pages(client, "/v1/accounts/a:USD/postings", order="asc")
    wanted = sorted(history, key=lambda line: (line["effective_at"], line["account_version"]))
    assert [line["account_version"] for line in wanted] != [line["account_version"] for line in history]
    assert await all_pages(client, "/v1/accounts/a:USD/postings", order="asc", limit=5, **timed) == wanted
    assert await all_pages(client, "/v1/accounts/a:USD/postings", limit=5, **timed) == wanted[::-1]


async def test_a_clients_transactions_are_narrowed_by_type_status_and_time(client: Client) -> None:
    commands = [("deposit", 1, "5"), ("deposit", 2, "6"), ("withdrawal", 3, "1"), ("dispute", 2, None)]
    for type_, tx, amount in commands:
        body = {"type": type_, "client": 1, "tx": tx, "amount": amount}
        assert (await client.post("/v1/transactions", body, key=fresh_key())).status_code == 201

    async def txs(**filters: str) -> list[int]:
        return [one["tx"] for one in await all_pages(client, "/v1/clients/1/transactions", limit=1, **filters)]

    today = now().date()
    tomorrow = (today + timedelta(days=1)).isoformat()
    assert await txs() == [3, 2, 1]
    assert await txs(type="deposit") == [2, 1]
    assert await txs(status="disputed") == [2]
    assert await txs(type="deposit", status="carried_out", effective_from=(today - timedelta(days=1)).isoformat()) == [
        1
    ]
    assert await txs(effective_from=tomorrow) == []
    assert await txs(effective_to=tomorrow, type="withdrawal") == [3]
    for name in ("type", "status"):
        bad = await client.get("/v1/clients/1/transactions", params={name: "x"})
        refused(bad, 422, "invalid_parameter", name)


async def test_a_client_names_its_currency(client: Client) -> None:
    body = {"type": "deposit", "client": 7, "tx": 1, "amount": "1"}
    await client.post("/v1/transactions", body, key=fresh_key())
    for shown in (
        (await client.get("/v1/clients/7")).json(),
        (await client.get("/v1/clients")).json()["data"][0],
        (await client.get("/v1/transactions/1")).json(),
        (await client.get("/v1/clients/7/transactions")).json()["data"][0],
    ):
        assert shown["currency"] == "XTS"


async def test_accounts_are_narrowed_by_a_prefix_that_is_taken_literally(client: Client) -> None:
    for code in ("shop:1", "shop:10", "shop_1", "shopz", "SHOP:1", "sho", "shoq"):
        await client.open_account(code)
    for prefix, codes in (
        ("shop", {"shop:1", "shop:10", "shop_1", "shopz"}),
        ("shop:1", {"shop:1", "shop:10"}),
        ("shop_", {"shop_1"}),
        ("shop%", set()),
        ("é", set()),
        ("\U0010ffff", set()),
        ("~", set()),
        (" ", set()),
    ):
        found = await all_pages(client, "/v1/accounts", code_prefix=prefix, limit=2)
        assert {one["code"] for one in found} == codes, prefix


# --- Without reading the ledger --------------------------------------------------------------------------------------

MANY = 3000
READ_MAX = 250
"""Rows of the large tables that a page of ten may read: a twelfth of what lies there."""


async def many(client: Client) -> None:
    """First a few of each rare kind, then thousands between two accounts: what is looked for lies at the far end."""
    for code in ("busy:1", "busy:2", "quiet"):
        await client.open_account(code, min_available=None)
    await client.open_account("euro", currency="EUR", type="asset", min_available=None)
    rare = [
        item("deposit", "USD", "2026-01-15T00:00:00Z", "rare", to="quiet"),
        item("withdrawal", "USD", "2026-01-15T00:00:00Z", None, **{"from": "quiet"}),
        item("deposit", "EUR", "2026-01-15T00:00:00Z", None, to="euro"),
    ]
    busy = [
        {**item("transfer", "USD", NEW, f"r{n}", **{"from": "busy:1", "to": "busy:2"}), "effective_at": None}
        for n in range(MANY)
    ]
    for start in range(0, MANY + len(rare), 1000):
        batch = (rare + busy)[start : start + 1000]
        answer = await client.post("/v1/payments/bulk", {"items": batch})
        assert {one["status"] for one in answer.json()["results"]} == {201}


async def rows_read(database: Database, ledger_id: LedgerId, page: Subquery) -> tuple[int, set[str]]:
    """How many rows of the large tables are looked at for a page, and by which indexes; none by reading a table."""
    sql = select(page).compile(
        dialect=dialect.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    async with database.work(ledger_id) as connection:
        await look_up_by_key(connection)
        plan = (
            await connection.execute(text(f"explain (analyze, format json) {sql}".replace(":", r"\:")))
        ).scalar_one()
    nodes: list[dict[str, Any]] = [plan[0]["Plan"]]
    read, indexes = 0, set()
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") in ("payments", "journal_entries", "postings"):
            assert node["Node Type"] != "Seq Scan", json.dumps(plan, indent=1)
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read += int((node["Actual Rows"] + removed) * node["Actual Loops"])
        if "Index Name" in node:
            indexes.add(node["Index Name"])
    return read, indexes


async def test_no_filter_reads_the_whole_ledger(
    client: Client,
    database: Database,
    ledger_id: LedgerId,
    superuser: asyncpg.Connection[asyncpg.Record],
) -> None:
    begun = now()
    await many(client)
    oldest = "select id from payments where ledger_id = $1 order by id limit 3"
    await superuser.execute(f"update payments set status = 'refunded' where id in ({oldest})", ledger_id)
    await superuser.execute("analyze payments, journal_entries, postings, accounts")
    ids = {}
    for code in ("busy:1", "quiet"):
        ids[code] = parse_id(Prefix.ACCOUNT, (await client.get(f"/v1/accounts/{code}")).json()["id"])
    lately: dict[str, Any] = {"effective_from": begun - timedelta(minutes=1)}
    span: dict[str, Any] = {
        "effective_from": datetime(2026, 1, 1, tzinfo=UTC),
        "effective_to": datetime(2026, 2, 1, tzinfo=UTC),
    }
    busy, quiet = ids["busy:1"], ids["quiet"]
    pages: Sequence[tuple[str, Callable[..., Subquery]]] = [
        ("payments_pkey", partial(payments_page, ledger_id, PaymentFilter())),
        ("payments_by_reference", partial(payments_page, ledger_id, PaymentFilter(reference="rare"))),
        ("payments_by_type", partial(payments_page, ledger_id, PaymentFilter(type="withdrawal"))),
        ("payments_by_currency", partial(payments_page, ledger_id, PaymentFilter(currency="EUR"))),
        ("payments_not_succeeded", partial(payments_page, ledger_id, PaymentFilter(status="refunded"))),
        ("postings_pkey", partial(payments_page, ledger_id, PaymentFilter(account_id=quiet))),
        ("postings_pkey", partial(payments_page, ledger_id, PaymentFilter(account_id=busy))),
        ("journal_entries_dated", partial(payments_page, ledger_id, PaymentFilter(**span))),
        ("payments_pkey", partial(payments_page, ledger_id, PaymentFilter(**lately))),
        ("postings_by_time", partial(payments_page, ledger_id, PaymentFilter(account_id=busy, **span))),
        ("payments_by_reference", partial(payments_page, ledger_id, PaymentFilter(reference="r7", account_id=busy))),
        ("journal_entries_pkey", partial(entries_page, ledger_id, EntryFilter())),
        ("journal_entries_dated", partial(entries_page, ledger_id, EntryFilter(**span))),
        ("journal_entries_pkey", partial(entries_page, ledger_id, EntryFilter(**lately))),
        ("postings_pkey", partial(entries_page, ledger_id, EntryFilter(account_id=busy))),
        ("postings_by_time", partial(entries_page, ledger_id, EntryFilter(account_id=busy, **span))),
        ("postings_pkey", partial(postings_page, ledger_id, busy, None, None)),
        ("postings_by_time", partial(postings_page, ledger_id, busy, *span.values())),
    ]
    for index, page_of in pages:
        for is_ascending in (True, False):
            page = page_of(after=None, limit=11, is_ascending=is_ascending)
            read, used = await rows_read(database, ledger_id, page)
            assert (read <= READ_MAX, index in used) == (True, True), (index, used, read)
