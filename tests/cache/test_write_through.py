"""When the committer speaks to the cache: before its transaction and after, never inside, and before it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX, Ground, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.batch import AccountKey, BatchConnection
from zerosum.db.engine import Database
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.outcome import Posted, Refused, Replayed


@pytest.fixture
def ground(database: Database, ledger_id: LedgerId) -> Ground:
    return Ground(database, ledger_id)


@dataclass
class Record:
    """Stands in for the cache, and notes it beside what happens to the connection."""

    dsn: str
    breaks_at: str = ""
    error: Exception = field(default_factory=lambda: CommitOutcomeUnknown("planted"))
    steps: list[str] = field(default_factory=list)
    stored: list[dict[AccountId, int]] = field(default_factory=list)
    _marks: int = 0

    async def mark(self, accounts: Sequence[AccountKey]) -> str:
        self._marks += 1
        self.steps.append(f"mark {self._marks}")
        return str(self._marks)

    async def store(self, mark: Any, states: Sequence[AccountState]) -> None:
        self.steps.append(f"{'store' if states else 'lift'} {mark}")
        self.stored.append({state.id: state.version for state in states})

    async def connect(self) -> BatchConnection:
        connection = await BatchConnection.open(self.dsn, CONNECT_SECONDS_MAX)
        for name in ("begin", "post", "commit", "rollback"):
            self._watch(connection, name, name)
        self._watch(connection.loader, "accounts", "lock")
        self._watch(connection, "fetch", "write")
        return connection

    def _watch(self, owner: Any, method: str, name: str) -> None:
        act = getattr(owner, method)

        async def watched(*args: Any, **kwargs: Any) -> Any:
            if method == "fetch" and not args[0].startswith("with pair"):
                return await act(*args, **kwargs)
            self.steps.append(name)
            result = await act(*args, **kwargs)
            if name == self.breaks_at:
                self.breaks_at = ""
                raise self.error
            return result

        setattr(owner, method, watched)


async def test_a_payment_is_marked_before_its_transaction_and_stored_between_commit_and_answer(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
        record.steps.append("answer")
    assert record.steps == ["mark 1", "begin", "lock", "write", "commit", "store 1", "answer"]
    assert record.stored == [{source: 1, target: 1}]


async def test_what_is_written_from_memory_is_marked_and_stored_as_well(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00"))
        record.steps.clear()
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
        record.steps.append("answer")
    assert record.steps == ["mark 2", "post", "store 2", "answer"]
    assert record.stored[-1] == {source: 2, target: 2}


async def test_what_was_remembered_wrongly_is_read_under_the_same_mark(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00"))
        async with running_committer(connecting(test_database.service_dsn)) as other:
            await other.carry_out(ground.transfer(source, target, "1.00"))
        record.steps.clear()
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
    assert record.steps == ["mark 2", "post", "begin", "lock", "write", "commit", "store 2"]
    assert record.stored[-1] == {source: 3, target: 3}


async def test_a_refusal_stores_what_it_left_unchanged(ground: Ground, test_database: TestDatabase) -> None:
    """Otherwise its marks would keep the accounts out of the cache until they expire."""
    source, target = await ground.open(2)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Refused)
    assert record.stored == [{source: 0, target: 0}]


async def test_a_replay_stores_the_balances_it_acknowledges(ground: Ground, test_database: TestDatabase) -> None:
    """The first try may have died between its commit and its store."""
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00", "key"))
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00", "key")), Replayed)
    assert record.stored == [{source: 1, target: 1}] * 2


async def test_a_failed_attempt_lifts_its_marks_once_it_has_left_its_transaction(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn, breaks_at="write", error=asyncpg.SerializationError("planted"))
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00"))
    assert record.steps == [
        *("mark 1", "begin", "lock", "write", "rollback", "lift 1"),
        *("mark 2", "begin", "lock", "write", "commit", "store 2"),
    ]


async def test_an_unknown_commit_is_resolved_under_a_mark_of_its_own(
    ground: Ground, test_database: TestDatabase
) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn, breaks_at="commit")
    async with running_committer(record.connect, cache=record) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Replayed)
    assert record.steps == [
        *("mark 1", "begin", "lock", "write", "commit", "lift 1"),
        *("mark 2", "begin", "lock", "commit", "store 2"),
    ]
    assert record.stored == [{}, {source: 1, target: 1}]
