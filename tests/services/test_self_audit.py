"""The self-audit goes through all ledgers slice by slice, freezes what contradicts itself, and tells of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from tests.committer.ground import Ground, connecting, running_committer
from tests.conftest import Servers
from tests.services.fresh_database import fresh_database, make_ledger
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, AuditRecord, list_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.ledger.account import AccountStatus
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.audit_positions import PASS_AGE_MAX
from zerosum.services.background.heads_keeper import HeadsKeeper
from zerosum.services.background.self_audit import ACTOR, SETTLED_AFTER, SelfAudit
from zerosum.services.background.slice_sizes import LEAST_SHARE, SliceSizes
from zerosum.services.proofs import of_accounts as proof_of_accounts
from zerosum.services.proofs import of_entries as proof_of_entries
from zerosum.services.proofs import of_events as proof_of_events
from zerosum.services.proofs.exported_heads import HeadsUnreadable, compare_heads
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller

SLICES_MAX = 500
MARGIN = timedelta(minutes=10)


class Books:
    """Two ledgers in a database of their own, the second with two accounts and ten payments."""

    def __init__(self, database: Database, servers: Servers, name: str) -> None:
        self.database = database
        self.service_dsn = servers.dsn(name)
        self.superuser_dsn = servers.dsn(name, superuser=True)
        self.ground: Ground
        self.accounts: list[Any] = []

    @property
    def ledger_id(self) -> LedgerId:
        return self.ground.ledger_id

    async def pay(self, times: int) -> None:
        async with running_committer(connecting(self.service_dsn)) as committer:
            for _ in range(times):
                await committer.carry_out(self.ground.transfer(self.accounts[0], self.accounts[1], "1.00"))

    async def tamper(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.superuser_dsn)
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            for statement in statements:
                tag = await connection.execute(statement, self.accounts[0])
                assert int(tag.split()[-1]) >= 1, "nothing was changed"
        await connection.close()

    async def status(self, place: int = 0) -> AccountStatus:
        name = render_id(Prefix.ACCOUNT, self.accounts[place])
        return (await bare_accounts(self.database, now).get(Caller(self.ledger_id, "test"), name)).state.status

    async def told(self) -> list[AuditRecord]:
        async with self.database.work(self.ledger_id) as connection:
            return await list_audit_records(
                connection, AuditFilter(ledger_id=self.ledger_id), after=None, limit=50, is_ascending=True
            )


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with fresh_database(servers) as database:
        async with database.work() as connection:
            name = (await connection.exec_driver_sql("select current_database()")).scalar_one()
        made = Books(database, servers, name)
        await make_ledger(database)
        made.ground = Ground(database, await make_ledger(database))
        made.accounts = await made.ground.open(2, floor="-100")
        await made.pay(10)
        yield made


async def passed(audit: SelfAudit) -> int:
    """One pass through all ledgers; how many slices it took."""
    completed, before = audit.progress.completed_at, audit.progress.slices
    for _ in range(SLICES_MAX):
        await audit.run_once()
        if audit.progress.completed_at > completed:
            return audit.progress.slices - before
    raise AssertionError("the pass does not end")


def audit_of(books: Books) -> SelfAudit:
    return SelfAudit(books.database, bare_accounts(books.database, now), now)


async def test_books_that_are_right_are_left_alone(books: Books) -> None:
    audit = audit_of(books)
    assert await passed(audit) == 12, "six parts of each ledger"
    assert (audit.progress.postings, audit.progress.differences) == (20, 0)
    assert await books.status() is AccountStatus.OPEN
    assert await books.told() == []


async def test_payments_between_slices_are_no_differences(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_of_accounts, "POSTINGS_AT_ONCE", 3)
    monkeypatch.setattr(proof_of_accounts, "ACCOUNTS_AT_ONCE", 1)
    audit = audit_of(books)
    while audit.progress.ledgers_done < 2:
        await audit.run_once()
        if audit.progress.slices < 20:
            await books.pay(1)
    assert audit.progress.postings > 20
    assert await passed(audit) == 0
    assert audit.progress.differences == 0
    assert await books.status() is AccountStatus.OPEN


async def test_an_account_that_contradicts_itself_is_frozen_and_told_of_once(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    audit = audit_of(books)
    with caplog.at_level(logging.ERROR):
        await passed(audit)
        await passed(audit)
    assert audit.progress.differences >= 1, "what contradicts itself does so in each pass"
    assert await books.status() is AccountStatus.FROZEN
    mine = [record for record in await books.told() if record.actor == ACTOR]
    what = "the account's min_available is not what its history says"
    assert [(record.type.value, record.reason) for record in mine][:2] == [
        ("account.frozen", what),
        ("difference.found", what),
    ]
    assert mine[1].facts["action"] == "frozen"
    lines = [record for record in caplog.records if what in record.getMessage()]
    assert [vars(line)["action"] for line in lines] == ["frozen"]


async def test_freezing_does_not_cover_up_what_was_changed(books: Books) -> None:
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    await passed(audit_of(books))
    report = await verify_ledger(books.database, books.ledger_id, lambda _done, _total: None)
    assert "the account was changed past its history before revision 2" in [one.what for one in report.breaks]


LAST = "(select entry_id from postings where account_id = $1 and account_version = 10)"
CONTRADICTIONS = {
    "a payment changed": f"update payments set amount = amount + 1 where id = {LAST}",
    "a payment deleted": f"delete from payments where id = {LAST}",
    "a payment without an entry": "insert into payments select ledger_id, gen_random_uuid(), type, status, currency, "
    f"amount, payer_id, payee_id, processor, reference, description from payments where id = {LAST}",
    "an event deleted": f"delete from events where id = {LAST}",
    "an event changed": f"update events set type = 'payment.refunded' where id = {LAST}",
    "a refusal of what was done": "insert into refusals select ledger_id, idempotency_key, fingerprint, '{}', now() "
    f"from journal_entries where id = {LAST}",
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
async def test_what_contradicts_its_entry_freezes_payer_and_payee(books: Books, name: str) -> None:
    bystander, *_ = await books.ground.open(1)
    books.accounts.append(bystander)
    await books.tamper(CONTRADICTIONS[name])
    audit = SelfAudit(books.database, bare_accounts(books.database, now), lambda: now() + SETTLED_AFTER)
    await passed(audit)
    assert audit.progress.differences == 1
    statuses = [await books.status(place) for place in range(3)]
    assert statuses == [AccountStatus.FROZEN, AccountStatus.FROZEN, AccountStatus.OPEN]
    [record] = [record for record in await books.told() if record.type is AuditType.DIFFERENCE_FOUND]
    named = sorted(render_id(Prefix.ACCOUNT, account) for account in books.accounts[:2])
    assert (sorted(record.facts["accounts"]), record.facts["action"]) == (named, "frozen")


async def test_events_of_all_buckets_are_looked_into(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_of_events, "BUCKETS_AT_ONCE", 1)
    monkeypatch.setattr(proof_of_events, "EVENTS_AT_ONCE", 3)
    await books.tamper("delete from events where id in (select entry_id from postings where account_id = $1)")
    report = await verify_ledger(books.database, books.ledger_id, lambda _done, _total: None)
    assert len({one.what for one in report.breaks}) == len(report.breaks) == 10
    assert {frozenset(one.accounts) for one in report.breaks} == {frozenset(books.accounts)}


async def gone_on(books: Books, parts: set[str]) -> tuple[SelfAudit, SelfAudit]:
    """One that has come to one of these parts of the second ledger, and one that comes after it."""
    first = audit_of(books)
    for _ in range(SLICES_MAX):
        await first.run_once()
        if first.progress.ledgers_done == 1 and first._proof is not None and first._proof.part in parts:
            return first, audit_of(books)
    raise AssertionError("there it never comes")


PARTS = (
    "AccountsProof", "CheckpointsProof", "EntriesProof", "ClientTransactionsProof", "EventsProof", "SealsProof",
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
async def test_a_restart_goes_on_where_it_was(books: Books, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """In the middle of an account too: its sums so far are kept."""
    monkeypatch.setattr(proof_of_accounts, "POSTINGS_AT_ONCE", 30)
    monkeypatch.setattr(proof_of_entries, "ENTRIES_AT_ONCE", 30)
    first, second = await gone_on(books, {part})
    await passed(second)
    assert first.progress.postings + second.progress.postings == 20, "each is walked once"
    assert (second.progress.differences, await books.told()) == (0, [])


async def test_what_was_found_before_a_restart_is_still_shown(books: Books) -> None:
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    first, second = await gone_on(books, {"EntriesProof"})
    await second.run_once()
    assert second.progress.differences == first.progress.differences >= 1
    assert second.progress.begun_at == first.progress.begun_at > 0
    assert await passed(second) > 0
    third = audit_of(books)
    await third.run_once()
    assert third.progress.completed_at == second.progress.completed_at > 0
    assert third.progress.differences >= 1


FORGED = {
    "no JSON that is known": "update proof_positions set position = '[1]' where $1::uuid is not null",
    "parts that there are not": 'update proof_positions set position = \'{"horizon": 0, "parts": {"x": {}}}\' '
    "where proof = 'self-audit' and $1::uuid is not null",
    "too large a number": "update proof_positions set position = jsonb_set(position, '{parts,EventsProof,at,0}', "
    "'99999999999999999999999') where proof = 'self-audit' and position is not null and $1::uuid is not null",
    "the last ledger": "update proof_positions set position = jsonb_set(position, '{after}', "
    "'\"ffffffff-ffff-ffff-ffff-ffffffffffff\"') where proof <> 'self-audit' and $1::uuid is not null",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_position_that_was_forged_hides_nothing_for_good(books: Books, name: str) -> None:
    await gone_on(books, {"EntriesProof"})
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    await books.tamper(FORGED[name])
    audit = audit_of(books)
    for _ in range(3 * len(PARTS) * 2):
        # A slice that fails is one that the worker logs, and begins anew.
        with contextlib.suppress(DBAPIError, Unavailable):
            await audit.run_once()
    assert audit.progress.differences >= 1
    assert await books.status() is AccountStatus.FROZEN
    report = await verify_ledger(books.database, books.ledger_id, lambda _done, _total: None)
    assert report.breaks, "the command reads no positions"


@pytest.mark.parametrize(("age", "is_gone_on"), [(PASS_AGE_MAX - MARGIN, True), (PASS_AGE_MAX + MARGIN, False)])
async def test_a_pass_that_is_too_old_is_begun_anew(books: Books, age: timedelta, is_gone_on: bool) -> None:
    first, _ = await gone_on(books, {"EntriesProof"})
    later = SelfAudit(books.database, bare_accounts(books.database, now), lambda: now() + age)
    await later.run_once()
    assert (later.progress.begun_at == first.progress.begun_at) is is_gone_on
    assert (later.progress.ledgers_done == 1) is is_gone_on


async def test_a_pass_that_begins_in_the_future_is_begun_anew(books: Books) -> None:
    first, second = await gone_on(books, {"EntriesProof"})
    forged = "update proof_positions set begun_at = now() + interval '9 years' where $1::uuid is not null"
    await books.tamper(forged)
    await second.run_once()
    assert second.progress.ledgers_done == 0
    assert second.progress.begun_at > first.progress.begun_at


def test_slices_grow_and_shrink_to_the_time_they_may_take() -> None:
    """Each row of one part takes a tenth of what each of the other does."""
    sizes = SliceSizes()
    for _ in range(20):
        sizes.measured("quick", sizes.share("quick") * 0.4)
        sizes.measured("slow", sizes.share("slow") * 4)
    assert sizes.share("quick") == pytest.approx(0.5)
    assert sizes.share("slow") == pytest.approx(0.05)
    sizes.measured("slow", 3600)
    assert sizes.share("slow") == pytest.approx(0.0125), "one that was held up says little"
    sizes.measured("slow", 3600)
    assert sizes.share("slow") == LEAST_SHARE
    for _ in range(20):
        sizes.measured("slow", 0)
    assert sizes.share("slow") == 1.0


CUT = (
    "delete from events where id in (select entry_id from postings where account_id = $1 and account_version > 7)",
    "delete from payments where id in (select entry_id from postings where account_id = $1 and account_version > 7)",
    "delete from journal_entries where id in "
    "(select entry_id from postings where account_id = $1 and account_version > 7)",
    "delete from postings where account_version > 7 and ledger_id = (select ledger_id from accounts where id = $1)",
    "update accounts account set version = 7, head = last.hash, "
    "posted_debits = case when id = $1 then 7.00 else 0 end, posted_credits = case when id = $1 then 0 else 7.00 end "
    "from postings last where last.account_id = account.id and last.account_version = 7 and last.ledger_id = "
    "account.ledger_id and account.ledger_id = (select ledger_id from accounts where id = $1)",
)


async def test_a_tail_that_was_cut_off_is_found_by_heads_of_before(books: Books, tmp_path: Path) -> None:
    keeper = HeadsKeeper(books.database, tmp_path, now)
    await keeper.run_once()
    (kept,) = tmp_path.iterdir()
    lines = kept.read_text().splitlines()
    assert not any(report.breaks for report in (await compare_heads(books.database, lines)).values())
    await books.pay(1)
    assert not any(report.breaks for report in (await compare_heads(books.database, lines)).values()), "it has grown"
    await books.tamper(*CUT)
    report = await verify_ledger(books.database, books.ledger_id, lambda _done, _total: None)
    assert report.breaks == [], "within itself what is left is right"
    found = (await compare_heads(books.database, lines))[books.ledger_id]
    what = "the exported head is not in the account's chain"
    assert {(one.account_id, one.account_version, one.what) for one in found.breaks} == {
        (account, 10, what) for account in books.accounts
    }


@pytest.mark.parametrize(
    "tampering",
    [
        "delete from account_changes where account_id = $1",
        "update account_changes set name = 'Somebody', hash = sha256(hash) where account_id = $1",
    ],
    ids=["gone", "written anew"],
)
async def test_a_history_that_was_written_anew_is_found_by_heads_of_before(
    books: Books, tmp_path: Path, tampering: str
) -> None:
    await HeadsKeeper(books.database, tmp_path, now).run_once()
    (kept,) = tmp_path.iterdir()
    await books.tamper(tampering)
    found = await compare_heads(books.database, kept.read_text().splitlines())
    assert [one.what for one in found[books.ledger_id].breaks] == [
        "the exported revision 1 is not in the account's history"
    ]


@pytest.mark.parametrize("cut", [0, 1, 2, 3, -1])
async def test_a_file_of_heads_that_is_cut_off_is_refused(books: Books, tmp_path: Path, cut: int) -> None:
    await HeadsKeeper(books.database, tmp_path, now).run_once()
    (kept,) = tmp_path.iterdir()
    with pytest.raises(HeadsUnreadable):
        await compare_heads(books.database, kept.read_text().splitlines()[:cut])
