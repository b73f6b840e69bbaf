"""Whatever the database accepts can be reported on or is refused by name: no report fails on our side."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import check_problem, refused
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

REPORTS = [
    "/v1/trial-balance",
    "/v1/trial-balance?as_of=2026-02-01T00:00:00Z",
    "/v1/integrity",
    "/v1/accounts",
    "/v1/accounts/a",
    "/v1/accounts/a/balance?as_of=2026-02-01T00:00:00Z",
    "/v1/accounts/a/balance?min_version=1",
    "/v1/accounts/a/balance",
    "/v1/accounts/a/postings",
    "/v1/accounts/a/statement?from=2026-01-01&to=2026-12-31",
    "/v1/accounts/a/statement?from=2026-01-01&to=2026-12-31&format=csv",
    "/v1/payments",
    "/v1/payments/{payment}",
    "/v1/journal-entries",
    "/v1/journal-entries/{entry}",
    "/v1/currencies",
    "/v1/chart",
    "/v1/clients",
    "/v1/clients/7",
    "/v1/clients/7/transactions",
    "/v1/transactions/7",
    "/v1/idempotency-keys/{key}",
    "/v1/idempotency-keys/{refused_key}",
    "/v1/api-keys",
    "/v1/ledgers",
]

AMOUNTS = ["0.123", "'NaN'", "'Infinity'", "1e60", "1e120", "0.00000000000000000000001"]
TIMES = ["'infinity'", "'-infinity'", "'4000-01-01 BC'", "'9999-12-31 23:59:59.999999+00'", "'20000-01-01'"]
CHANGES = {
    "accounts": [
        *(f"posted_debits = {amount}, posted_credits = {amount}" for amount in AMOUNTS),
        *(f"posted_credits = posted_debits + {amount}, overdrawn = true" for amount in AMOUNTS),
        *(f"held = {amount}, overdrawn = true" for amount in AMOUNTS),
        *(f"max_available = {amount}, min_available = null" for amount in AMOUNTS),
        *(f"created_at = {moment}" for moment in TIMES),
        "currency = 'QQQ'",
        "currency = 'no currency at all'",
        "currency = 'JPY'",
        "metadata = '[1]'",
        "metadata = '\"x\"'",
        'metadata = \'{"a": {"b": 1}}\'',
        "version = 9223372036854775807",
    ],
    "postings": [
        *(f"amount = {amount}" for amount in AMOUNTS),
        *(f"balance_after = {amount}, held_after = {amount}" for amount in AMOUNTS),
        *(f"effective_at = {moment}, posted_at = {moment}" for moment in TIMES),
        "currency = 'QQQ'",
        "currency = 'JPY'",
        "account_version = account_version + 1",
        "entry_id = gen_random_uuid()",
    ],
    "journal_entries": [
        *(f"effective_at = {moment}, posted_at = {moment}" for moment in TIMES),
        "resource_type = 'something'",
        "resource_type = 'client_transaction', resource_id = null",
        "metadata = '[1]'",
        "metadata = '{\"a\": null}'",
        "reason = 'something'",
        "id = gen_random_uuid()",
    ],
    "payments": [
        *(f"amount = {amount}" for amount in AMOUNTS),
        "type = 'something', status = 'something', currency = 'something'",
        "payer_id = gen_random_uuid()",
        "id = gen_random_uuid()",
    ],
    "client_transactions": [
        *(f"amount = {amount}" for amount in AMOUNTS),
        "currency = 'something'",
        "entry_id = gen_random_uuid()",
        "tx = tx + 1",
    ],
    "currencies": ["exponent = 0", "code = 'no currency at all'", "code = ''"],
    "charts": [
        "rules = '{}'",
        "rules = '[1]'",
        "rules = '[{}]'",
        "rules = jsonb_set(rules, '{0,type}', '\"something\"')",
        "rules = jsonb_set(rules, '{0,pattern}', '\"***\"')",
        "rules = jsonb_set(rules, '{0,min_available}', '\"much\"')",
    ],
    "refusals": ["problem = '{}'", "problem = '[]'", 'problem = \'{"code": "something"}\''],
}
"""What whoever may do anything may do to a table: the constraints hold, the triggers are silent."""


@pytest.fixture
async def paths(client: Client) -> list[str]:
    """Every report on a ledger in which everything has happened once."""
    await client.open_account("a")
    body = {"type": "deposit", "amount": "5", "currency": "USD", "to": "a", "effective_at": "2026-01-01T00:00:00Z"}
    key, refused_key = fresh_key(), fresh_key()
    payment = (await client.pay(body, key)).json()
    refused = {"type": "withdrawal", "amount": "50", "currency": "USD", "from": "a"}
    assert (await client.pay(refused, refused_key)).status_code == 422
    made = await client.post(
        "/v1/transactions", {"type": "deposit", "client": 7, "tx": 7, "amount": "1"}, key=fresh_key()
    )
    assert made.status_code == 201
    rule = {"pattern": "customers:*", "type": "liability", "currency": "USD"}
    assert (await client.http.put("/v1/chart", json={"rules": [rule]})).status_code == 200
    names = {"payment": payment["id"], "entry": payment["journal_entry_ids"][0]}
    return [path.format(**names, key=key, refused_key=refused_key) for path in REPORTS]


@pytest.mark.parametrize("table", CHANGES)
async def test_no_report_fails_on_our_side_whatever_the_database_holds(
    client: Client,
    paths: list[str],
    ledger_id: LedgerId,
    database: Database,
    superuser: asyncpg.Connection[asyncpg.Record],
    table: str,
) -> None:
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute(f"create temp table kept as select * from {table} where ledger_id = '{ledger_id}'")
    failed = []
    for change in CHANGES[table]:
        await superuser.execute(f"update {table} set {change} where ledger_id = '{ledger_id}'")
        failed += [f"{change}: {what}" for path in paths if (what := await fault(client, path))]
        await verify_ledger(database, ledger_id, lambda *_: None)
        await superuser.execute(f"delete from {table} where ledger_id = '{ledger_id}'")
        await superuser.execute(f"insert into {table} select * from kept")
    assert failed == []
    assert {(await client.get(path)).status_code for path in paths} == {200}
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).is_right


async def fault(client: Client, path: str) -> str | None:
    """What is wrong with the answer, if anything is."""
    answer = await client.get(path)
    if answer.status_code >= 500:
        return f"{answer.status_code} {path}"
    if answer.status_code >= 400:
        check_problem(answer.json(), answer.status_code, answer.json()["code"])
    elif re.search(r'"-?(NaN|Infinity)"', answer.text):
        return f"no number in {path}"
    return None


async def test_amounts_finer_than_their_currency_are_named_and_found(
    client: Client,
    paths: list[str],
    ledger_id: LedgerId,
    database: Database,
    superuser: asyncpg.Connection[asyncpg.Record],
) -> None:
    """As they were once posted: in a currency whose places are others than what the books were told."""
    assert len(paths) == len(REPORTS)
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute(
        "update accounts set posted_debits = posted_debits * 1.0001, posted_credits = posted_credits * 1.0001 "
        "where ledger_id = $1 and currency = 'USD'",
        ledger_id,
    )
    await superuser.execute(
        "update postings set amount = amount * 1.0001 where ledger_id = $1 and currency = 'USD'", ledger_id
    )
    account = (await client.get("/v1/accounts/a")).json()["id"]  # The first by its code.
    facts = {"currency": "USD", "places": 2}
    trial = await client.get("/v1/trial-balance")
    refused(trial, 409, "record_unreadable", facts={**facts, "account": account})
    then = await client.get("/v1/accounts/a/balance?as_of=2026-02-01T00:00:00Z")
    refused(then, 409, "record_unreadable", facts=facts)
    integrity = (await client.get("/v1/integrity")).json()
    assert "postings are finer than USD, or no numbers" in [one["what"] for one in integrity["breaks"]]
    report = await verify_ledger(database, ledger_id, lambda *_: None)
    assert "the amount is finer than its currency, or no number" in [one.what for one in report.breaks]


async def test_a_payment_on_an_account_that_cannot_be_read_is_refused_and_stops_no_other(
    client: Client, paths: list[str], ledger_id: LedgerId, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    assert len(paths) == len(REPORTS)
    await client.open_account("bad", min_available=None)
    await client.open_account("b")
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("update accounts set held = 'NaN' where code = 'bad' and ledger_id = $1", ledger_id)
    answers = await asyncio.gather(
        *(client.transfer(payer, "b", "0.10") for payer in ("a", "bad", "a", "bad", "a", "a"))
    )
    assert [answer.status_code for answer in answers] == [201, 409, 201, 409, 201, 201]
    refused(answers[1], 409, "record_unreadable")
    rehearsed = await client.post(
        "/v1/payments?dry_run=true",
        {"type": "transfer", "amount": "1", "currency": "USD", "from": "bad", "to": "b"},
        key=fresh_key(),
    )
    refused(rehearsed, 409, "record_unreadable")
    for verb in ("freeze", "unfreeze", "close"):
        assert (await client.post(f"/v1/accounts/bad/{verb}")).status_code < 500


async def test_a_payment_by_a_chart_that_cannot_be_read_is_told_so_and_others_go_on(
    client: Client, paths: list[str], ledger_id: LedgerId, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    assert len(paths) == len(REPORTS)
    await client.open_account("b")
    rules = await superuser.fetchval("select rules from charts where ledger_id = $1", ledger_id)
    await superuser.execute("set session_replication_role = replica")
    for change in CHANGES["charts"]:
        await superuser.execute(f"update charts set {change} where ledger_id = $1", ledger_id)
        refused(await client.transfer("a", "customers:new", "0.10"), 409, "record_unreadable")
        assert (await client.transfer("a", "b", "0.10")).status_code == 201
        await superuser.execute("update charts set rules = $2 where ledger_id = $1", ledger_id, rules)
