"""When the committer speaks to the cache: after its transaction, never inside, and before it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX, Ground, connecting, running_committer
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.engine import Database
from zerosum.db.errors import CommitOutcomeUnknown
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.outcome import Posted, Replayed


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
    under_way: Counter[UUID] = field(default_factory=Counter)

    def begins(self, account_ids: Collection[UUID]) -> None:
        self.under_way.update(account_ids)

    def ends(self, account_ids: Collection[UUID]) -> None:
        self.under_way.subtract(account_ids)

    async def refresh(self, states: Sequence[AccountState]) -> None:
        self.steps.append("refresh")
        assert all(self.under_way[state.id] for state in states)
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
            assert any(self.under_way.values())
            result = await act(*args, **kwargs)
            if name == self.breaks_at:
                self.breaks_at = ""
                raise self.error
            return result

        setattr(owner, method, watched)


async def test_balances_are_refreshed_between_commit_and_answer(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
        record.steps.append("answer")
    assert record.steps == ["begin", "lock", "write", "commit", "refresh", "answer"]
    assert record.stored == [{source: 1, target: 1}]
    assert not any(record.under_way.values())


async def test_what_is_written_from_memory_is_refreshed_as_well(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00"))
        record.steps.clear()
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Posted)
        record.steps.append("answer")
    assert record.steps == ["post", "refresh", "answer"]
    assert record.stored[-1] == {source: 2, target: 2}
    assert not any(record.under_way.values())


async def test_what_was_remembered_wrongly_is_read_and_refreshed_once(
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
    assert record.steps == ["post", "begin", "lock", "write", "commit", "refresh"]
    assert record.stored[-1] == {source: 3, target: 3}
    assert not any(record.under_way.values())


async def test_a_replay_refreshes_the_balances_it_acknowledges(ground: Ground, test_database: TestDatabase) -> None:
    """The first try may have died between its commit and its refresh."""
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn)
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00", "key"))
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00", "key")), Replayed)
    assert record.stored == [{source: 1, target: 1}] * 2


async def test_a_failed_attempt_refreshes_nothing(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn, breaks_at="write", error=asyncpg.SerializationError("planted"))
    async with running_committer(record.connect, cache=record) as committer:
        await committer.carry_out(ground.transfer(source, target, "1.00"))
    assert record.steps == [
        *("begin", "lock", "write", "rollback"),
        *("begin", "lock", "write", "commit", "refresh"),
    ]


async def test_an_unknown_commit_is_refreshed_once_it_is_known(ground: Ground, test_database: TestDatabase) -> None:
    source, target = await ground.open(2, floor=None)
    record = Record(test_database.service_dsn, breaks_at="commit")
    async with running_committer(record.connect, cache=record) as committer:
        assert isinstance(await committer.carry_out(ground.transfer(source, target, "1.00")), Replayed)
    assert record.steps == [
        *("begin", "lock", "write", "commit"),
        *("begin", "lock", "commit", "refresh"),
    ]
    assert record.stored == [{source: 1, target: 1}]
    assert not any(record.under_way.values())
