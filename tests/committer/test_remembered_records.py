"""Payments and holds that a lane has made a moment ago need no look: they are compared where it is written, as ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.committer.ground import Ground, Superuser, connecting, running_committer
from tests.committer.test_flights import Staged, answers, nothing, single, waited
from tests.committer.test_flights_with_records import (
    CHANGES,
    ByKind,
    assert_all_is_proved,
    capture,
    holding,
    prepared,
    refund,
    remembered_records,
)
from tests.committer.test_remembered_rules import Watched
from tests.conftest import TestDatabase
from zerosum.db.batch import looking
from zerosum.db.batch.hold_records import METADATA_SIGNS_MAX
from zerosum.db.batch.looking import LEFT_MAX, Looked, RememberedRecords
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import HoldId, LedgerId
from zerosum.domain.ledger.outcome import Posted, PostedPair, Refused
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.payments.hold_commands import ExtendHold
from zerosum.domain.payments.holds import HOLD
from zerosum.domain.payments.payment import PAYMENT


async def test_what_was_made_here_is_captured_and_given_back_without_a_look(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """Also in parts, and of it all at once: what each leaves is what the next one stands on."""
    watched = Watched(test_database.service_dsn)
    async with running_committer(watched) as committer:
        payment, hold = await prepared(committer, ground, is_remembered=True)
        watched.take()
        for command in (capture(hold, "2.00"), refund(payment, "1.00"), capture(hold), refund(payment)):
            assert type(await committer.carry_out(command)) is PostedPair
        refused = [await committer.carry_out(command) for command in (capture(hold), refund(payment))]
    assert watched.take() == ["held"] * 4
    assert [type(answer) for answer in refused] == [Refused] * 2
    await assert_all_is_proved(ground, superuser)


@pytest.mark.parametrize(("other", "own", "code"), CHANGES.values(), ids=CHANGES)
async def test_what_somebody_else_did_with_it_is_found_out_once(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, other: ByKind, own: ByKind, code: str
) -> None:
    watched = Watched(test_database.service_dsn)
    async with (
        running_committer(watched) as committer,
        running_committer(connecting(test_database.service_dsn)) as stranger,
    ):
        done = await prepared(committer, ground, is_remembered=True)
        assert isinstance(await stranger.carry_out(other(done)), Posted)
        # Their accounts are read anew: from then on nothing but the record tells that it was changed.
        pair = done[0].payer_id, done[0].payee_id
        for _ in range(6):
            assert isinstance(await committer.carry_out(ground.transfer(*pair, "1.00")), Posted)
        watched.take()
        answer = await committer.carry_out(own(done))
        told = watched.take()
        assert isinstance(answer, Refused)
        assert isinstance(await committer.carry_out(ground.transfer(*pair, "1.00")), Posted)
    assert (told, answer.refusal.code) == (["records"], code)
    await assert_all_is_proved(ground, superuser)


async def test_what_goes_the_usual_way_leaves_nothing_behind_that_is_not_so_any_more(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """A hold that is made to last longer posts nothing, so no flight has written it."""
    watched = Watched(test_database.service_dsn)
    async with running_committer(watched) as committer:
        _, hold = await prepared(committer, ground, is_remembered=True)
        id_ = new_uuid()
        own: dict[str, Any] = {"id": id_, "idempotency_key": f"longer-{id_}", "fingerprint": b"f" * 32, "actor": "key"}
        async with ground.database.work(ground.ledger_id) as connection:
            later = (await connection.exec_driver_sql("select now() + interval '30 days'")).scalar_one()
        longer = ExtendHold(
            ledger_id=hold.ledger_id,
            payer_id=hold.payer_id,
            payee_id=hold.payee_id,
            hold_id=hold.hold_id,
            expires_at=later,
            **own,
        )
        assert isinstance(await committer.carry_out(longer), Posted)
        watched.take()
        assert isinstance(await committer.carry_out(capture(hold)), Posted)
    assert watched.take() == ["others", "held"]
    await assert_all_is_proved(ground, superuser)


async def test_of_two_on_their_way_the_second_knows_nothing_that_the_first_may_still_change(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    staged = Staged(test_database.service_dsn)
    async with running_committer(staged) as committer:
        payment, _ = await prepared(committer, ground, is_remembered=True)
        begun, may_go = staged._count, asyncio.Event()
        staged.before = [lambda: waited(may_go), nothing]
        first = single(committer, refund(payment, "3.00"))
        await asyncio.sleep(0.02)
        second = single(committer, refund(payment, "3.00"))
        await asyncio.wait_for(staged.sent[begun + 1].wait(), 5)
        await asyncio.sleep(0.02)
        may_go.set()
        told = await answers(first, second)
    assert [type(answer) for answer in told] == [PostedPair, Refused]
    await assert_all_is_proved(ground, superuser)


async def test_what_is_remembered_is_what_a_look_would_find(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        payer, payee = await ground.open(2, floor=None)
        await prepared(committer, ground)
        parted = (
            holding(ground, payer, payee, "5.00"),
            ground.transfer(payer, payee, "5.00", reference="ü", description="d"),
        )
        whole = holding(ground, payer, payee, "6.00"), ground.transfer(payer, payee, "6.00")
        await committer.carry_out(ground.transfer(payer, payee, "1.00"))
        for hold, payment in (parted, whole):
            for command in (hold, payment, capture(hold, "2.00"), refund(payment, "2.00")):
                assert isinstance(await committer.carry_out(command), Posted)
        for command in (capture(whole[0]), refund(whole[1])):
            assert isinstance(await committer.carry_out(command), Posted)
        wanted = [Need(RecordKey(ground.ledger_id, HOLD, HoldId(hold.id))) for hold, _ in (parted, whole)]
        wanted += [Need(RecordKey(ground.ledger_id, PAYMENT, payment.id)) for _, payment in (parted, whole)]
        remembered = remembered_records(committer).take(wanted)
        connection = committer._lanes[0].carrier._connections.first  # type: ignore[attr-defined]
        seen = await looking.look(connection.fetch, wanted)
    assert seen is not None
    assert len(remembered.records) == 4
    assert remembered.row_versions == seen.row_versions
    assert {key: as_it_is(record) for key, record in remembered.records.items()} == {
        key: as_it_is(record) for key, record in seen.records.items()
    }


async def test_a_hold_about_which_much_is_said_is_not_remembered(ground: Ground, test_database: TestDatabase) -> None:
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        payer, payee = await ground.open(2, floor=None)
        await prepared(committer, ground)
        await committer.carry_out(ground.transfer(payer, payee, "1.00"))
        holds = [
            replace(holding(ground, payer, payee, "5.00"), metadata={"said": "x" * signs})
            for signs in (10, METADATA_SIGNS_MAX)
        ]
        for hold in holds:
            assert isinstance(await committer.carry_out(hold), Posted)
        keys = [RecordKey(ground.ledger_id, HOLD, hold.hold_id) for hold in holds]
        assert remembered_records(committer).take([Need(key) for key in keys]).records.keys() == {keys[0]}


def as_it_is(record: Any) -> dict[str, Any]:
    """What is read of a table does not know how a currency is called."""
    told = {name: getattr(record, name) for name in type(record).__slots__}
    money = told.pop("money")
    return told | {"amount": (money.amount, money.currency.code, money.currency.exponent)}


def test_the_oldest_is_forgotten_and_what_is_only_read_is_not_given() -> None:
    remembered, ledger_id = RememberedRecords(), LedgerId(new_uuid())
    keys = [RecordKey(ledger_id, PAYMENT, new_uuid()) for _ in range(LEFT_MAX + 1)]
    remembered.learn([(key, number) for number, key in enumerate(keys)], 5)
    assert len(remembered) == LEFT_MAX
    wanted = [Need(keys[0]), Need(keys[1]), Need(keys[2], is_locked=False)]
    assert remembered.take(wanted) == Looked({keys[1]: 1}, {keys[1]: 5}, frozenset())
    assert remembered.take(wanted).records == {}
    remembered.forget_all()
    assert len(remembered) == 0
