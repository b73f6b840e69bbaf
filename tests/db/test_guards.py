"""What the database refuses by itself, whoever asks."""

from __future__ import annotations

import asyncpg
import pytest

from tests.conftest import TestDatabase
from zerosum.db.tables import metadata

JOURNAL_TABLES = ("journal_entries", "postings", "refusals")


@pytest.mark.parametrize("table", JOURNAL_TABLES)
@pytest.mark.parametrize("change", ["update {} set ledger_id = ledger_id", "delete from {}", "truncate {}"])
async def test_the_journal_refuses_every_change_even_to_the_superuser(
    superuser: asyncpg.Connection[asyncpg.Record], table: str, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
        await superuser.execute(change.format(table))


async def test_the_application_role_sees_nothing_without_a_ledger(test_database: TestDatabase) -> None:
    connection = await asyncpg.connect(test_database.service_dsn)
    try:
        for table in metadata.sorted_tables:
            assert await connection.fetchval(f"select count(*) from {table.name}") == 0
    finally:
        await connection.close()
