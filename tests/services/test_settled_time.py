"""When looking back is repeatable: not before every writer's clock has passed, nor while an older write is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import TestDatabase
from tests.db.servers import Connection, connected
from zerosum.db.engine import Database
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId
from zerosum.services.requests.settled_time import CLOCKS_APART_MAX, LOOK_EVERY_SECONDS, WRITES_LAST_MAX, SettledTime

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Clock:
    """Goes on by what is slept, and remembers it."""

    def __init__(self) -> None:
        self.time = NOON
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settled(database: Database, clock: Clock) -> SettledTime:
    return SettledTime(database, clock.now, clock.pause)


async def begin_to_write(writer: Connection, ledger_id: LedgerId) -> None:
    """As a batch begins: with the row of an account locked."""
    await writer.execute("begin")
    await writer.execute("select from accounts where ledger_id = $1 for no key update", ledger_id)


@pytest.mark.parametrize(
    ("wanted", "reached", "slept"),
    [
        (NOON - timedelta(days=1), NOON - timedelta(days=1), []),
        (NOON - CLOCKS_APART_MAX, NOON - CLOCKS_APART_MAX, []),
        (NOON - CLOCKS_APART_MAX / 4, NOON - CLOCKS_APART_MAX / 4, [0.75]),
        (NOON, NOON, [1.0]),
        (NOON + timedelta(days=1), NOON, [1.0]),  # what is not written yet cannot be told
        (None, NOON, [1.0]),
    ],
)
async def test_every_clock_has_passed_what_is_answered(
    settled: SettledTime,
    clock: Clock,
    ledger_id: LedgerId,
    wanted: datetime | None,
    reached: datetime,
    slept: list[float],
) -> None:
    assert (await settled.reach(ledger_id, wanted), clock.slept) == (reached, slept)


async def test_a_write_that_was_open_is_waited_for(
    test_database: TestDatabase, database: Database, ledger_id: LedgerId, clock: Clock
) -> None:
    async with connected(test_database.superuser_dsn) as writer:
        await begin_to_write(writer, ledger_id)
        looks = 0

        async def pause(seconds: float) -> None:
            nonlocal looks
            looks += 1
            if looks == 3:
                await writer.execute("commit")
            await clock.pause(seconds)

        assert await SettledTime(database, clock.now, pause).reach(ledger_id, NOON - SECOND) == NOON - SECOND
        assert clock.slept == [LOOK_EVERY_SECONDS] * 3


async def test_a_write_that_stays_open_is_not_waited_for_for_ever(
    test_database: TestDatabase, settled: SettledTime, ledger_id: LedgerId
) -> None:
    async with connected(test_database.superuser_dsn) as writer:
        await begin_to_write(writer, ledger_id)
        with pytest.raises(Unavailable) as refused:
            await settled.reach(ledger_id, NOON - SECOND)
        assert refused.value.facts["retry_after"] == 1
        # It cannot have begun so long ago.
        assert await settled.reach(ledger_id, NOON - WRITES_LAST_MAX - SECOND) == NOON - WRITES_LAST_MAX - SECOND


async def test_what_begins_later_is_not_waited_for(
    test_database: TestDatabase, database: Database, ledger_id: LedgerId, clock: Clock
) -> None:
    """Under load there is always somebody who writes; each is another."""
    async with connected(test_database.superuser_dsn) as one, connected(test_database.superuser_dsn) as other:
        await begin_to_write(one, ledger_id)

        async def pause(seconds: float) -> None:
            if not clock.slept:
                await begin_to_write(other, ledger_id)
                await one.execute("commit")
            await clock.pause(seconds)

        assert await SettledTime(database, clock.now, pause).reach(ledger_id, NOON - SECOND) == NOON - SECOND
        assert clock.slept == [LOOK_EVERY_SECONDS]


@pytest.mark.parametrize("mode", ["access share", "share update exclusive"])
async def test_dumps_and_vacuums_are_not_waited_for(
    test_database: TestDatabase, settled: SettledTime, clock: Clock, ledger_id: LedgerId, mode: str
) -> None:
    async with connected(test_database.superuser_dsn) as other, other.transaction():
        await other.execute(f"lock table postings, accounts in {mode} mode")
        await settled.reach(ledger_id, NOON - SECOND)
        assert clock.slept == []
