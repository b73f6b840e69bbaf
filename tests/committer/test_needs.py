"""A command says of each record that it stands on whether it is locked or read, whatever is of its kind besides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from tests.committer.ground import CONNECT_SECONDS_MAX, Ground, Superuser, running_committer
from tests.committer.ground import connecting as connecting_to
from tests.conftest import TestDatabase
from zerosum.db.batch import BatchConnection
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import ChangedRecords, Need, RecordKey, only_read
from zerosum.domain.payments.payment import PAYMENT


@dataclass(frozen=True)
class Stored:
    """Two payments, and a batch of their ledger that is about to decide."""

    connection: BatchConnection
    superuser: Superuser
    keys: tuple[RecordKey, RecordKey]

    async def is_locked(self, key: RecordKey) -> bool:
        """Asked by somebody else, who does not wait."""
        try:
            async with self.superuser.transaction():
                await self.superuser.execute("select from payments where id = $1 for no key update nowait", key.id)
        except asyncpg.LockNotAvailableError:
            return True
        return False


@pytest.fixture
async def stored(
    database: Database, ledger_id: LedgerId, test_database: TestDatabase, superuser: Superuser
) -> AsyncIterator[Stored]:
    ground = Ground(database, ledger_id)
    [payer, payee] = await ground.open(2, floor=None)
    async with running_committer(connecting_to(test_database.service_dsn)) as committer:
        made = [await committer.carry_out(ground.transfer(payer, payee, "1")) for _ in range(2)]
    one, other = [RecordKey(ledger_id, PAYMENT, answer.resource.id) for answer in made if isinstance(answer, Posted)]
    connection = await BatchConnection.open(test_database.service_dsn, CONNECT_SECONDS_MAX)
    await connection.begin({ledger_id})
    yield Stored(connection, superuser, (one, other))
    await connection.rollback()
    await connection.close()


async def test_of_one_kind_each_is_locked_or_read_as_it_is_asked_for(stored: Stored) -> None:
    locked, read = stored.keys
    found = await stored.connection.loader.records({Need(locked), Need(read, is_locked=False)})
    assert found.keys() == {locked, read}
    assert [record.id for record in (found[locked], found[read])] == [locked.id, read.id]
    assert [await stored.is_locked(key) for key in (locked, read)] == [True, False]


async def test_what_one_command_reads_and_another_locks_is_locked(stored: Stored) -> None:
    wanted, _ = stored.keys
    found = await stored.connection.loader.records({Need(wanted, is_locked=False), Need(wanted)})
    assert found.keys() == {wanted}
    assert await stored.is_locked(wanted)


@pytest.mark.parametrize("kind", [kind for kind, record_set in RECORD_SETS.items() if not record_set.is_stored])
def test_what_is_a_part_of_something_else_is_not_locked(kind: str) -> None:
    assert "for no key update" not in RECORD_SETS[kind].find_statement(locked=False)
    with pytest.raises(LookupError, match=f"a {kind} has no row of its own"):
        RECORD_SETS[kind].find_statement(locked=True)


def test_what_was_only_read_is_not_replaced(ledger_id: LedgerId) -> None:
    locked, read, both, new = (RecordKey(ledger_id, "thing", name) for name in ("locked", "read", "both", "new"))
    needs = {Need(locked), Need(read, is_locked=False), Need(both), Need(both, is_locked=False)}
    needs.add(Need(new, is_locked=False))
    records = ChangedRecords({locked: 1, read: 1, both: 1}, only_read(needs))
    for key in (locked, both, new):
        records[key] = 2
    with pytest.raises(LookupError, match="lock the thing"):
        records[read] = 2
    assert (records[read], records.changed) == (1, {locked: 2, both: 2, new: 2})
