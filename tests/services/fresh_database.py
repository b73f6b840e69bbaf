"""A database of a test's own, for what belongs to the service as a whole and not to one ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from tests.conftest import Servers, clone_database
from zerosum.adapters.clock import now
from zerosum.db.engine import Database, make_engine
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import LedgerRecord, insert_ledger
from zerosum.domain.identifiers import LedgerId


@asynccontextmanager
async def fresh_database(servers: Servers) -> AsyncIterator[Database]:
    cloned = await clone_database(servers, f"zerosum_{new_uuid().hex}")
    database = Database(make_engine(cloned.service_dsn, pool_size=10))
    yield database
    await database.close()
    superuser = await asyncpg.connect(servers.superuser_dsn)
    await superuser.execute(f'drop database "{cloned.name}" with (force)')
    await superuser.close()


async def make_ledger(database: Database, ledger_id: UUID | None = None) -> LedgerId:
    ledger = LedgerRecord(id=ledger_id or new_uuid(), name="test", created_at=now())
    async with database.work(ledger.id) as connection:
        await insert_ledger(connection, ledger)
    return LedgerId(ledger.id)
