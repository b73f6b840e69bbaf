"""Two ledgers in one batch. It opens both, so row-level security covers for nothing that forgets to name its ledger."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from tests.committer.ground import USD, Ground, assert_books_are_right, connecting, kind_of, running_committer
from tests.conftest import TestDatabase
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import AlreadyReversed, InsufficientFunds, TxExists
from zerosum.domain.identifiers import AccountId, JournalEntryId, LedgerId
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.account_group_commands import PutAccountGroup
from zerosum.domain.ledger.account_groups import GroupLimit
from zerosum.domain.ledger.entry import Posting
from zerosum.domain.ledger.outcome import Answer, Posted, Refused, Replayed
from zerosum.domain.ledger.reverse import Reverse, reversal
from zerosum.domain.ledger.velocity import Direction, VelocityLimit, Window, WindowKind
from zerosum.domain.money import Money
from zerosum.domain.payments.client_commands import ClientDeposit, ClientDispute, ClientResolve
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.lane_loop import CommitterStats

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass
class Two:
    """`one` and `other` are ledgers with two accounts each, which share nothing."""

    one: Ground
    other: Ground
    accounts: dict[LedgerId, list[AccountId]]
    committer: Committer
    stats: CommitterStats

    def pay(self, ground: Ground, amount: str, key: str, **members: Any) -> Awaitable[Answer]:
        payer, payee = self.accounts[ground.ledger_id]
        return self.committer.carry_out(ground.transfer(payer, payee, amount, key, **members))

    async def at_once(self, *asked: Awaitable[Answer]) -> list[Answer]:
        """The answers of what was handed over in one tick, which the only lane carries out in one batch."""
        before = self.stats.batches
        answers = await asyncio.gather(*asked)
        assert self.stats.batches == before + 1
        return answers


@asynccontextmanager
async def two_ledgers(database: Database, ledger_id: LedgerId, dsn: str) -> AsyncIterator[Two]:
    one = Ground(database, ledger_id)
    other = await one.in_another_ledger()
    accounts = {ground.ledger_id: await ground.open(2, floor=None) for ground in (one, other)}
    stats = CommitterStats()
    async with running_committer(connecting(dsn), stats=stats) as committer:
        two = Two(one, other, accounts, committer, stats)
        await two.pay(one, "0.01", "warm-up")  # so that the lane is connected, and idle
        yield two


@pytest.fixture
async def two(
    database: Database, ledger_id: LedgerId, test_database: TestDatabase, superuser: Superuser
) -> AsyncIterator[Two]:
    async with two_ledgers(database, ledger_id, test_database.service_dsn) as made:
        yield made
    for ground in (made.one, made.other):
        await assert_books_are_right(superuser, ground.ledger_id)


async def test_one_key_in_two_ledgers_is_two_keys(two: Two) -> None:
    answers = await two.at_once(two.pay(two.one, "1.00", "same"), two.pay(two.other, "2.00", "same"))
    assert [kind_of(answer) for answer in answers] == [Posted, Posted]
    assert await two.other.posted(two.accounts[two.other.ledger_id][1]) == 2


@pytest.mark.parametrize("amount", ["1.00", "2.00"])
async def test_a_key_used_before_in_one_ledger_is_free_in_the_other(two: Two, amount: str) -> None:
    """Also the very same request: it is the other ledger's first."""
    first = await two.pay(two.one, "1.00", "same")
    again, other = await two.at_once(two.pay(two.one, "1.00", "same"), two.pay(two.other, amount, "same"))
    assert isinstance(first, Posted)
    assert isinstance(again, Replayed)
    assert again.entry_id == first.entry.id
    assert isinstance(other, Posted)


async def test_a_key_refused_before_in_one_ledger_is_free_in_the_other(two: Two) -> None:
    [poor] = await two.one.open(1)
    [_, payee] = two.accounts[two.one.ledger_id]
    command = two.one.transfer(poor, payee, "5.00", "same")
    refused = await two.committer.carry_out(command)
    again, other = await two.at_once(two.committer.carry_out(command), two.pay(two.other, "5.00", "same"))
    for answer in (refused, again):
        assert isinstance(answer, Refused)
        assert isinstance(answer.refusal, InsufficientFunds)
    assert isinstance(other, Posted)


async def test_a_refusal_and_a_payment_under_one_key_stay_apart(two: Two) -> None:
    [poor] = await two.one.open(1)
    [_, payee] = two.accounts[two.one.ledger_id]
    refused, posted = await two.at_once(
        two.committer.carry_out(two.one.transfer(poor, payee, "5.00", "same")), two.pay(two.other, "5.00", "same")
    )
    assert isinstance(refused, Refused)
    assert isinstance(posted, Posted)
    assert isinstance(await two.pay(two.other, "5.00", "same"), Replayed)


def client_command(two: Two, ground: Ground, cls: Any, key: str, **members: Any) -> Awaitable[Answer]:
    """Client 7 and tx 1 in each ledger; their accounts are the ledger's two."""
    client, clearing = two.accounts[ground.ledger_id]
    command = cls(
        id=new_uuid(),
        ledger_id=ground.ledger_id,
        idempotency_key=key,
        fingerprint=hashlib.sha256(f"{cls.__name__}{key}{members}".encode()).digest(),
        actor="key_test",
        client=7,
        tx=1,
        client_id=client,
        clearing_id=clearing,
        **members,
    )
    return two.committer.carry_out(command)


async def test_one_tx_in_two_ledgers_is_two_transactions(two: Two, superuser: Superuser) -> None:
    money = {ground.ledger_id: Money.parse(text, USD) for ground, text in ((two.one, "3.00"), (two.other, "4.00"))}
    deposits = await two.at_once(
        client_command(two, two.one, ClientDeposit, "d", money=money[two.one.ledger_id]),
        client_command(two, two.other, ClientDeposit, "d", money=money[two.other.ledger_id]),
    )
    assert [type(answer) for answer in deposits] == [Posted, Posted]
    disputed = await two.at_once(
        client_command(two, two.one, ClientDispute, "x"),
        client_command(two, two.other, ClientResolve, "r"),  # of what is disputed in the other ledger only
    )
    assert [type(answer) for answer in disputed] == [Posted, Refused]
    rows = await superuser.fetch(
        "select ledger_id, status, amount from client_transactions where ledger_id = any($1) and tx = 1",
        [two.one.ledger_id, two.other.ledger_id],
    )
    found = {row["ledger_id"]: (row["status"], str(row["amount"])) for row in rows}
    assert found == {two.one.ledger_id: ("disputed", "3.00"), two.other.ledger_id: ("carried_out", "4.00")}


async def test_a_tx_used_before_in_one_ledger_is_free_in_the_other(two: Two) -> None:
    money = Money.parse("3.00", USD)
    await client_command(two, two.one, ClientDeposit, "d", money=money)
    again, other = await two.at_once(
        client_command(two, two.one, ClientDeposit, "d-2", money=money),
        client_command(two, two.other, ClientDeposit, "d-2", money=money),
    )
    assert isinstance(again, Refused)
    assert isinstance(again.refusal, TxExists)
    assert isinstance(other, Posted)


def reverse(two: Two, ground: Ground, original_id: UUID, key: str) -> Awaitable[Answer]:
    payer, payee = two.accounts[ground.ledger_id]
    money = Money.parse("1.00", USD)
    lines = [Posting(payer, Side.DEBIT, money), Posting(payee, Side.CREDIT, money)]
    command = Reverse(
        id=new_uuid(),
        ledger_id=ground.ledger_id,
        idempotency_key=key,
        fingerprint=hashlib.sha256(key.encode()).digest(),
        actor="key_test",
        entry=reversal(JournalEntryId(original_id), lines, "Undone"),
        original_id=JournalEntryId(original_id),
    )
    return two.committer.carry_out(command)


async def test_an_entry_reversed_in_one_ledger_is_not_reversed_in_the_other(two: Two) -> None:
    """Ids are ours and never the same; that a look-up forgets its ledger shows only where they are."""
    shared = new_uuid()
    for ground in (two.one, two.other):
        payer, payee = two.accounts[ground.ledger_id]
        command = ground.transfer(payer, payee, "1.00", "original", id=shared)
        assert isinstance(await two.committer.carry_out(command), Posted)
    assert isinstance(await reverse(two, two.one, shared, "r-1"), Posted)
    paid, reversed_ = await two.at_once(two.pay(two.one, "1.00", "p"), reverse(two, two.other, shared, "r-2"))
    assert isinstance(paid, Posted)
    assert isinstance(reversed_, Posted)
    again = await reverse(two, two.other, shared, "r-3")
    assert isinstance(again, Refused)
    assert isinstance(again.refusal, AlreadyReversed)


async def test_a_group_of_one_name_in_two_ledgers_has_the_limits_of_each(two: Two, superuser: Superuser) -> None:
    for ground, most in ((two.one, 2), (two.other, 1)):
        payer = two.accounts[ground.ledger_id][0]
        code = await superuser.fetchval("select code from accounts where id = $1", payer)
        limit = VelocityLimit(Window(Direction.OUT, WindowKind.ROLLING, 3600), Decimal("2.00"), most)
        command = PutAccountGroup(
            id=new_uuid(),
            ledger_id=ground.ledger_id,
            idempotency_key="group",
            fingerprint=hashlib.sha256(b"group").digest(),
            actor="tests",
            name="wallets",
            description=None,
            members=[code],
            limits=[GroupLimit("USD", limit)],
        )
        assert isinstance(await two.committer.carry_out(command), Posted)
    asked = [two.pay(ground, "1.00", f"key-{number}") for number in range(2) for ground in (two.one, two.other)]
    answers = await two.at_once(*asked)
    assert [kind_of(answer) for answer in answers] == [Posted, Posted, Refused, Refused]
    used = [answer.refusal.facts["used_count"] for answer in answers if isinstance(answer, Refused)]
    assert used == [2, 1]  # the first ledger has paid once before
    again = await two.at_once(*(two.pay(ground, "1.00", "again") for ground in (two.one, two.other)))
    assert [kind_of(answer) for answer in again] == [Refused, Refused]  # no lane goes by what it remembers of them
