"""The books prove themselves, and show where they were touched."""

from __future__ import annotations

from typing import TypeAlias

import asyncpg
import pytest

from tests.committer.ground import Ground, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import Report, verify_ledger

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# What somebody with every right could do to the third posting of the first account, and what is then found there.
TAMPERINGS = {
    "an amount changed": ("update postings set amount = amount + 1 where {here} and account_version = 3", 3),
    "a running balance changed": (
        "update postings set balance_after = balance_after + 1 where {here} and account_version = 3",
        3,
    ),
    "a posting deleted in the middle": ("delete from postings where {here} and account_version = 3", 4),
    "the last posting deleted": ("delete from postings where {here} and account_version = 10", 9),
    "a time changed": (
        "update postings set posted_at = posted_at - '1 day'::interval where {here} and account_version = 3",
        3,
    ),
    "a hash changed": ("update postings set hash = sha256(hash) where {here} and account_version = 3", 3),
    "a reason edited": (
        "update journal_entries set reason = 'gift' where id = (select entry_id from postings where {here} "
        "and account_version = 3)",
        3,
    ),
    "a key edited": (
        "update journal_entries set idempotency_key = 'other' where id = (select entry_id from postings where {here} "
        "and account_version = 3)",
        3,
    ),
    "metadata added": (
        'update journal_entries set metadata = \'{{"a": "b"}}\' where id = (select entry_id from postings where {here} '
        "and account_version = 3)",
        3,
    ),
    "a balance changed": ("update accounts set posted_credits = posted_credits + 1 where id = '{account}'", 10),
    "an entry deleted": (
        "delete from journal_entries where id = (select entry_id from postings where {here} and account_version = 3)",
        3,
    ),
}


@pytest.fixture
async def ground(database: Database, ledger_id: LedgerId, test_database: TestDatabase) -> Ground:
    made = Ground(database, ledger_id)
    source, target = await made.open(2, floor=None)
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        for _ in range(10):
            await committer.carry_out(made.transfer(source, target, "1.00"))
    made.first = source  # type: ignore[attr-defined]
    return made


async def _verified(database: Database, ledger_id: LedgerId) -> Report:
    return await verify_ledger(database, ledger_id, lambda _done, _total: None)


async def test_untouched_books_are_right(ground: Ground, database: Database) -> None:
    report = await _verified(database, ground.ledger_id)
    assert (report.is_right, report.postings, report.accounts) == (True, 20, 2)


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found_where_it_was_done(
    ground: Ground, database: Database, superuser: Superuser, name: str
) -> None:
    statement, version = TAMPERINGS[name]
    account = ground.first  # type: ignore[attr-defined]
    here = f"account_id = '{account}'"
    async with superuser.transaction():
        # A superuser can switch the guards off; the chain is there for exactly this.
        await superuser.execute("set local session_replication_role = replica")
        await superuser.execute(statement.format(here=here, account=account))
    report = await _verified(database, ground.ledger_id)
    assert (account, version) in {(fault.account_id, fault.account_version) for fault in report.breaks}


async def test_a_recomputed_tail_contradicts_its_neighbour(
    ground: Ground, database: Database, superuser: Superuser
) -> None:
    """Whoever recomputes one account's sums still leaves the entry unbalanced."""
    account = ground.first  # type: ignore[attr-defined]
    async with superuser.transaction():
        await superuser.execute("set local session_replication_role = replica")
        await superuser.execute(
            "update postings set amount = 2.00 where account_id = $1 and account_version = 10", account
        )
    report = await _verified(database, ground.ledger_id)
    assert any("does not balance" in fault.what for fault in report.breaks)
