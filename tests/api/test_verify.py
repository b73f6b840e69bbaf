"""Books with everything in them are right, and whatever somebody with every right changes past the service is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.services import proof_of_accounts, proof_of_entries, proof_of_events
from zerosum.services.integrity import Report, verify_ledger
from zerosum.services.refusal_seals import SEALED_AFTER, RefusalSeals

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PAID = "(select id from payments where ledger_id = $1 and reference = 'invoice 7')"
ALICE = "ledger_id = $1 and code = 'alice'"

TAMPERINGS = {
    # Payments.
    "an amount of a payment": f"update payments set amount = amount + 1 where id = {PAID}",
    "a payer": "update payments set payer_id = (select id from accounts where ledger_id = $1 and code = 'gone') "
    f"where ledger_id = $1 and id = {PAID}",
    "payer and payee turned round": f"update payments set payer_id = payee_id, payee_id = payer_id where id = {PAID}",
    "a type of a payment": f"update payments set type = 'deposit' where id = {PAID}",
    "a status of a payment": f"update payments set status = 'refunded' where id = {PAID}",
    "a currency of a payment": f"update payments set currency = 'EUR' where id = {PAID}",
    "a reference": f"update payments set reference = 'invoice 8' where id = {PAID}",
    "a reference taken away": f"update payments set reference = null where id = {PAID}",
    "a description": f"update payments set description = 'a gift' where id = {PAID}",
    "a processor": f"update payments set processor = 'acquirer' where id = {PAID}",
    "a payment deleted": f"delete from payments where id = {PAID}",
    "a payment inserted": f"insert into payments select ledger_id, gen_random_uuid(), type, status, currency, amount, "
    f"payer_id, payee_id, processor, reference, description from payments where id = {PAID}",
    "a payment put on another entry": "insert into payments select ledger_id, (select id from journal_entries "
    "where ledger_id = $1 and reason = 'fees' limit 1), type, status, currency, amount, payer_id, payee_id, processor, "
    f"null, null from payments where id = {PAID}",
    # Accounts.
    "codes swapped": "update accounts set code = 'x' where ledger_id = $1 and code = 'alice';"
    "update accounts set code = 'alice' where ledger_id = $1 and code = 'bob';"
    "update accounts set code = 'bob' where ledger_id = $1 and code = 'x'",
    "a name": f"update accounts set name = 'Mallory' where {ALICE}",
    "a type": "update accounts set type = 'equity' where ledger_id = $1 and code = 'alice'",
    "a currency": f"update accounts set currency = 'EUR' where {ALICE}",
    "a currency of an account with nothing in it": "update accounts set currency = 'EUR' where ledger_id = $1 "
    "and code = 'never-used'",
    "a floor": f"update accounts set min_available = -1000 where {ALICE}",
    "a floor taken away": f"update accounts set min_available = null where {ALICE}",
    "a ceiling": f"update accounts set max_available = 5000 where {ALICE}",
    "a status": "update accounts set status = 'open' where ledger_id = $1 and code = 'clients:2'",
    "a status of a closed account": "update accounts set status = 'open' where ledger_id = $1 and code = 'gone'",
    "the right to overdraw": f"update accounts set overdrawn = true where {ALICE}",
    "the metadata of an account": 'update accounts set metadata = \'{"vip": "yes"}\' where ledger_id = $1 '
    "and code = 'alice'",
    "an account that was never used deleted": "delete from accounts where ledger_id = $1 and code = 'never-used'",
    "an account inserted": "insert into accounts (ledger_id, id, version, code, currency, type, status, posted_debits, "
    "posted_credits, held, head, created_at) select ledger_id, gen_random_uuid(), 0, 'new', currency, type, status, 0, "
    "0, 0, head, created_at from accounts where ledger_id = $1 and code = 'never-used'",
    "a held amount": "update accounts set held = 0 where ledger_id = $1 and code = 'clients:1'",
    # The history of an account.
    "an actor of the history": "update account_changes set actor = 'key_other' where ledger_id = $1 and revision = 2",
    "the end of a history": "delete from account_changes where ledger_id = $1 and revision = 2 and status = 'frozen'",
    "a whole history": "delete from account_changes where ledger_id = $1 and code = 'never-used'",
    "a floor with its history": "with changed as (update account_changes set min_available = -1000 "
    f"where ledger_id = $1 and code = 'alice') update accounts set min_available = -1000 where {ALICE}",
    # Client transactions.
    "a client": "update client_transactions set client = 2 where ledger_id = $1 and tx = 1",
    "an amount of a client transaction": "update client_transactions set amount = amount + 1 where ledger_id = $1 "
    "and tx = 1",
    "a currency of a client transaction": "update client_transactions set currency = 'EUR' where ledger_id = $1 "
    "and tx = 1",
    "a type of a client transaction": "update client_transactions set type = 'withdrawal' where ledger_id = $1 "
    "and tx = 1",
    "a dispute forgotten": "update client_transactions set status = 'carried_out' where ledger_id = $1 and tx = 2",
    "a resolve forgotten": "update client_transactions set status = 'disputed' where ledger_id = $1 and tx = 3",
    "a dispute imagined": "update client_transactions set status = 'disputed' where ledger_id = $1 and tx = 1",
    "an entry of a client transaction": "update client_transactions set entry_id = gen_random_uuid() "
    "where ledger_id = $1 and tx = 1",
    "a client transaction deleted": "delete from client_transactions where ledger_id = $1 and tx = 1",
    "a client transaction inserted": "insert into client_transactions select ledger_id, 99, client, type, status, "
    "currency, amount, gen_random_uuid() from client_transactions where ledger_id = $1 and tx = 1",
    # Refusals.
    "a refusal deleted": "delete from refusals where (ledger_id, idempotency_key) = "
    "(select ledger_id, idempotency_key from refusals where ledger_id = $1 limit 1)",
    "all refusals deleted": "delete from refusals where ledger_id = $1",
    "a refusal changed": "update refusals set problem = '{}' where ledger_id = $1",
    "a seal of refusals changed": "update refusal_seals set refusals = refusals - 1 where ledger_id = $1",
    # Events.
    "an event of a payment deleted": f"delete from events where id = {PAID}",
    "an event of an entry deleted": "delete from events where ledger_id = $1 and type = 'journal_entry.posted'",
    "an event of a client transaction deleted": "delete from events where ledger_id = $1 "
    "and type = 'client_transaction.charged_back'",
    "an event of an account deleted": "delete from events where ledger_id = $1 and type = 'account.closed'",
    "an event of a locked client deleted": "delete from events where ledger_id = $1 and type = 'account.frozen' "
    "and resource_id = (select id from accounts where ledger_id = $1 and code = 'clients:2')",
    "an event changed": f"update events set type = 'payment.refunded' where id = {PAID}",
    "an event inserted": "insert into events (ledger_id, id, created_at, type, resource_type) "
    "values ($1, gen_random_uuid(), now(), 'payment.succeeded', 'payment')",
    "an event of an account inserted": "insert into events (ledger_id, id, created_at, type, resource_type, "
    "resource_id) select $1, gen_random_uuid(), now(), 'account.unfrozen', 'account', id from accounts "
    "where ledger_id = $1 and code = 'alice'",
    # Journal entries.
    "an entry without postings": "insert into journal_entries select ledger_id, gen_random_uuid(), effective_at, "
    "posted_at, 'no postings', fingerprint, 'journal_entry', null, reason, actor, null, null from journal_entries "
    "where ledger_id = $1 limit 1",
}


TABLES = (
    "accounts", "account_changes", "journal_entries", "postings", "payments", "client_transactions", "refusals",
    "refusal_seals", "events",
)  # fmt: skip


@pytest.fixture(scope="module")
async def ledger_id(service: Service, database: Database) -> AsyncIterator[LedgerId]:
    """A ledger in which everything has happened that can."""
    made = await service.services.ledgers.create("everything")
    ledger_id = LedgerId(made.id)
    client = await make_client(service, ledger_id)
    await _accounts_and_payments(client)
    await _clients(client)
    await _entries(client)
    await _refusals(client)
    await RefusalSeals(database, lambda: now() + SEALED_AFTER).seal(ledger_id)
    yield ledger_id
    await client.http.aclose()


@pytest.fixture
async def undone(ledger_id: LedgerId, superuser: Superuser) -> AsyncIterator[None]:
    """What the test does to the ledger is undone after it."""
    for table in TABLES:
        await superuser.execute(
            f"create temp table kept_{table} as select * from {table} where ledger_id = '{ledger_id}'"
        )
    yield
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        for table in TABLES:
            await superuser.execute(f"delete from {table} where ledger_id = $1", ledger_id)
            await superuser.execute(f"insert into {table} select * from kept_{table}")


async def _sent(client: Client, path: str, body: Any, method: str = "POST") -> dict[str, Any]:
    answer = await client.http.request(method, path, json=body, headers={"Idempotency-Key": fresh_key()})
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _accounts_and_payments(client: Client) -> None:
    alice = await client.open_account("alice", name="Alice", metadata={"since": "2026"})
    await client.open_account("bob", max_available="500.00")
    await client.open_account("yen", currency="JPY", type="asset", min_available=None)
    await client.open_account("never-used")
    await client.open_account("gone")
    await client.deposit("alice", "100.00")
    await client.deposit("gone", "3")
    pay = {"amount": "7.50", "currency": "USD"}
    ordered = {"from": "alice", "to": "bob", "reference": "invoice 7", "description": 'Zwölf „Äpfel“ "gut" / \\ 🍏'}
    await _sent(client, "/v1/payments", {"type": "transfer", **pay, **ordered, "metadata": {"b": "2", "a": "ä/1"}})
    dated = {
        "from": alice["id"].upper().replace("ACC_", "acc_"),
        "to": "bob",
        "effective_at": "2026-01-02T13:00:00+01:00",
    }
    await _sent(client, "/v1/payments", {"type": "transfer", **pay, **dated})
    await _sent(client, "/v1/payments", {"type": "withdrawal", **pay, "from": alice["id"]})
    await _sent(client, "/v1/payments", {"type": "withdrawal", "amount": "3.00", "currency": "USD", "from": "gone"})
    await _sent(client, "/v1/accounts/gone/close", {})
    await _sent(client, "/v1/accounts/bob/freeze", {})
    await _sent(client, "/v1/accounts/bob/unfreeze", {})
    await _sent(client, "/v1/accounts/alice", {"name": "Alice A.", "min_available": "-5.00"}, "PATCH")
    await _sent(client, "/v1/accounts/never-used", {"min_available": "50.00"}, "PATCH")


async def _clients(client: Client) -> None:
    for type_, number, tx, amount in (
        ("deposit", 1, 1, "5.0000"),
        ("deposit", 1, 2, "3.5000"),
        ("deposit", 1, 3, "1.0000"),
        ("withdrawal", 1, 4, "6.0000"),
        ("dispute", 1, 2, None),
        ("dispute", 1, 3, None),
        ("resolve", 1, 3, None),
        ("deposit", 2, 5, "2.0000"),
        ("dispute", 2, 5, None),
        ("chargeback", 2, 5, None),
    ):
        body = {"type": type_, "client": number, "tx": tx} | ({} if amount is None else {"amount": amount})
        await _sent(client, "/v1/transactions", body)


async def _entries(client: Client) -> None:
    def line(account: str, side: str, amount: str) -> dict[str, str]:
        return {"account": account, "side": side, "amount": amount, "currency": "USD"}

    await client.open_account("fees", type="revenue")
    postings = [line("alice", "debit", "2.00"), line("fees", "credit", "1.25"), line("bob", "credit", "0.75")]
    made = await _sent(client, "/v1/journal-entries", {"reason": "fees", "postings": postings})
    await _sent(client, f"/v1/journal-entries/{made['id']}/reverse", {"reason": "a mistake"})


async def _refusals(client: Client) -> None:
    for _ in range(3):
        assert (await client.transfer("bob", "alice", "10000.00")).status_code in (402, 409, 422)


async def verified(database: Database, ledger_id: UUID) -> Report:
    return await verify_ledger(database, ledger_id, lambda _done, _total: None)


async def test_a_ledger_in_which_everything_has_happened_is_right(
    database: Database, ledger_id: LedgerId, superuser: Superuser
) -> None:
    report = await verified(database, ledger_id)
    assert report.breaks == []
    for table in ("refusals", "refusal_seals", "client_transactions", "payments"):
        assert await superuser.fetchval(f"select count(*) from {table} where ledger_id = $1", ledger_id), table
    held = "select count(*) from accounts where ledger_id = $1 and held > 0"
    assert await superuser.fetchval(held, ledger_id), "nothing is held here"
    assert report.postings == await superuser.fetchval("select count(*) from postings where ledger_id = $1", ledger_id)
    assert report.accounts == await superuser.fetchval("select count(*) from accounts where ledger_id = $1", ledger_id)


async def test_small_slices_find_the_same(
    database: Database, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await verified(database, ledger_id)
    monkeypatch.setattr(proof_of_accounts, "ACCOUNTS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_accounts, "POSTINGS_AT_ONCE", 3)
    monkeypatch.setattr(proof_of_entries, "ENTRIES_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_entries, "TRANSACTIONS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_events, "EVENTS_AT_ONCE", 2)
    assert await verified(database, ledger_id) == whole


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_what_was_changed_past_the_service_is_found(
    undone: None, stranger: Client, database: Database, ledger_id: LedgerId, superuser: Superuser, name: str
) -> None:
    async with superuser.transaction():
        # A superuser can switch every guard off.
        await superuser.execute("set local session_replication_role = replica")
        for statement in TAMPERINGS[name].split(";"):
            tag = await superuser.execute(statement, ledger_id)
            assert int(tag.split()[-1]) >= 1, "nothing was changed"
    report = await verified(database, ledger_id)
    assert report.breaks, name
    other = await verified(database, parse_id(Prefix.LEDGER, stranger.ledger))
    assert other.breaks == [], "the ledger beside is as it was"


async def test_an_empty_ledger_is_right(stranger: Client, database: Database) -> None:
    report = await verified(database, parse_id(Prefix.LEDGER, stranger.ledger))
    assert (report.breaks, report.accounts, report.postings) == ([], 0, 0)


async def test_refusals_that_were_purged_by_age_are_not_missed(
    undone: None, database: Database, ledger_id: LedgerId, superuser: Superuser
) -> None:
    old = "created_at = created_at - interval '40 days'"
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        await superuser.execute("delete from refusal_seals where ledger_id = $1", ledger_id)
        await superuser.execute(f"update refusals set {old} where ledger_id = $1", ledger_id)
    seals = RefusalSeals(database, lambda: now() + SEALED_AFTER)
    await seals.seal(ledger_id)
    assert (await verified(database, ledger_id)).breaks == []
    async with superuser.transaction():
        await superuser.execute("select set_config('zerosum.ledgers', $1, true)", f"{{{ledger_id}}}")
        assert await superuser.fetchval("select zerosum_purge_refusals($1, now(), 2)", ledger_id) == 2
    assert (await verified(database, ledger_id)).breaks == []
