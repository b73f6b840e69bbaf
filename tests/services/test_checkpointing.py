"""The worker seals what busy accounts have been through, in every ledger, once."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from uuid import UUID

import pytest

from tests.db.histories import History, Shape, write
from tests.db.servers import Connection
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.checkpoints import BLOCK
from zerosum.db.queries.ledgers import LedgerRecord, insert_ledger
from zerosum.services.background.checkpointing import Checkpointing
from zerosum.services.proofs.of_checkpoints import CheckpointsProof
from zerosum.services.proofs.report import Report

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


async def proved(database: Database, ledger_id: UUID) -> list[tuple[str, int | None]]:
    """What the proof of checkpoints finds, by slices."""
    report = Report(ledger_id)
    proof = CheckpointsProof(report)
    async with database.snapshot(ledger_id) as connection:
        while not await proof.take_slice(connection, 1.0):
            pass
    return [(found.what, found.account_version) for found in report.breaks]


@pytest.mark.parametrize("grain", [timedelta(0), timedelta(hours=7)], ids=["at one time", "at many times"])
async def test_blocks_of_blocks_are_proved_too(
    database: Database, superuser: Connection, ledger_id: UUID, grain: timedelta
) -> None:
    number = 33 * BLOCK + 5
    history = History(ledger_id, Shape(number=number, dated=1.0, held=0.3, grain=grain), random.Random(5))
    await write(superuser, history, history.grow(number))
    await Checkpointing(database).run_once()
    assert await proved(database, ledger_id) == []
    await superuser.execute(
        "update dated_checkpoints set held[5] = held[5] + 1 "
        "where account_id = $1 and level = 1 and block = 1 and place = 3",
        history.account_id,
    )
    what = "the dated postings of block 1 of size 1 are not as they were sealed"
    assert await proved(database, ledger_id) == [(what, 32 * BLOCK)]
