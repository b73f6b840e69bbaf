"""The self-audit goes through all ledgers slice by slice, freezes what contradicts itself, and tells of it."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.conftest import Servers
from tests.services.fresh_database import make_ledger
from tests.services.tampered_books import LAST, Books, audit_of, passed, tampered_books
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.db.queries.audit_log import AuditFilter, list_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, render_id
from zerosum.domain.ledger.account import AccountStatus
from zerosum.services.accounts import bare_accounts
from zerosum.services.audit import audit_record, write_audit
from zerosum.services.background.heads_keeper import HeadsKeeper
from zerosum.services.background.ledger_audit import SETTLED_AFTER
from zerosum.services.background.self_audit import ACTOR, SelfAudit
from zerosum.services.background.slice_sizes import LEAST_SHARE, SliceSizes
from zerosum.services.proofs import of_accounts as proof_of_accounts
from zerosum.services.proofs import of_entries as proof_of_entries
from zerosum.services.proofs import of_events as proof_of_events
from zerosum.services.proofs.audit_seals import AuditSeals
from zerosum.services.proofs.exported_heads import HeadsUnreadable, compare_heads
from zerosum.services.proofs.whole_ledger import LedgerProof, verify_ledger
from zerosum.services.requests.caller import Caller


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with tampered_books(servers) as made:
        yield made


async def test_books_that_are_right_are_left_alone(books: Books) -> None:
    audit = audit_of(books)
    assert await passed(audit) == 70, "thirty-four parts of each ledger, and two of the service itself"
    assert (audit.progress.postings, audit.progress.differences) == (20, 0)
    assert await books.status() is AccountStatus.OPEN
    assert await books.told() == []


async def test_the_log_of_the_service_itself_is_proved_too(books: Books) -> None:
    caller = Caller(SERVICE_LEDGER, "test")
    await write_audit(books.database, audit_record(AuditType.CONSOLE_SIGNED_OUT, caller, now(), resource=None))
    seals = AuditSeals(books.database, now)
    await until(lambda: seals.seal(SERVICE_LEDGER), bool)
    audit = audit_of(books)
    await passed(audit)
    assert audit.progress.differences == 0
    await books.tamper(
        "delete from audit_log where $1::uuid is not null and ledger_id = '00000000-0000-0000-0000-000000000000'"
    )
    await passed(audit)
    assert audit.progress.differences == 1
    wanted = AuditFilter(ledger_id=SERVICE_LEDGER)
    async with books.database.work(SERVICE_LEDGER) as connection:
        told = await list_audit_records(connection, wanted, after=None, limit=5, is_ascending=True)
    assert [(one.type, one.actor) for one in told] == [(AuditType.DIFFERENCE_FOUND, ACTOR)]
    assert (told[0].reason or "").startswith("the security log is not what was sealed")


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


async def test_an_account_that_is_locked_is_frozen_as_soon_as_it_can_be(books: Books) -> None:
    """By whoever holds its row. A restart meanwhile finds the difference again."""
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    audit = audit_of(books)
    holder = await asyncpg.connect(books.superuser_dsn)
    async with holder.transaction():
        await holder.execute("select from accounts where id = $1 for update", books.accounts[0])
        while audit.progress.differences == 0:
            await audit.run_once()
        assert [record.facts["action"] for record in await books.told()] == ["not_frozen"], "it is told of at once"
        await audit.run_once()
        assert len(await books.told()) == 1
        after = audit_of(books)
    await holder.close()
    assert await books.status() is AccountStatus.OPEN
    await after.run_once()
    await after.run_once()
    assert await books.status() is AccountStatus.FROZEN
    await audit.run_once()
    told = [record.facts["action"] for record in await books.told() if record.type is AuditType.DIFFERENCE_FOUND]
    assert told == ["not_frozen", "frozen", "frozen"], "each tells of it for itself"


TIMELESS = {
    "an event": f"update events set created_at = 'infinity' where id = {LAST}",
    "an entry": f"update journal_entries set posted_at = '-infinity' where id = {LAST}",
}


@pytest.mark.parametrize("name", TIMELESS)
async def test_what_has_no_time_is_a_difference_and_no_failure(books: Books, name: str) -> None:
    await books.tamper(TIMELESS[name])
    audit = SelfAudit(books.database, bare_accounts(books.database, now), lambda: now() + SETTLED_AFTER)
    await passed(audit)
    assert audit.progress.differences >= 1
    assert await books.status() is AccountStatus.FROZEN


def fails_in(ledger_id: LedgerId) -> Callable[..., Awaitable[bool]]:
    real = proof_of_entries.EntriesProof.take_slice

    async def take_slice(proof: proof_of_entries.EntriesProof, connection: Any, share: float) -> bool:
        if proof._report.ledger_id == ledger_id:
            raise ZeroDivisionError
        return await real(proof, connection, share)

    return take_slice


async def test_a_slice_that_fails_is_taken_again_from_where_it_was_and_smaller(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, shares = proof_of_entries.EntriesProof.take_slice, []

    async def take_slice(proof: proof_of_entries.EntriesProof, connection: Any, share: float) -> bool:
        shares.append(share)
        if len(shares) <= 2:
            raise ZeroDivisionError
        return await real(proof, connection, share)

    monkeypatch.setattr(proof_of_entries.EntriesProof, "take_slice", take_slice)
    seconds = itertools.count(step=3600)
    audit = SelfAudit(books.database, bare_accounts(books.database, now), now, lambda: next(seconds))
    while audit.progress.ledgers_done < 2:
        with contextlib.suppress(ZeroDivisionError):
            await audit.run_once()
    assert shares[0] > shares[1] > shares[2]
    assert audit.progress.postings == 20, "each is walked once"


async def test_a_position_stays_as_it_was_taken(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice that fails is taken again from there, whatever it has done to the proof."""
    monkeypatch.setattr(proof_of_events, "BUCKETS_AT_ONCE", 1)
    await books.tamper("delete from events where id in (select entry_id from postings where account_id = $1)")
    proof = LedgerProof(books.ledger_id)
    taken: list[tuple[dict[str, Any], str]] = []
    async with books.database.snapshot(books.ledger_id) as connection:
        while not await proof.take_slice(connection):
            taken.append((proof.position(), json.dumps(proof.position())))
    assert len(proof.report.breaks) == 10
    assert [json.dumps(position) for position, _ in taken] == [text for _, text in taken]


async def test_a_ledger_that_cannot_be_read_does_not_keep_the_others_from_being_proved(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    behind = await make_ledger(books.database, UUID(int=2**128 - 1))
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    audit = audit_of(books)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof_of_entries.EntriesProof, "take_slice", fails_in(books.ledger_id))
        for _ in range(60):
            with contextlib.suppress(ZeroDivisionError):
                await audit.run_once()
    assert behind
    assert audit.progress.completed_at == 0, "that was no whole pass"
    assert audit.progress.differences == 1, "however often it was begun anew"
    assert "left out" in caplog.text
    await passed(audit)
    assert audit.progress.completed_at > 0


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
