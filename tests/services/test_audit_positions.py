"""The self-audit goes on after a restart where it was, and believes no more of that than it must."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from tests.conftest import Servers
from tests.services.tampered_books import SLICES_MAX, Books, audit_of, passed, tampered_books
from zerosum.adapters.clock import now
from zerosum.domain.errors import Unavailable
from zerosum.domain.ledger.account import AccountStatus
from zerosum.services.accounts import bare_accounts
from zerosum.services.background.audit_positions import PASS_AGE_MAX
from zerosum.services.background.self_audit import SelfAudit
from zerosum.services.proofs import of_accounts as proof_of_accounts
from zerosum.services.proofs import of_entries as proof_of_entries
from zerosum.services.proofs.whole_ledger import verify_ledger

MARGIN = timedelta(minutes=10)


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with tampered_books(servers) as made:
        yield made


async def gone_on(books: Books, parts: set[str]) -> tuple[SelfAudit, SelfAudit]:
    """One that has come to one of these parts of the second ledger, and one that comes after it."""
    first = audit_of(books)
    for _ in range(SLICES_MAX):
        await first.run_once()
        if first.progress.ledgers_done == 1 and first._ledger is not None and first._ledger._part in parts:
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
    "a time without end": "update proof_positions set begun_at = 'infinity' where $1::uuid is not null",
    "a time before all": "update proof_positions set begun_at = '-infinity' where $1::uuid is not null",
    "a year that is not known": "update proof_positions set begun_at = '20000-01-01' where $1::uuid is not null",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_position_that_was_forged_hides_nothing_for_good(books: Books, name: str) -> None:
    await gone_on(books, {"EntriesProof"})
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    await books.tamper(FORGED[name])
    audit = audit_of(books)
    for _ in range(SLICES_MAX):
        # A slice that fails is one that the worker logs, and begins anew.
        with contextlib.suppress(DBAPIError, Unavailable):
            await audit.run_once()
        if audit.progress.differences:
            break
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


async def test_what_another_worker_proved_before_this_pass_is_proved_again(books: Books) -> None:
    """They write to the same rows. What the one left behind would leave out what this pass has not proved."""
    slow, quick = await gone_on(books, {"EntriesProof"})
    await passed(quick)
    await slow.run_once()
    while quick.progress.ledgers_done == 0:
        await quick.run_once()
    after = audit_of(books)
    await after.run_once()
    assert after.progress.begun_at == quick.progress.begun_at
    await passed(after)
    assert after.progress.postings == 20, "from the first one on"


async def test_an_old_pass_still_shows_what_it_found(books: Books) -> None:
    """The alarm would end with a worker that was away for long, though nobody has put anything right."""
    await books.tamper("update accounts set min_available = -1000 where id = $1")
    first, _ = await gone_on(books, {"EntriesProof"})
    later = SelfAudit(books.database, bare_accounts(books.database, now), lambda: now() + PASS_AGE_MAX + MARGIN)
    await later.run_once()
    assert later.progress.differences == first.progress.differences >= 1
    assert later.progress.begun_at > first.progress.begun_at


async def test_a_pass_that_begins_in_the_future_is_begun_anew(books: Books) -> None:
    first, second = await gone_on(books, {"EntriesProof"})
    forged = "update proof_positions set begun_at = now() + interval '9 years' where $1::uuid is not null"
    await books.tamper(forged)
    await second.run_once()
    assert second.progress.ledgers_done == 0
    assert second.progress.begun_at > first.progress.begun_at
