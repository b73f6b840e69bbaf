"""Balances at an instant equal the naive sum of all postings, whatever was dated, sealed and written when."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.at_length import AT_LENGTH
from tests.conftest import TestDatabase
from tests.db.histories import BEGINNING, MICROSECOND, History, Shape, write
from tests.db.servers import Connection, connected
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.account_history import LINES_MAX, standings
from zerosum.db.queries.balances import Instant, currency_totals, totals_at, trial_balance_lines
from zerosum.db.queries.checkpoints import BLOCK, find_unsealed_accounts, make_checkpoints

EXAMPLES = 30
SIZES = (0, 1, 2, 30, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 7, 16 * BLOCK, 17 * BLOCK + 9)
GRAINS = (timedelta(0), MICROSECOND, timedelta(seconds=1), timedelta(hours=7))

shapes = st.builds(
    Shape,
    type=st.sampled_from(("asset", "liability", "equity", "revenue", "expense")),
    currency=st.sampled_from(("USD", "JPY")),
    number=st.sampled_from(SIZES),
    dated=st.sampled_from((0.0, 0.01, 0.5, 1.0)),
    held=st.sampled_from((0.0, 0.3, 1.0)),
    grain=st.sampled_from(GRAINS),
)


async def seal(database: Database, history: History, at_most: int) -> int:
    async with database.work(history.ledger_id) as connection:
        return await make_checkpoints(connection, history.ledger_id, history.account_id, at_most=at_most)


async def must_be_the_naive_sum(
    database: Database, history: History, effective: datetime | None, recorded: datetime | None
) -> None:
    instant = Instant(effective=effective, recorded=recorded)
    async with database.work(history.ledger_id) as connection:
        found = await totals_at(connection, history.ledger_id, history.account_id, instant)
        lines = await trial_balance_lines(connection, history.ledger_id, instant, after_code=None, limit=9)
    assert found is not None
    posted, held, version, debits, credits_ = history.totals(effective, recorded)
    assert (found.posted, found.held, found.version) == (posted, held, version), (effective, recorded)
    if not lines:
        assert (version, recorded is not None and recorded < BEGINNING) == (0, True)
    elif not instant.is_now:
        assert [(line.debits, line.credits) for line in lines] == [(debits, credits_)], (effective, recorded)


async def must_stand_as_it_did(database: Database, history: History, instants: list[datetime]) -> None:
    """Whether the lines since are few, or too many to be taken away."""
    wanted = [(at, *history.totals(at, None)[:2]) for at in instants]
    for lines_max in (0, LINES_MAX):
        async with database.snapshot(history.ledger_id) as connection:
            found = await standings(connection, history.ledger_id, history.account_id, instants, lines_max=lines_max)
        assert [(one.at, one.posted, one.held) for one in found] == wanted, lines_max


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=shapes, seed=st.integers(0, 2**32), parts=st.lists(st.integers(0, 20), min_size=1, max_size=4))
async def test_any_history_at_any_instant(
    database: Database, superuser: Connection, shape: Shape, seed: int, parts: list[int]
) -> None:
    history = History(new_uuid(), shape, random.Random(seed))
    for at_most in parts:
        await write(superuser, history, history.grow(shape.number // len(parts)))
        if at_most:
            await seal(database, history, at_most)
    for effective, recorded in zip(history.instants(6), history.instants(6), strict=True):
        await must_be_the_naive_sum(database, history, effective, None)
        await must_be_the_naive_sum(database, history, None, recorded)
        await must_be_the_naive_sum(database, history, effective, recorded)
    await must_be_the_naive_sum(database, history, None, None)
    await must_stand_as_it_did(database, history, sorted(history.instants(6)))


@pytest.mark.parametrize("dated", [0.001, 1.0] if AT_LENGTH else [0.001])
async def test_a_long_history_that_is_sealed_in_blocks_of_blocks(
    database: Database, superuser: Connection, dated: float
) -> None:
    """Long enough for three sizes of blocks, and read right behind and before their bounds."""
    number = 16 * 16 * BLOCK + 2 * 16 * BLOCK + 3 * BLOCK + 5
    history = History(new_uuid(), Shape(number=number, dated=dated, held=0.1), random.Random(7))
    await write(superuser, history, history.grow(number))
    while await seal(database, history, 100):
        pass
    levels = await superuser.fetch(
        "select distinct level from dated_checkpoints where ledger_id = $1 order by level", history.ledger_id
    )
    assert [row[0] for row in levels] == [0, 1, 2]
    for version in (1, BLOCK, 16 * BLOCK + 1, 256 * BLOCK - 1, 256 * BLOCK, 256 * BLOCK + 1, 288 * BLOCK, number):
        line = history.lines[version - 1]
        await must_be_the_naive_sum(database, history, line.effective_at, None)
        await must_be_the_naive_sum(database, history, history.lines[number // 2].effective_at, line.posted_at)
        await must_be_the_naive_sum(database, history, line.effective_at - MICROSECOND, line.posted_at)


async def test_thousands_of_postings_at_one_time_are_sealed_and_counted_together(
    database: Database, superuser: Connection
) -> None:
    number = 17 * BLOCK + 9
    history = History(new_uuid(), Shape(number=number, dated=1.0, grain=timedelta(0)), random.Random(4))
    await write(superuser, history, history.grow(number))
    assert await seal(database, history, 100) == 17
    [moment] = {line.effective_at for line in history.lines}
    for effective in (moment - MICROSECOND, moment, moment + MICROSECOND):
        await must_be_the_naive_sum(database, history, effective, None)


PAGES_MAX = 500
"""Of 8 kB, for one balance: two binary searches, at most 45 sealed parts, and what lies between two checkpoints."""


SHORT, LONG = 8 * BLOCK + 77, 16 * 16 * BLOCK + 15 * BLOCK + 77


async def sealed_history(database: Database, connection: Connection, dated: float, number: int) -> History:
    history = History(new_uuid(), Shape(number=number, dated=dated), random.Random(5))
    await write(connection, history, history.grow(number))
    while await seal(database, history, 200):
        pass
    return history


@pytest.fixture(scope="module", params=[0.0, 0.001, 1.0])
async def long_history(request: pytest.FixtureRequest, database: Database, test_database: TestDatabase) -> History:
    """So much of it dated. It takes longer to make than to look at, and nobody changes it."""
    async with connected(test_database.superuser_dsn) as connection:
        return await sealed_history(database, connection, request.param, LONG)


async def test_a_balance_touches_no_more_of_a_longer_history(
    database: Database, superuser: Connection, long_history: History
) -> None:
    short = await sealed_history(database, superuser, long_history.shape.dated, SHORT)
    await superuser.execute("vacuum analyze postings")
    touched = [await pages_touched(superuser, history, *_instants(history)) for history in (short, long_history)]
    assert max(touched) < PAGES_MAX, touched


def _instants(history: History) -> tuple[datetime, datetime]:
    return history.instants(1)[0], history.lines[history.shape.number * 3 // 4].posted_at


async def test_so_it_is_whatever_the_planner_knows_of_the_postings(
    superuser: Connection, long_history: History
) -> None:
    """Nothing at all, as of a young table; or that there are ten of them, as it was told long ago."""
    effective, recorded = _instants(long_history)
    for statistics in (
        "delete from pg_statistic where starelid = 'postings'::regclass",
        "update pg_class set reltuples = -1, relpages = 0 where relname like 'postings%'",
        "update pg_class set reltuples = 10, relpages = 1 where relname like 'postings%'",
    ):
        await superuser.execute(statistics)
        await superuser.execute("discard plans")
        assert await pages_touched(superuser, long_history, effective, recorded) < PAGES_MAX, statistics


async def pages_touched(connection: Connection, history: History, effective: datetime, recorded: datetime) -> int:
    statement = "explain (analyze, buffers, format json) select * from zerosum_totals_at($1, $2, $3, $4, true)"
    arguments = history.ledger_id, history.account_id, effective, recorded
    await connection.fetchval(statement, *arguments)
    [found] = json.loads(await connection.fetchval(statement, *arguments))
    return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


async def test_all_accounts_of_a_ledger_at_an_instant_balance_by_currency_and_no_other_ledger_counts(
    database: Database, superuser: Connection
) -> None:
    """Each ledger is asked with the other one's postings beside it."""
    chance = random.Random(3)
    kinds = [
        Shape(type=type_, currency=currency, number=number, dated=0.4, held=0.2)
        for type_, currency, number in (("asset", "USD", 700), ("liability", "USD", 300), ("revenue", "JPY", 40))
    ]
    ledgers = [[History(ledger, shape, chance) for shape in kinds] for ledger in (new_uuid(), new_uuid())]
    for histories in ledgers:
        for history in histories:
            await write(superuser, history, history.grow(history.shape.number))
            await seal(database, history, 1)
    for histories in ledgers:
        for effective in histories[0].instants(3):
            async with database.work(histories[0].ledger_id) as connection:
                found = await currency_totals(
                    connection, histories[0].ledger_id, Instant(effective=effective), is_of_all=True
                )
            naive: dict[str, list[Decimal]] = {}
            for history in histories:
                sums = naive.setdefault(history.shape.currency, [Decimal(0), Decimal(0)])
                *_, debits, credits_ = history.totals(effective, None)
                sums[0] += debits
                sums[1] += credits_
            assert [(one[0], [one[1], one[2]]) for one in found] == sorted(naive.items())


async def test_of_an_account_that_is_not_there_nothing_is_told(database: Database) -> None:
    async with database.work(ledger := new_uuid()) as connection:
        assert await totals_at(connection, ledger, new_uuid(), Instant(effective=BEGINNING)) is None


# --- Sealing ---------------------------------------------------------------------------------------------------------


async def test_only_whole_blocks_are_sealed_and_each_once(database: Database, superuser: Connection) -> None:
    history = History(new_uuid(), Shape(number=1000), random.Random(1))
    await write(superuser, history, history.grow(2 * BLOCK + 1))
    assert await unsealed(database, history) == [history.account_id]
    assert [await seal(database, history, 1) for _ in range(3)] == [1, 1, 0]
    assert await unsealed(database, history) == []
    await write(superuser, history, history.grow(BLOCK - 2))
    assert (await seal(database, history, 9), await unsealed(database, history)) == (0, [])
    await write(superuser, history, history.grow(1))
    assert (await unsealed(database, history), await seal(database, history, 9)) == ([history.account_id], 1)


async def unsealed(database: Database, history: History) -> list[UUID]:
    async with database.work(history.ledger_id) as connection:
        return list(await find_unsealed_accounts(connection, history.ledger_id, after=UUID(int=0), limit=9))


async def test_two_at_once_seal_once_and_nobody_waits(database: Database, superuser: Connection) -> None:
    history = History(new_uuid(), Shape(number=1000), random.Random(1))
    await write(superuser, history, history.grow(3 * BLOCK))
    async with database.work(history.ledger_id) as one:
        assert await make_checkpoints(one, history.ledger_id, history.account_id, at_most=2) == 2
        assert await seal(database, history, 9) == 0
    assert await seal(database, history, 9) == 1


async def test_the_service_derives_checkpoints_and_writes_none_of_its_own(superuser: Connection) -> None:
    async with superuser.transaction():
        await superuser.execute("set local role zerosum_app")
        for table in ("account_checkpoints", "dated_checkpoints"):
            for statement in (
                f"insert into {table} default values",
                f"delete from {table}",
                f"update {table} set ledger_id = null",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with superuser.transaction():
                        await superuser.execute(statement)


async def test_another_ledgers_account_is_not_sealed(database: Database, superuser: Connection) -> None:
    history = History(new_uuid(), Shape(), random.Random(1))
    await write(superuser, history, history.grow(BLOCK))
    async with database.work(new_uuid()) as connection:
        assert await make_checkpoints(connection, history.ledger_id, history.account_id, at_most=9) == 0
    assert await seal(database, history, 9) == 1
