"""Books with everything in them are right, and whatever somebody with every right changes past the service is found."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.event_schemas import unlike_the_schemas
from tests.api.scheduling import run_at, scheduled
from tests.api.sealing import sealing_of
from tests.api.tamperings import BUSY, CONCERNED, FOUND, TAMPERINGS
from tests.at_length import AT_LENGTH, some
from tests.rules.judging import ALL_HELD, hold_for_review
from tests.services.proving_in_pieces import verified_in_pieces
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.adapters.processors.signing import SIGNATURE_HEADER, sign
from zerosum.api.render import render_time
from zerosum.api.schemas.events import event_body
from zerosum.db.engine import Database
from zerosum.db.queries.checkpoints import BLOCK
from zerosum.db.queries.events import BEGINNING, EventFilter
from zerosum.db.queries.processor_moves import unsent_calls
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.payments.processor_calls import MoveReason
from zerosum.main import Service
from zerosum.outside import live_processors
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.checkpointing import Checkpointing
from zerosum.services.background.totals_sealing import TotalsSealing
from zerosum.services.processor_moves import Mover
from zerosum.services.proof_log.documents import key_of
from zerosum.services.proof_log.export import ledger_export
from zerosum.services.proofs import of_account_groups as proof_of_account_groups
from zerosum.services.proofs import of_accounts as proof_of_accounts
from zerosum.services.proofs import of_checkpoints as proof_of_checkpoints
from zerosum.services.proofs import of_disputes as proof_of_disputes
from zerosum.services.proofs import of_entries as proof_of_entries
from zerosum.services.proofs import of_events as proof_of_events
from zerosum.services.proofs import of_exchanges as proof_of_exchanges
from zerosum.services.proofs import of_group_limits as proof_of_group_limits
from zerosum.services.proofs import of_holds as proof_of_holds
from zerosum.services.proofs import of_periods as proof_of_periods
from zerosum.services.proofs import of_processor_calls as proof_of_processor_calls
from zerosum.services.proofs import of_reviews as proof_of_reviews
from zerosum.services.proofs import of_schedules as proof_of_schedules
from zerosum.services.proofs import of_splits as proof_of_splits
from zerosum.services.proofs import of_statements as proof_of_statements
from zerosum.services.proofs import of_subjects as proof_of_subjects
from zerosum.services.proofs import of_templates as proof_of_templates
from zerosum.services.proofs import of_versions as proof_of_versions
from zerosum.services.proofs.audit_seals import AuditSeals
from zerosum.services.proofs.refusal_seals import SEALED_AFTER, RefusalSeals
from zerosum.services.proofs.whole_ledger import Report, verify_ledger
from zerosum.services.requests.settled_time import CLOCKS_APART_MAX
from zerosum.verifier import standalone

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_ID_OR_TIME = re.compile(r"\b(?:pay|je|evt|hold|ref|rev|dsp|exc|sch|run|stm|aud)_[0-9a-f-]{36}|\b[0-9-]{10}T[0-9:]{8}Z")

FEW = 20
MANY = 3 * BLOCK + 20
"""Postings that make three checkpoints; for all that is not about these a few do, and are verified in a third of it."""
AT_ONCE = 100
PIECE_SIZE = 30

_CHANGED = re.compile(r"\b(?:update|delete from|insert into) (\w+)")
ABOUT_CHECKPOINTS = [name for name, text in TAMPERINGS.items() if BUSY in text]
ABOUT_ALL_ELSE = [name for name in TAMPERINGS if name not in ABOUT_CHECKPOINTS]


def _each_finding_once(names: Iterable[str]) -> list[str]:
    """Those of which one finding at least is none of an earlier one."""
    found: set[str] = set()
    chosen = []
    for name in names:
        if FOUND[name] - found:
            chosen.append(name)
            found |= FOUND[name]
    return chosen


TRIED = ABOUT_ALL_ELSE if AT_LENGTH else _each_finding_once(ABOUT_ALL_ELSE)
"""About half of them: no finding is without one that makes it."""
ALSO_IN_PIECES = random.Random(71).sample(TRIED, 10)
"""A part of them: that pieces find what the whole finds is nothing that one of them could be different in."""
ALSO_BESIDE = {*some(TRIED, 4), *ABOUT_CHECKPOINTS}
"""A part, too: no finding tells of another ledger by itself."""
with_many = pytest.mark.xdist_group("a ledger with checkpoints")  # one of the test processes makes it, not all


@pytest.fixture(scope="module")
async def ledger_id(service: Service, database: Database, tmp_path_factory: pytest.TempPathFactory) -> LedgerId:
    """A ledger in which everything has happened that can."""
    return await _made(service, database, FEW, tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="module")
async def busy_ledger_id(service: Service, database: Database, tmp_path_factory: pytest.TempPathFactory) -> LedgerId:
    """The same with checkpoints, which are made of many postings."""
    return await _made(service, database, MANY, tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="module")
async def beside(service: Service) -> LedgerId:
    """A ledger to which nothing is done."""
    made = await service.services.ledgers.create("beside")
    client = await make_client(service, LedgerId(made.id))
    await client.open_account("alice")
    await client.deposit("alice", "7.50")
    await client.http.aclose()
    return LedgerId(made.id)


async def _made(service: Service, database: Database, payments: int, rules: Path) -> LedgerId:
    made = await service.services.ledgers.create("everything")
    ledger_id = LedgerId(made.id)
    client = await make_client(service, ledger_id)
    await _accounts_and_payments(client)
    await _first_uses(client)
    await _clients(client)
    await _entries(client)
    await _holds(client)
    await _splits(client)
    await _exchanges(client)
    await _disputes(client)
    await _house_rules(client)
    await _routes(client)
    await _processors(client)
    await _moved(client, service)
    await _reviews(client, service, ledger_id, rules)
    await _many(client, payments)
    await _periods(client)
    await _schedules(client, service)  # last of what posts: its worker lives days ahead
    await _account_groups(client)
    await _subjects(client)
    await _templates(client)
    await _refusals(client)
    await _statements(client, 2)
    await _statements(client, 2)
    await RefusalSeals(database, lambda: now() + SEALED_AFTER).seal(ledger_id)
    await until(lambda: AuditSeals(database, now).seal(ledger_id), bool)
    await Checkpointing(database).run_once()
    await TotalsSealing(
        database, now, entries=20, entries_max=20, kept_accounts=1_000, behind=CLOCKS_APART_MAX
    ).run_once()
    await client.http.aclose()
    return ledger_id


@asynccontextmanager
async def undone(superuser: Superuser, ledger_id: LedgerId, tables: Iterable[str]) -> AsyncIterator[None]:
    """What is done to these tables of the ledger meanwhile is undone at the end."""
    for table in tables:
        await superuser.execute(
            f"create temp table kept_{table} as select * from {table} where ledger_id = '{ledger_id}'"
        )
    try:
        yield
    finally:
        async with superuser.transaction():
            await superuser.execute("set local session_replication_role = replica")
            for table in tables:
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
    given = {"type": "transfer", **pay, "from": "alice", "to": "bob", "reference": "given back"}
    given_back = await _sent(client, "/v1/payments", given)
    refund = {"amount": "2.25", "reason": "Broken", "metadata": {"b": "2", "a": "1"}}
    await _sent(client, f"/v1/payments/{given_back['id']}/refund", refund)
    await _sent(client, f"/v1/payments/{given_back['id']}/refund", {})
    await _sent(client, "/v1/payments", {"type": "withdrawal", "amount": "3.00", "currency": "USD", "from": "gone"})
    conditions = [
        {"account": "bob", "available_at_most": "500", "expected_version": 5},
        {"account": alice["id"], "available_at_least": "1"},
    ]
    await _sent(client, "/v1/payments", given | {"reference": "conditional", "conditions": conditions})
    velocity = [{"direction": "out", "window": "day", "amount": "90.00", "count": 50}]
    await _sent(client, "/v1/accounts/bob", {"velocity_limits": velocity}, "PATCH")
    await _sent(client, "/v1/accounts/gone/close", {})
    await _sent(client, "/v1/accounts/bob/freeze", {})
    await _sent(client, "/v1/accounts/bob/unfreeze", {})
    await _sent(client, "/v1/accounts/alice", {"name": "Alice A.", "min_available": "-5.00"}, "PATCH")
    await _sent(client, "/v1/accounts/never-used", {"min_available": "50.00"}, "PATCH")


async def _first_uses(client: Client) -> None:
    """Accounts that a payment, an entry and a hold have opened, by the last of three charts."""
    rule = {"pattern": "customers:*", "type": "liability", "min_available": None}
    for currency in ("EUR", None, "USD"):
        await _sent(client, "/v1/chart", {"rules": [{**rule, "currency": currency}]}, "PUT")
    pay = {"amount": "7.50", "currency": "USD"}
    await _sent(client, "/v1/payments", {"type": "transfer", **pay, "from": "customers:anna", "to": "customers:ben"})
    sides = (("customers:ben", "debit"), ("customers:carl", "credit"))
    postings = [{"account": account, "side": side, **pay} for account, side in sides]
    await _sent(client, "/v1/journal-entries", {"reason": "first use", "postings": postings})
    await _sent(client, "/v1/holds", {**pay, "from": "customers:carl", "to": "customers:dora"})


async def _account_groups(client: Client) -> None:
    limits = [{"direction": "out", "window": "day", "currency": "USD", "amount": "100000.00"}]
    for members in (["alice"], ["alice", "customers:*"]):
        given = {"members": members, "velocity_limits": limits}
        await _sent(client, "/v1/account-groups/wallets", given, "PUT")
    await _sent(client, "/v1/account-groups/unlimited", {"members": ["bob"], "velocity_limits": limits}, "PUT")
    await _sent(client, "/v1/account-groups/unlimited", {"members": ["bob"]}, "PUT")
    await _sent(client, "/v1/account-groups/gone", {"members": ["**"]}, "PUT")
    await _sent(client, "/v1/account-groups/gone", None, "DELETE")


async def _subjects(client: Client) -> None:
    """Two people, of whom one is erased, and what was said about each with two payments."""
    for subject in ("ada", "ada", "ben", "ben"):
        said = {"personal": {"subject": subject, "members": {"name": subject}}, "reference": f"about {subject}"}
        await _sent(client, "/v1/payments", {"type": "deposit", "amount": "1", "currency": "USD", "to": "bob"} | said)
    await _sent(client, "/v1/subjects/ben/erase", {"reason": "asked for"})


async def _routes(client: Client) -> None:
    for name in ("one", "other"):
        given = {"routes": [{"name": name, "processors": ["away", "elsewhere"]}], "why": f"for {name}"}
        await _sent(client, "/v1/routes", given, "PUT")


async def _house_rules(client: Client) -> None:
    """A hold and a lost dispute by the second of three versions."""
    await _sent(client, "/v1/accounts", {"code": "ruled-fees", "currency": "USD", "type": "revenue"})
    fee = {"amount": "2", "currency": "USD", "to": "ruled-fees", "force": True}
    for percent in ("10", "12.5"):
        rules = {"over_capture": {"percent": percent}, "dispute_fees": [fee]}
        await _sent(client, "/v1/house-rules", rules, "PUT")
    money = {"amount": "9.99", "currency": "USD"}
    await _sent(client, "/v1/holds", {**money, "from": "alice", "to": "bob", "reference": "by rules"})
    paid = await _sent(client, "/v1/payments", {**money, "type": "deposit", "to": "bob"})
    opened = await _sent(client, f"/v1/payments/{paid['id']}/dispute", {"reason": "by rules"})
    await _sent(client, f"/v1/disputes/{opened['id']}/chargeback", {})
    await _sent(client, "/v1/house-rules", {}, "PUT")


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
    conditions = [{"account": "alice", "available_at_least": "0"}]
    fees = {"reason": "fees", "postings": postings, "conditions": conditions}
    made = await _sent(client, "/v1/journal-entries", fees)
    await _sent(client, f"/v1/journal-entries/{made['id']}/reverse", {"reason": "a mistake"})


async def _statements(client: Client, number: int) -> None:
    """Of the last year until now, and of a span of the past that is nobody's first day."""
    for _ in range(number):
        for account in ("alice", "bob", "clients:1"):
            span = {"from": render_time(now() - timedelta(days=365)), "to": render_time(now())}
            await _sent(client, f"/v1/accounts/{account}/statements", span)


async def _disputes(client: Client) -> None:
    """One that is open, one under review, one won and taken further twice, and one lost, with a fee."""
    await client.open_account("shop")
    await client.deposit("shop", "10")
    sale = {"type": "deposit", "amount": "9.00", "currency": "USD", "to": "shop"}
    for reference, ends in (("asked", None), ("reviewed", "evidence"), ("won", "resolve"), ("lost", "chargeback")):
        payment = await _sent(client, "/v1/payments", {**sale, "reference": reference})
        said = {"reason": "fraudulent", "provider_case_id": f"case {reference}", "network_reason_code": "10.4"}
        path = f"/v1/payments/{payment['id']}/dispute"
        dispute = await _sent(client, path, said | {"amount": "4", "respond_by": "2027-01-01T00:00:00Z"})
        await _sent(client, path, said)
        if ends is not None:
            body: dict[str, Any] = {"text": "Delivered"} if ends == "evidence" else {"note": "decided"}
            if ends == "chargeback":
                body["fee"] = {"amount": "1.50", "to": "alice", "force": True}
            await _sent(client, f"/v1/disputes/{dispute['id']}/{ends}", body)
        if ends == "resolve":
            for stage in ("pre_arbitration", "arbitration"):
                said = {"stage": stage, "respond_by": "2027-02-01T00:00:00Z", "note": stage}
                await _sent(client, f"/v1/disputes/{dispute['id']}/escalate", said)


async def _moved(client: Client, service: Service) -> None:
    """One that was moved to the next processor of its route and carried out there, and one that waits there."""
    live, accounts = live_processors(service.settings), bare_accounts(service.database, now)
    mover = Mover(service.database, service.committer, accounts, live, now)
    out = {"type": "withdrawal", "amount": "5.00", "currency": "USD", "from": "paul", "processor": "auto"}
    for reference in ("moved", "moved and waits"):
        made = await _sent(client, "/v1/payments", out | {"reference": reference})
        async with service.database.operator_work() as connection:
            unsent = await unsent_calls(connection, "away", now(), 10)
        [call] = [one for one in unsent if str(one.id) == made["id"][4:]]
        assert await mover.move(call, "away", "elsewhere", MoveReason.NOT_SENT, "it was not asked")
        if reference == "moved":
            await _sent(client, f"/v1/processor-calls/{made['id']}/settle", {"outcome": "approved", "reason": "seen"})


async def _processors(client: Client) -> None:
    """Payments that are carried out in full and in part, declined, told of by the processor, and one that waits."""
    await client.open_account("paul")
    await client.deposit("paul", "200")
    out = {"type": "withdrawal", "amount": "10.00", "currency": "USD", "from": "paul", "processor": "away"}
    for reference, said in (
        ("carried out", {"outcome": "approved", "reason": "seen"}),
        ("in part", {"outcome": "approved", "reason": "seen", "amount": "4.50"}),
        ("turned down", {"outcome": "declined", "reason": "not seen"}),
        ("waits", None),
    ):
        made = await _sent(client, "/v1/payments", out | {"reference": reference, "metadata": {"b": "2", "a": "1"}})
        if said is not None:
            await _sent(client, f"/v1/processor-calls/{made['id']}/settle", said)
        if reference == "in part":
            back = await _sent(client, f"/v1/payments/{made['id']}/refund", {"amount": "1.25", "reason": "known"})
            seen = {"outcome": "approved", "reason": "seen", "amount": "1.00"}
            await _sent(client, f"/v1/processor-calls/{back['id']}/settle", seen)
        if reference == "carried out":
            back = await _sent(client, f"/v1/payments/{made['id']}/refund", {"amount": "2.00"})
            seen = {"outcome": "declined", "reason": "not seen"}
            await _sent(client, f"/v1/processor-calls/{back['id']}/settle", seen)
            await _sent(client, f"/v1/payments/{made['id']}/refund", {"amount": "2.25", "reason": "waits"})
    came = {"type": "deposit", "amount": "3.00", "currency": "USD", "to": "paul", "processor": "away"}
    made = await _sent(client, "/v1/payments", came | {"reference": "came in"})
    call = (await client.get(f"/v1/processor-calls/{made['id']}")).json()
    body = {"event_id": "ev", "key": call["key"], "status": "approved", "approved": "2.00", "id": "po_1"}
    content = orjson.dumps(body)
    signed = {"content-type": "application/json", SIGNATURE_HEADER: sign(b"a secret of nobody else", content, now())}
    answer = await client.http.post("/v1/processors/away/callbacks", content=content, headers=signed)
    assert answer.json() == {"effect": "settled"}, answer.text
    await client.open_account("paul:fees", type="revenue")
    shared = came | {"reference": "shared", "effective_at": render_time(now() - timedelta(hours=1))}
    made = await _sent(client, "/v1/payments", shared | {"splits": [{"to": "paul:fees", "percent": "12.5"}]})
    seen = {"outcome": "approved", "reason": "seen", "amount": "2.00"}
    await _sent(client, f"/v1/processor-calls/{made['id']}/settle", seen)
    for amount, reason in (("1.00", "a share"), ("0.40", "shares wait")):
        back = await _sent(client, f"/v1/payments/{made['id']}/refund", {"amount": amount, "reason": reason})
        if reason == "a share":
            seen = {"outcome": "approved", "reason": "seen", "amount": "0.75"}
            await _sent(client, f"/v1/processor-calls/{back['id']}/settle", seen)


async def _reviews(client: Client, service: Service, ledger_id: LedgerId, folder: Path) -> None:
    """One that waits, one of which half is said, one that was approved, one by two, and one that was refused."""
    for code in ("holder", "taker"):
        await client.open_account(code, min_available=None)
    other = await make_client(service, ledger_id)
    body = {"type": "transfer", "amount": "4.00", "currency": "USD", "from": "holder", "to": "taker"}
    twice = {**ALL_HELD, "two_approvals_from": "0"}
    cases: dict[str, tuple[dict[str, Any], list[tuple[Client, str]]]] = {
        "held": (ALL_HELD, []),
        "half": (twice, [(client, "approve")]),
        "approved": (ALL_HELD, [(client, "approve")]),
        "by two": (twice, [(other, "approve"), (client, "approve")]),
        "refused": (ALL_HELD, [(other, "refuse")]),
    }
    for reference, (rule, said) in cases.items():
        ordered: dict[str, Any] = {**body, "reference": reference, "metadata": {"m": reference}}
        if reference == "approved":
            ordered["splits"] = [{"to": "alice", "percent": "10"}]
        review = await hold_for_review(service, ledger_id, folder, ordered, rule)
        for one, verb in said:
            answer = await one.post(f"/v1/reviews/{review}/{verb}", {"reason": "Known."}, key=fresh_key())
            assert answer.status_code == 200, answer.text
    await other.http.aclose()


async def _schedules(client: Client, service: Service) -> None:
    """One that was paid twice, one that was tried in vain, one left out, one cancelled, two that wait."""
    await client.open_account("tenant")
    await client.open_account("landlord")
    await client.deposit("tenant", "25")
    daily = {"rule": "FREQ=DAILY;COUNT=2", "time_zone": "Europe/Berlin"}
    again = {"on_refusal": "retry", "retry": {"attempts": 2, "interval_seconds": 60}}
    await scheduled(client, reference="rent", recurrence=daily, metadata={"a": "1"})
    await scheduled(client, reference="in vain", amount="1000", **again)
    await scheduled(client, reference="left out", amount="1000")
    cancelled = await scheduled(client, reference="cancelled")
    await _sent(client, f"/v1/scheduled-payments/{cancelled['id']}/cancel", {})
    often = {"rule": "FREQ=DAILY;COUNT=30", "time_zone": "UTC"}
    await scheduled(client, reference="goes on", amount="0.01", recurrence=often)
    later = (now() + timedelta(days=300)).isoformat()
    await scheduled(client, reference="later", execute_at=later, recurrence=daily, **again)
    await run_at(service, now() + timedelta(days=2), turns=2)
    await run_at(service, now() + timedelta(days=3))


async def _templates(client: Client) -> None:
    """Two versions of one, of which the first is used too; and every way in which an order may leave something out."""
    for code in ("buyer", "seller", "taxes"):
        await client.open_account(code, min_available=None)
    sale = {
        "name": "sale",
        "reason": "Sale {order}, {note}",
        "parameters": {
            "price": {"type": "amount", "currency": "{money}"},
            "money": {"type": "currency"},
            "tax": {"type": "percent"},
            "seller": {"type": "account"},
            "order": {"type": "text"},
            "note": {"type": "text"},
        },
        "postings": [
            {"side": "debit", "account": "buyer", "amount": "price"},
            {"side": "credit", "account": "taxes", "amount": "price * tax% + 0.005", "rounding": "up"},
            {"side": "credit", "account": "taxes", "amount": "(price - 1) / 3 / 2 - 0.1 * 2"},
            {"side": "credit", "account": "{seller}", "amount": "remainder"},
        ],
    }
    for description in ("first", "second", "third"):
        await _sent(client, "/v1/templates", {**sale, "description": description})
    given = {"price": "19.9", "money": "USD", "tax": "7.25", "seller": "seller", "order": "{note} é", "note": "{order}"}
    for said in (
        {
            "reason": "a sale",
            "version": 1,
            "metadata": {"b": "2", "a": "1"},
            "effective_at": "2026-01-02T13:00:00+01:00",
        },
        {"version": 2},
        {},
    ):
        await _sent(client, "/v1/templates/sale/post", {"parameters": given, **said})
    seller = (await client.get("/v1/accounts/seller")).json()["id"].upper().replace("ACC_", "acc_")
    await _sent(client, "/v1/templates/sale/post", {"parameters": {**given, "seller": seller}})
    await _sent(client, "/v1/templates", {**sale, "description": "never used"})


async def _holds(client: Client) -> None:
    """One with all steps there are, and one that is still open."""
    await client.open_account("guest", min_available=None)
    await client.open_account("hotel")
    hold = {"from": "guest", "to": "hotel", "amount": "40.00", "currency": "USD"}
    said = {"reference": "stay 1", "description": "Two nights", "metadata": {"b": "2", "a": "1"}, "capture_max": "44"}
    made = await _sent(client, "/v1/holds", hold | said)
    for verb, body in (
        ("capture", {"amount": "10"}),
        ("increment", {"amount": "5.50"}),
        ("extend", {"expires_at": (now() + timedelta(days=30)).isoformat()}),
        ("capture", {"amount": "7", "final": True}),
    ):
        await _sent(client, f"/v1/holds/{made['id']}/{verb}", body)
    tipped = await _sent(client, "/v1/holds", hold | {"capture_max": "44", "expires_at": "2027-01-01T00:00:00Z"})
    await _sent(client, f"/v1/holds/{tipped['id']}/capture", {"amount": "44"})
    voided = await _sent(client, "/v1/holds", hold)
    await _sent(client, f"/v1/holds/{voided['id']}/void", {})
    await _sent(client, "/v1/holds", hold | {"reference": "open"})


async def _splits(client: Client) -> None:
    """A payment in parts, of which some was given back, and captures in parts of one hold."""
    for code in ("market:fees", "market:tax", "stall"):
        await client.open_account(code)
    splits = [{"to": "market:fees", "percent": "2.90"}, {"to": "market:tax", "amount": "0.3"}]
    sale = {"amount": "9.99", "currency": "USD", "from": "guest", "to": "stall"}
    sold = await _sent(client, "/v1/payments", {"type": "transfer", **sale, "splits": splits, "reference": "sold"})
    for amount in ("1.11", "2.50"):
        await _sent(client, f"/v1/payments/{sold['id']}/refund", {"amount": amount})
    rest = [*splits[:1], {"to": sold["to"], "remainder": True}]
    await _sent(client, "/v1/payments", {"type": "deposit", "amount": "0.01", "currency": "USD", "splits": rest})
    out = {"type": "withdrawal", "amount": "1", "currency": "USD", "from": "stall", "splits": splits}
    await _sent(client, "/v1/payments", out)
    hold = await _sent(client, "/v1/holds", {**sale, "reference": "delivered"})
    for body in ({"amount": "3", "splits": splits}, {"amount": "1"}, {"splits": splits, "final": True}):
        await _sent(client, f"/v1/holds/{hold['id']}/capture", body)


async def _exchanges(client: Client) -> None:
    """Of what has more places than the bought currency, with and without a margin."""
    made = {
        "from": "guest",
        "currency": "USD",
        "amount": "12.34",
        "rate_source": "ECB",
        "rate_at": "2026-01-02T15:00:00Z",
    }
    await client.open_account("tourist", currency="JPY")
    await client.open_account("traveller", currency="KWD")
    yen = {"to": "tourist", "to_currency": "JPY", "rate": "151.2340", "margin_percent": "1.50", "rounding": "down"}
    said = {"reference": "yen", "metadata": {"b": "2", "a": "1"}, "effective_at": "2026-01-02T16:00:00Z"}
    await _sent(client, "/v1/exchanges", {**made, **yen, **said})
    dinars = {"to": "traveller", "to_currency": "KWD", "rate": "0.307123456789012345", "description": "dinars"}
    await _sent(client, "/v1/exchanges", {**made, **dinars})
    asked = {name: value for name, value in {**made, **yen}.items() if name not in ("amount", "rounding")}
    await _sent(client, "/v1/exchanges", {**asked, "bought": "100"})


async def _many(client: Client, payments: int) -> None:
    """Between two accounts, each seventh of them dated."""
    for code, floor in (("busy", None), ("till", None)):
        await client.open_account(code, min_available=floor)
    pay = {"type": "transfer", "currency": "USD", "from": "busy", "to": "till"}
    items = []
    for number in range(1, payments + 1):
        dated = {} if number % 7 else {"effective_at": f"2026-02-{number % 28 + 1:02}T10:00:00Z"}
        items.append({"idempotency_key": f"many-{number}", **pay, "amount": f"{number}.00", **dated})
    for start in range(0, payments, AT_ONCE):
        answer = await client.post("/v1/payments/bulk", {"items": items[start : start + AT_ONCE]})
        assert {result["status"] for result in answer.json()["results"]} == {201}, answer.text


async def _periods(client: Client) -> None:
    """Two, with an entry that was put into the first by an override, and payments of either kind."""
    await _sent(client, "/v1/periods/2026-02-15/close", {})
    pay = {"type": "transfer", "amount": "0.25", "currency": "USD", "from": "busy", "to": "till"}
    late = pay | {"effective_at": "2026-02-10T10:00:00Z"}
    await _sent(client, "/v1/payments", late | {"override_closed_period": {"reason": "Found"}})
    await _sent(client, f"/v1/ledgers/{client.ledger}", {"late_entries": "roll_forward"}, "PATCH")
    await _sent(client, "/v1/payments", late)
    await _sent(client, "/v1/periods/2026-10/close", {})


async def _refusals(client: Client) -> None:
    for _ in range(3):
        assert (await client.transfer("bob", "alice", "10000.00")).status_code in (402, 409, 422)


@asynccontextmanager
async def tampered(superuser: Superuser, ledger_id: LedgerId, name: str) -> AsyncIterator[None]:
    async with undone(superuser, ledger_id, sorted(set(_CHANGED.findall(TAMPERINGS[name])))):
        async with superuser.transaction():
            # A superuser can switch every guard off.
            await superuser.execute("set local session_replication_role = replica")
            for statement in TAMPERINGS[name].split(";"):
                tag = await superuser.execute(statement, ledger_id)
                assert int(tag.split()[-1]) >= 1, "nothing was changed"
        yield


async def verified(database: Database, ledger_id: UUID) -> Report:
    return await verify_ledger(database, ledger_id, lambda _done, _total: None)


@with_many
async def test_a_ledger_in_which_everything_has_happened_is_right(
    database: Database, busy_ledger_id: LedgerId, superuser: Superuser
) -> None:
    ledger_id = busy_ledger_id
    report = await verified(database, ledger_id)
    assert report.breaks == []
    for table in (
        "refusals", "refusal_seals", "audit_seals", "client_transactions", "payments", "refunds", "holds", "disputes",
        "payment_splits", "exchanges", "scheduled_payments", "scheduled_runs", "entry_conditions", "reviews",
        "period_seals", "late_entries", "account_checkpoints", "branch_totals", "dated_branch_totals",
        "statements", "templates", "template_uses",
        "charts", "account_groups", "limited_groups", "house_rules", "ledger_routes", "subjects", "personal_members",
        "dated_checkpoints",
    ):  # fmt: skip
        assert await superuser.fetchval(f"select count(*) from {table} where ledger_id = $1", ledger_id), table
    held = "select count(*) from accounts where ledger_id = $1 and held > 0"
    assert await superuser.fetchval(held, ledger_id), "nothing is held here"
    assert report.postings == await superuser.fetchval("select count(*) from postings where ledger_id = $1", ledger_id)
    assert report.accounts == await superuser.fetchval("select count(*) from accounts where ledger_id = $1", ledger_id)


NOT_HERE = {
    EventType.HOLD_EXPIRED,
    EventType.WEBHOOK_ENDPOINT_DISABLED,
    EventType.WEBHOOK_ENDPOINT_FAILING,
    EventType.WEBHOOK_ENDPOINT_PING,
    EventType.WEBHOOK_ENDPOINT_SECRET_ROTATED,
}
"""Types of events that did not happen in this ledger."""


async def test_all_of_it_is_sealed_exported_and_checked_alone(
    service: Service, database: Database, ledger_id: LedgerId, superuser: Superuser, tmp_path: Path
) -> None:
    """By the verifier that shares no code with the service, from the first link to the last balance."""
    sealing = sealing_of(service)
    count = "select count(*) from journal_entries where ledger_id = $1"
    leaves = "select count(*) from signed_checkpoints, unnest(string_to_array(kinds, null)) kind where ledger_id = $1"
    async with undone(superuser, ledger_id, ("signed_checkpoints", "proof_log_nodes")):

        async def unsealed() -> int:
            await sealing.seal(ledger_id)
            entries = await superuser.fetchval(count, ledger_id)
            return int(entries - await superuser.fetchval(f"{leaves} and kind = 'e'", ledger_id))

        await until(unsealed, lambda number: number == 0)
        kinds = f"select array_agg(distinct kind order by kind) from ({leaves.replace('count(*)', 'kind')}) kinds"
        assert await superuser.fetchval(kinds, ledger_id) == ["a", "e", "p", "r", "s"]
        report = await verify_ledger(database, ledger_id, lambda _done, _total: None)
        assert [one.what for one in report.breaks] == []
        export = tmp_path / "export.jsonl"
        export.write_text("".join([line async for line in ledger_export(database, ledger_id, now())]))
        keys = [key_of(ledger_id, key) for key in await sealing.keys.every()]
        assert standalone.main(["export", str(export), *[word for key in keys for word in ("--key", key)]]) == 0
        found = standalone.check_export(str(export), standalone.read_keys(keys), ())
        stored = await superuser.fetch(
            "select id, version, posted_debits, posted_credits, held from accounts where ledger_id = $1", ledger_id
        )
        assert len(stored) == len(found.accounts)
        for row in stored:
            account = found.accounts[f"acc_{row['id']}"]
            totals = (account.version, account.debits, account.credits, account.held)
            assert totals == (row["version"], row["posted_debits"], row["posted_credits"], row["held"])


async def test_what_has_happened_is_told_as_the_schemas_say(service: Service, ledger_id: LedgerId) -> None:
    async def read() -> list[dict[str, Any]]:
        told = []
        position, has_more = BEGINNING, True
        while has_more:
            page = await service.services.event_feed.page(ledger_id, position, EventFilter(), 200)
            told += [event_body(one) for one in page.events]
            position, has_more = page.behind, page.has_more
        return told

    def missing(told: list[dict[str, Any]]) -> set[EventType]:
        return set(EventType) - {event["type"] for event in told}

    # Transactions of other tests on the same server hold the feed up.
    told = await until(read, lambda found: missing(found) == NOT_HERE)
    assert unlike_the_schemas(told) == {}
    assert missing(told) == NOT_HERE


@with_many
async def test_small_slices_find_the_same(
    database: Database, busy_ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await verified(database, busy_ledger_id)
    monkeypatch.setattr(proof_of_accounts, "ACCOUNTS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_accounts, "POSTINGS_AT_ONCE", 30)
    monkeypatch.setattr(proof_of_versions, "VERSIONS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_account_groups, "GROUPS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_subjects, "SUBJECTS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_subjects, "MEMBERS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_group_limits, "ACCOUNTS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_checkpoints, "CHECKPOINTS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_entries, "ENTRIES_AT_ONCE", 20)
    monkeypatch.setattr(proof_of_entries, "TRANSACTIONS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_events, "EVENTS_AT_ONCE", 20)
    monkeypatch.setattr(proof_of_disputes, "DISPUTES_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_statements, "STATEMENTS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_holds, "HOLDS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_processor_calls, "CALLS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_reviews, "REVIEWS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_exchanges, "EXCHANGES_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_splits, "SPLIT_PAYMENTS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_schedules, "SCHEDULES_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_periods, "ACCOUNTS_AT_ONCE", 2)
    monkeypatch.setattr(proof_of_templates, "TEMPLATES_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_templates, "USES_AT_ONCE", 1)
    assert await verified(database, busy_ledger_id) == whole


@pytest.mark.parametrize("name", TRIED)
async def test_what_was_changed_past_the_service_is_found(
    database: Database, ledger_id: LedgerId, beside: LedgerId, superuser: Superuser, name: str
) -> None:
    async with tampered(superuser, ledger_id, name):
        await _is_found(database, ledger_id, beside, name)


@with_many
@pytest.mark.parametrize("name", ABOUT_CHECKPOINTS)
async def test_what_was_changed_of_checkpoints_is_found(
    database: Database, busy_ledger_id: LedgerId, beside: LedgerId, superuser: Superuser, name: str
) -> None:
    async with tampered(superuser, busy_ledger_id, name):
        await _is_found(database, busy_ledger_id, beside, name)


async def _is_found(database: Database, ledger_id: LedgerId, beside: LedgerId, name: str) -> None:
    report = await verified(database, ledger_id)
    assert {_ID_OR_TIME.sub("…", found.what) for found in report.breaks} == FOUND[name]
    if name in ALSO_IN_PIECES:
        assert set((await verified_in_pieces(database, ledger_id, PIECE_SIZE)).breaks) == set(report.breaks)
    if name in ALSO_BESIDE:
        other = await verified(database, beside)
        assert (other.breaks, other.postings) == ([], 2), "the ledger beside is as it was"


@pytest.mark.parametrize("name", CONCERNED)
async def test_whom_it_concerns_is_named(
    database: Database, ledger_id: LedgerId, superuser: Superuser, name: str
) -> None:
    async with tampered(superuser, ledger_id, name):
        report = await verified(database, ledger_id)
    ids = {account for found in report.breaks for account in found.accounts}
    rows = await superuser.fetch("select code from accounts where id = any($1)", ids)
    assert (len(rows), {row["code"] for row in rows}) == (len(ids), CONCERNED[name])


async def test_an_empty_ledger_is_right(stranger: Client, database: Database) -> None:
    report = await verified(database, parse_id(Prefix.LEDGER, stranger.ledger))
    assert (report.breaks, report.accounts, report.postings) == ([], 0, 0)


async def test_refusals_that_were_purged_by_age_are_not_missed(
    database: Database, ledger_id: LedgerId, superuser: Superuser
) -> None:
    async with undone(superuser, ledger_id, ("refusals", "refusal_seals")):
        await _purge_refusals(database, ledger_id, superuser)


async def _purge_refusals(database: Database, ledger_id: LedgerId, superuser: Superuser) -> None:
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
