"""What branches come to beside their sealed totals is the naive sum of all postings, at any instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.db.ledgers_of_branches import MICROSECOND, MadeLedger, made_ledger
from tests.db.servers import Connection
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.balances import Instant
from zerosum.db.queries.branch_totals import BranchTotal, find_sealed_totals
from zerosum.db.queries.pages import POSTING_MAX
from zerosum.db.queries.total_seals import seal_totals
from zerosum.services.proofs.of_branch_totals import BranchTotalsProof, DatedTotalsProof, TotalSealsProof
from zerosum.services.proofs.report import Report

EXAMPLES = 12
INNER = {"": ("assets:", "customers:", "x:"), "customers:": ("customers:eu:", "customers:us:"), "cust": ("customers:",)}


async def seal(database: Database, ledger: MadeLedger, entries: int, accounts: int) -> bool:
    """Up to now, which is when the next one may be written."""
    async with database.work(ledger.id) as connection:
        return await seal_totals(connection, ledger.id, ledger.now - MICROSECOND, entries=entries, accounts=accounts)


async def must_be_the_naive_sum(
    database: Database, ledger: MadeLedger, effective: datetime | None, recorded: datetime | None
) -> bool:
    """Whether anything was told."""
    instant = Instant(effective=effective, recorded=recorded)
    async with database.snapshot(ledger.id) as connection:
        sealed = await find_sealed_totals(connection, ledger.id, instant)
        if sealed is None:
            return False
        whole = {"": await sealed.whole(connection)}
        kept = {prefix: await sealed.kept(connection, names) for prefix, names in INNER.items()}
        below = {prefix: await sealed.below(connection, prefix, names) for prefix, names in kept.items()}
    assert as_sums(whole[""]) == ledger.naive([""], effective, recorded), (effective, recorded)
    for prefix, names in kept.items():
        assert as_sums(below[prefix]) == ledger.naive(names, effective, recorded), (prefix, effective, recorded)
    return True


def as_sums(found: object) -> dict[object, object]:
    assert isinstance(found, list)
    return {
        (one.branch, one.type, one.currency): (one.accounts, one.lines, one.debits, one.credits)
        for one in found
        if isinstance(one, BranchTotal) and (one.accounts or one.lines)
    }


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    dated=st.sampled_from((0.0, 0.1, 0.6)),
    kept=st.sampled_from((1, 4)),
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=5),
)
async def test_any_ledger_at_any_instant(
    database: Database, superuser: Connection, seed: int, dated: float, kept: int, steps: list[tuple[int, int, int]]
) -> None:
    ledger = made_ledger(seed, dated)
    await ledger.open(superuser, 3)
    for opened, posted, seals in steps:
        await ledger.open(superuser, opened)
        await ledger.post(superuser, posted)
        for entries in range(1, seals + 1):
            await seal(database, ledger, entries, kept)
    for effective, recorded in pairwise(ledger.instants(6)):
        await must_be_the_naive_sum(database, ledger, effective, None)
        await must_be_the_naive_sum(database, ledger, None, recorded)
        await must_be_the_naive_sum(database, ledger, effective, recorded)
    await must_be_the_naive_sum(database, ledger, None, None)
    assert await proved(database, ledger) == []


async def proved(database: Database, ledger: MadeLedger) -> list[str]:
    """What the proofs of totals find, by the smallest slices."""
    report = Report(ledger.id)
    async with database.snapshot(ledger.id) as connection:
        for proof in (TotalSealsProof(report), BranchTotalsProof(report), DatedTotalsProof(report)):
            while not await proof.take_slice(connection, 0.01):
                proof.go_on(proof.position())
    return [one.what for one in report.breaks]


async def test_nothing_is_told_before_anything_is_sealed(database: Database, superuser: Connection) -> None:
    ledger = made_ledger(1, 0.0)
    await ledger.open(superuser, 3)
    await ledger.post(superuser, 3)
    assert not await must_be_the_naive_sum(database, ledger, None, None)
    assert not await seal(database, ledger, 4, 1)
    ledger.now += MICROSECOND
    assert await seal(database, ledger, 3, 1)
    assert await must_be_the_naive_sum(database, ledger, None, None)


@pytest.mark.parametrize("kept", [1, 5])
async def test_a_branch_that_grows_is_kept_with_all_that_was_before(
    database: Database, superuser: Connection, kept: int
) -> None:
    ledger = made_ledger(5, 0.5)
    for _ in range(6):
        await ledger.open(superuser, 4)
        await ledger.post(superuser, 5)
        ledger.now += 2 * POSTING_MAX
        assert await seal(database, ledger, 5, kept)
    for moment in ledger.instants(10):
        await must_be_the_naive_sum(database, ledger, moment, None)
        await must_be_the_naive_sum(database, ledger, None, moment)
    assert await must_be_the_naive_sum(database, ledger, None, None)
    assert await proved(database, ledger) == []


async def test_what_has_not_settled_is_not_sealed(database: Database, superuser: Connection) -> None:
    ledger = made_ledger(5, 0.0)
    await ledger.open(superuser, 4)
    ledger.now = now() + timedelta(minutes=1)
    await ledger.post(superuser, 5)
    horizon = now() + timedelta(hours=1)
    async with database.work(ledger.id) as connection:
        assert await seal_totals(connection, ledger.id, horizon, entries=1, accounts=1)  # of the accounts alone
        assert not await seal_totals(connection, ledger.id, horizon, entries=1, accounts=1)
    assert await must_be_the_naive_sum(database, ledger, None, None)
