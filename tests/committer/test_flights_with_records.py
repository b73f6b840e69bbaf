"""Batches that stand on records: these are looked at beforehand, and compared under their locks where it is written."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from tests.committer.ground import (
    USD,
    Ground,
    Superuser,
    assert_books_are_right,
    connecting,
    kind_of,
    running_committer,
)
from tests.committer.test_flights import Staged, answers, nothing, single, waited
from tests.committer.test_remembered import Counting
from tests.conftest import TestDatabase
from zerosum.db.batch.looking import RememberedRecords
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import AccountId, HoldId, PaymentId
from zerosum.domain.ledger.outcome import Posted, Refused, Replayed
from zerosum.domain.money import Money
from zerosum.domain.payments.hold_commands import CaptureHold, PlaceHold, VoidHold
from zerosum.domain.payments.hold_steps import HoldCommand
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.refunds import RefundPayment
from zerosum.services.committing.committer import Committer
from zerosum.services.proofs.whole_ledger import verify_ledger


def members_of(of: HoldCommand | Pay) -> dict[str, Any]:
    id_ = new_uuid()
    own = {"id": id_, "idempotency_key": f"do-{id_}", "fingerprint": b"f" * 32, "actor": "key_test"}
    return {"ledger_id": of.ledger_id, "payer_id": of.payer_id, "payee_id": of.payee_id, **own}


def holding(ground: Ground, payer: AccountId, payee: AccountId, amount: str) -> PlaceHold:
    members = members_of(ground.transfer(payer, payee, amount))
    return PlaceHold(hold_id=HoldId(members["id"]), money=Money.parse(amount, USD), **members)


def capture(hold: PlaceHold, amount: str | None = None) -> CaptureHold:
    money = None if amount is None else Money.parse(amount, USD)
    return CaptureHold(hold_id=hold.hold_id, money=money, **members_of(hold))


def void(hold: PlaceHold) -> VoidHold:
    return VoidHold(hold_id=hold.hold_id, **members_of(hold))


def refund(payment: Pay, amount: str | None = None) -> RefundPayment:
    money = None if amount is None else Money.parse(amount, USD)
    return RefundPayment(payment_id=PaymentId(payment.id), money=money, **members_of(payment))


Done: TypeAlias = tuple[Pay, PlaceHold]


async def prepared(committer: Committer, ground: Ground, *, is_remembered: bool = False) -> Done:
    """Two accounts that are remembered; a payment between them, and a hold, of 5 each, that have to be looked at."""
    payer, payee = await ground.open(2, floor=None)
    payment, hold = ground.transfer(payer, payee, "5.00"), holding(ground, payer, payee, "5.00")
    if is_remembered:  # Those are read under locks, and not by a flight.
        for command in (ground.transfer(payer, payee, "5.00"), holding(ground, payer, payee, "5.00")):
            assert isinstance(await committer.carry_out(command), Posted)
    for command in (payment, hold):
        assert isinstance(await committer.carry_out(command), Posted)
    if not is_remembered:
        remembered_records(committer).forget_all()
    return payment, hold


def remembered_records(committer: Committer) -> RememberedRecords:
    """Of its only lane."""
    found = committer._lanes[0].carrier._flights.records  # type: ignore[attr-defined]
    assert isinstance(found, RememberedRecords)
    return found


async def assert_all_is_proved(ground: Ground, superuser: Superuser) -> None:
    await assert_books_are_right(superuser, ground.ledger_id)
    report = await verify_ledger(ground.database, ground.ledger_id, lambda *_: None)
    assert [found for found in report.breaks if "fingerprint" not in found.what] == []  # These have none of their own.


async def test_holds_captures_and_refunds_are_written_in_one_round_trip(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    counting = Counting(test_database.service_dsn)
    async with running_committer(counting) as committer:
        payment, hold = await prepared(committer, ground)
        commands = (capture(hold, "2.00"), refund(payment, "1.00"), capture(hold), refund(payment))
        for command in commands:
            assert isinstance(await committer.carry_out(command), Posted)
        pair = hold.payer_id, hold.payee_id
        mixed = [single(committer, ground.transfer(*pair, "1.00")), single(committer, holding(ground, *pair, "1.00"))]
        assert all(isinstance(answer, Posted) for answer in await answers(*mixed))
    assert (counting.read, set(counting.told)) == (1, {"held"})  # the first batch has read its accounts
    statuses = "select status from holds where id = $1 union all select status from payments where id = $2"
    assert [row[0] for row in await superuser.fetch(statuses, hold.id, payment.id)] == ["captured", "refunded"]
    assert await ground.posted(hold.payee_id) == 6
    await assert_all_is_proved(ground, superuser)


ByKind: TypeAlias = Callable[[Done], Any]

CHANGES: dict[str, tuple[ByKind, ByKind, str]] = {
    "captured": (lambda done: capture(done[1], "2.00"), lambda done: capture(done[1], "4.00"), "amount_exceeds_hold"),
    "voided": (lambda done: void(done[1]), lambda done: capture(done[1]), "invalid_state"),
    "refunded": (lambda done: refund(done[0], "2.00"), lambda done: refund(done[0], "4.00"), "amount_exceeds_payment"),
}


@pytest.mark.parametrize(("other", "own", "code"), CHANGES.values(), ids=CHANGES)
async def test_what_somebody_does_with_a_record_between_the_look_and_its_lock_is_seen(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, other: ByKind, own: ByKind, code: str
) -> None:
    """Its accounts are changed with it, so these are what is found to be others; nothing is written on the look."""
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer, running_committer(connecting(staged.dsn)) as stranger:
        done = await prepared(committer, ground)
        begun = staged._count

        async def change() -> None:
            assert isinstance(await stranger.carry_out(other(done)), Posted)

        staged.before = [change]
        answer = await committer.carry_out(own(done))
    assert isinstance(answer, Refused)
    assert answer.refusal.code == code
    assert staged.told[begun] == "changed"
    await assert_all_is_proved(ground, superuser)


@pytest.mark.parametrize("is_waited_for", [False, True])
async def test_a_record_that_changes_while_its_accounts_stay_as_they_are_is_compared_as_it_is_then(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, is_waited_for: bool
) -> None:
    """Whoever makes a hold last longer posts nothing: its accounts are as they were remembered."""
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer:
        _, hold = await prepared(committer, ground)
        begun, changing = staged._count, superuser.transaction()

        async def change() -> None:
            await changing.start()
            await superuser.execute(
                "update holds set expires_at = expires_at + interval '1 day' where id = $1", hold.id
            )
            if not is_waited_for:
                await changing.commit()

        staged.before = [change]
        told = single(committer, capture(hold))
        await asyncio.wait_for(staged.sent[begun].wait(), 5)
        await asyncio.sleep(0.05)
        if is_waited_for:
            assert not staged.replied[begun].is_set()
            await changing.commit()
        assert all(isinstance(answer, Posted) for answer in await answers(told))
    assert staged.told[begun] == "records"
    changes = "select status, changes, expires_at - created_at > interval '7 days 12 hours' from holds where id = $1"
    assert tuple(await superuser.fetchrow(changes, hold.id) or ()) == ("captured", 2, True)
    await assert_books_are_right(superuser, ground.ledger_id)


async def test_of_two_batches_on_their_way_only_one_ends_a_hold(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer:
        _, hold = await prepared(committer, ground)
        begun, may_go = staged._count, asyncio.Event()
        staged.before = [lambda: waited(may_go), nothing]
        first = single(committer, capture(hold))
        await asyncio.sleep(0.02)
        second = single(committer, capture(hold))
        await asyncio.wait_for(staged.sent[begun + 1].wait(), 5)
        await asyncio.sleep(0.02)
        may_go.set()
        told = await answers(first, second)
    assert sorted(kind_of(answer).__name__ for answer in told) == ["Posted", "Refused"]
    assert await ground.posted(hold.payee_id) == 10
    await assert_all_is_proved(ground, superuser)


@pytest.mark.parametrize("was_written", [True, False])
async def test_a_capture_whose_reply_is_lost_is_found_by_its_key(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, was_written: bool
) -> None:
    staged = Staged(test_database.service_dsn)

    async def lose() -> None:
        raise CommitOutcomeUnknown("planted")

    async with running_committer(staged) as committer:
        payment, hold = await prepared(committer, ground)
        for command in (capture(hold), refund(payment)):
            (staged.after if was_written else staged.before).append(lose)
            assert isinstance(await committer.carry_out(command), Replayed if was_written else Posted)
    assert await ground.posted(hold.payee_id) == 5
    await assert_all_is_proved(ground, superuser)


async def test_random_batches_with_records_beside_a_stranger_lose_and_double_nothing(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Each hold is captured by two at once, each payment refunded by two; now and then there is enough for one only."""
    accounts = await ground.open(6, floor=None)
    generator = random.Random(3)
    staged = Staged(test_database.service_dsn)
    staged.sent = staged.replied = [asyncio.Event() for _ in range(5000)]

    async def caller(own: Committer, other: Committer, times: int) -> None:
        for _ in range(times):
            payer, payee = generator.sample(accounts, 2)
            is_hold, amount = generator.random() < 0.5, "2.00" if generator.random() < 0.05 else "1.00"
            first: Any = holding(ground, payer, payee, "3.00") if is_hold else ground.transfer(payer, payee, "3.00")
            assert isinstance(await own.carry_out(first), Posted)
            both = [capture(first, amount) if is_hold else refund(first, amount) for _ in range(2)]
            second = other if generator.random() < 0.01 else own
            told = await asyncio.gather(own.carry_out(both[0]), second.carry_out(both[1]))
            assert sorted(isinstance(answer, Posted) for answer in told) == [amount == "1.00", True]

    async with (
        running_committer(staged, is_alone=True) as committer,
        running_committer(connecting(test_database.service_dsn)) as stranger,
    ):
        await asyncio.wait_for(asyncio.gather(*(caller(committer, stranger, 12) for _ in range(16))), 60)
    assert list(staged.told.values()).count("held") > 5
    assert await _sums(superuser, ground.ledger_id) == (True, True)
    await assert_all_is_proved(ground, superuser)


async def _sums(superuser: Superuser, ledger_id: UUID) -> tuple[bool, bool]:
    """Whether 2 of each hold was captured, and 2 of each payment of its own was given back."""
    row = await superuser.fetchrow(
        """select (select bool_and(captured = 2) from holds where ledger_id = $1),
                  (select bool_and(refunded = 2) from payments where ledger_id = $1 and amount = 3)""",
        ledger_id,
    )
    return tuple(row or ())
