"""The worker seals what busy accounts have been through, in every ledger, once."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

from tests.db.histories import History, Shape, write
from tests.db.servers import Connection
from zerosum.adapters.clock import now
from zerosum.db.checkpoints import BLOCK
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.ledgers import LedgerRecord, insert_ledger
from zerosum.services.checkpointing import Checkpointing

_SEALED = "select account_id, max(account_version) from account_checkpoints where ledger_id = $1 group by account_id"


async def long_account(database: Database, superuser: Connection, ledger_id: UUID, number: int) -> History:
    history = History(ledger_id, Shape(number=number, dated=0.1), random.Random(number))
    await write(superuser, history, history.grow(number))
    return history


async def test_a_turn_seals_every_long_account_of_every_ledger(database: Database, superuser: Connection) -> None:
    ledgers = [LedgerRecord(id=new_uuid(), name="long", created_at=now()) for _ in range(2)]
    expected = {}
    for ledger in ledgers:
        async with database.work(ledger.id) as connection:
            await insert_ledger(connection, ledger)
        accounts = [
            await long_account(database, superuser, ledger.id, number) for number in (3 * BLOCK + 1, BLOCK - 1, BLOCK)
        ]
        expected[ledger.id] = {accounts[0].account_id: 3 * BLOCK, accounts[2].account_id: BLOCK}
    work = Checkpointing(database)
    assert await work.run_once() >= 8
    for ledger_id, versions in expected.items():
        assert {row[0]: row[1] for row in await superuser.fetch(_SEALED, ledger_id)} == versions
    assert await work.run_once() == 0


async def test_two_workers_seal_each_block_once(database: Database, superuser: Connection, ledger_id: UUID) -> None:
    history = await long_account(database, superuser, ledger_id, 20 * BLOCK)
    work = Checkpointing(database)
    await asyncio.gather(work.run_once(), work.run_once())
    await work.run_once()
    rows = await superuser.fetch(
        "select account_version from account_checkpoints where account_id = $1 order by 1", history.account_id
    )
    assert [row[0] for row in rows] == [BLOCK * block for block in range(1, 21)]
