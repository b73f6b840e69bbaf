"""House rules are looked at once, and whether there are newer ones is asked where a batch is written."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.committer.ground import Ground, Superuser, connecting, running_committer
from tests.committer.test_flights import answers, single
from tests.committer.test_flights_with_records import assert_all_is_proved, capture, holding, prepared, refund
from tests.committer.test_remembered import Counting
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.batch.looking import NOTHING, REMEMBERED_MAX, RememberedNewest
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.ledger.records import Need
from zerosum.domain.payments.holds import HOLD
from zerosum.domain.payments.house_rules import ChangeHouseRules, HouseRules, newest_key
from zerosum.services.committing.committer import Committer


class Watched(Counting):
    """They also tell what they were sent besides: looks at rules, and at other records."""

    async def __call__(self) -> BatchConnection:
        connection = await super().__call__()
        fetch = connection.fetch

        async def watched(statement: str, *arguments: Any) -> Any:
            if "with opened as" in statement:
                self.told.append("rules" if "from house_rules" in statement else "others")
            return await fetch(statement, *arguments)

        connection.fetch = watched  # type: ignore[method-assign]
        return connection

    def take(self) -> list[str]:
        told, self.told = self.told, []
        return told


def rules(ledger_id: LedgerId, percent: int) -> ChangeHouseRules:
    id_ = new_uuid()
    made = HouseRules(ledger_id=ledger_id, over_percent=Decimal(percent))
    own: dict[str, Any] = {"id": id_, "idempotency_key": f"rules-{id_}", "fingerprint": b"f" * 32, "actor": "key_test"}
    return ChangeHouseRules(ledger_id=ledger_id, rules=made, **own)


async def done(committer: Committer, command: Any) -> Posted:
    answer = await committer.carry_out(command)
    assert isinstance(answer, Posted)
    return answer


async def test_holds_are_written_without_a_look_once_the_rules_were_seen(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    watched = Watched(test_database.service_dsn)
    async with running_committer(watched) as committer:
        payment, hold = await prepared(committer, ground)
        watched.take()
        pair = hold.payer_id, hold.payee_id
        assert [type(await done(committer, holding(ground, *pair, "1.00"))) for _ in range(3)] == [PostedPair] * 3
        assert watched.take() == ["held"] * 3
        mixed = (holding(ground, *pair, "1.00"), capture(hold), refund(payment), ground.transfer(*pair, "1.00"))
        told = await answers(*(single(committer, command) for command in mixed))
    assert [type(answer) for answer in told] == [PostedPair] * 4
    assert sorted(watched.take()) == ["held", "others", "others"]
    await assert_all_is_proved(ground, superuser)


@pytest.mark.parametrize("there_were_some", [False, True])
async def test_rules_that_others_have_changed_hold_for_the_very_next_hold(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, *, there_were_some: bool
) -> None:
    watched = Watched(test_database.service_dsn)
    async with (
        running_committer(watched) as committer,
        running_committer(connecting(test_database.service_dsn)) as stranger,
    ):
        if there_were_some:
            await done(stranger, rules(ground.ledger_id, 10))
        _, hold = await prepared(committer, ground)
        pair = hold.payer_id, hold.payee_id
        before = await done(committer, holding(ground, *pair, "10.00"))
        watched.take()
        await done(stranger, rules(ground.ledger_id, 20))
        after = [await done(committer, holding(ground, *pair, "10.00")) for _ in range(3)]
    assert watched.take() == ["records", "rules", "held", "held"]
    assert before.resource.hold.capture_max == (Decimal("11.00") if there_were_some else None)
    assert [one.resource.hold.capture_max for one in after] == [Decimal("12.00")] * 3
    assert {one.resource.hold.house_rules for one in after} == {1 + there_were_some}
    await assert_all_is_proved(ground, superuser)


async def test_the_rules_of_each_ledger_of_a_batch_are_its_own(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    other = await ground.in_another_ledger()
    watched = Watched(test_database.service_dsn)
    async with running_committer(watched) as committer:
        await done(committer, rules(ground.ledger_id, 50))
        pairs = [(each, (await prepared(committer, each))[1]) for each in (ground, other)]
        watched.take()
        placing = [holding(each, hold.payer_id, hold.payee_id, "10.00") for each, hold in pairs]
        told = await answers(*(single(committer, command) for command in placing))
    assert watched.take() == ["held"]
    assert [answer.resource.hold.capture_max for answer in told] == [Decimal("15.00"), None]
    for each in (ground, other):
        await assert_all_is_proved(each, superuser)


async def test_holds_beside_rules_that_keep_changing_are_all_placed_by_some_of_them(
    ground: Ground, test_database: TestDatabase, superuser: Superuser
) -> None:
    """And none by rules that were no more when it was asked for."""
    accounts = await ground.open(4, floor=None)
    newest = 0
    async with (
        running_committer(connecting(test_database.service_dsn), is_alone=True) as committer,
        running_committer(connecting(test_database.service_dsn)) as stranger,
    ):

        async def change() -> None:
            nonlocal newest
            for percent in range(1, 13):
                await done(stranger, rules(ground.ledger_id, percent))
                newest = percent

        async def place(own: int) -> None:
            while newest < 12:
                known = newest
                answer = await done(committer, holding(ground, accounts[own], accounts[(own + 1) % 4], "100.00"))
                assert (answer.resource.hold.house_rules or 0) >= known

        await asyncio.wait_for(asyncio.gather(change(), *(place(own) for own in range(4))), 30)
    await assert_all_is_proved(ground, superuser)


def test_what_is_remembered_is_bounded_and_what_was_forgotten_is_looked_at_again() -> None:
    remembered = RememberedNewest()
    ledgers = [LedgerId(new_uuid()) for _ in range(REMEMBERED_MAX + 1)]
    needs = [Need(newest_key(ledger_id), is_locked=False) for ledger_id in ledgers]
    assert remembered.unknown(needs) == needs
    remembered.learn(needs, NOTHING)
    found = remembered.beside(NOTHING, needs[:1])
    assert found is not None
    assert (dict(found.records), dict(found.row_versions)) == ({}, {needs[0].key: 0})
    assert remembered.unknown(needs[:1]) == needs[:1]
    assert remembered.beside(NOTHING, needs[:1]) is None
    of_a_hold = Need(newest_key(ledgers[0])._replace(kind=HOLD))
    remembered.learn([of_a_hold], NOTHING)
    assert remembered.unknown([of_a_hold]) == [of_a_hold]
