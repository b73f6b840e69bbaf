"""A unit of work sees and writes the rows of the ledgers it was opened for, and no others, in every table there is."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Table

from tests.db.conftest import Dsns
from tests.db.journal import set_ledgers
from tests.db.rows import insert_plain_row, insert_statement, plain_row
from tests.db.servers import Connection, connected
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.tables import GRANTS, SEEN_BY_OPERATOR, metadata

TABLES = {table.name: table for table in metadata.sorted_tables}
EVERY_TABLE = pytest.mark.parametrize("name", TABLES)
WRITTEN_TABLES = pytest.mark.parametrize("name", [table.name for table, rights in GRANTS.items() if "insert" in rights])
"""All but those whose rows a function of the owner derives."""

MINE, THEIRS = new_uuid(), new_uuid()


@pytest.fixture(scope="module", autouse=True)
async def _rows_of_two_ledgers(any_database: Dsns) -> None:
    """One row of each ledger in every table."""
    async with connected(any_database.superuser) as admin:
        for table in TABLES.values():
            for ledger_id in (MINE, THEIRS):
                await insert_plain_row(admin, table, ledger_id=ledger_id)


async def ledgers_in(connection: Connection, table: Table) -> set[UUID]:
    rows = await connection.fetch(f"select ledger_id from {table.name}")
    return {row[0] for row in rows}


@EVERY_TABLE
async def test_without_a_ledger_there_are_no_rows(work: Connection, name: str) -> None:
    assert await ledgers_in(work, TABLES[name]) == set()


@EVERY_TABLE
@pytest.mark.parametrize("setting", ["", "{}"])
async def test_with_an_empty_setting_there_are_no_rows(work: Connection, name: str, setting: str) -> None:
    await work.execute("select set_config('zerosum.ledgers', $1, true)", setting)
    assert await ledgers_in(work, TABLES[name]) == set()


@EVERY_TABLE
async def test_with_a_ledger_set_its_rows_are_seen_and_no_others(work: Connection, name: str) -> None:
    await set_ledgers(work, MINE)
    assert await ledgers_in(work, TABLES[name]) == {MINE}
    await set_ledgers(work, THEIRS)
    assert await ledgers_in(work, TABLES[name]) == {THEIRS}


@EVERY_TABLE
async def test_a_batch_may_span_ledgers(work: Connection, name: str) -> None:
    await set_ledgers(work, MINE, THEIRS, new_uuid())
    assert await ledgers_in(work, TABLES[name]) == {MINE, THEIRS}


@WRITTEN_TABLES
async def test_a_row_of_another_ledger_cannot_be_inserted(work: Connection, name: str) -> None:
    await set_ledgers(work, MINE)
    row = plain_row(TABLES[name], ledger_id=THEIRS)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await work.execute(insert_statement(TABLES[name], row), *row.values())


@WRITTEN_TABLES
async def test_without_a_ledger_no_row_can_be_inserted(work: Connection, name: str) -> None:
    row = plain_row(TABLES[name], ledger_id=MINE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await work.execute(insert_statement(TABLES[name], row), *row.values())


@pytest.mark.parametrize("name", [table.name for table, rights in GRANTS.items() if "update" in rights])
async def test_a_row_of_another_ledger_cannot_be_changed(work: Connection, name: str) -> None:
    column = GRANTS[TABLES[name]].split("update (")[1].split(",")[0].split(")")[0]
    await set_ledgers(work, MINE)
    assert await work.execute(f"update {name} set {column} = {column} where ledger_id = $1", THEIRS) == "UPDATE 0"
    assert await work.execute(f"update {name} set {column} = {column}") == "UPDATE 1"


@pytest.mark.parametrize("name", [table.name for table, rights in GRANTS.items() if "delete" in rights])
async def test_a_row_of_another_ledger_cannot_be_deleted(work: Connection, name: str) -> None:
    await set_ledgers(work, MINE)
    assert await work.execute(f"delete from {name} where ledger_id = $1", THEIRS) == "DELETE 0"


@pytest.mark.parametrize("name", [table.name for table, rights in GRANTS.items() if "update" in rights])
async def test_a_row_of_another_ledger_cannot_be_locked(work: Connection, name: str) -> None:
    await set_ledgers(work, MINE)
    assert await work.fetch(f"select from {name} where ledger_id = $1 for no key update", THEIRS) == []


@EVERY_TABLE
async def test_the_owner_is_bound_like_the_service(any_database: Dsns, name: str) -> None:
    async with connected(any_database.superuser) as connection, connection.transaction():
        await connection.execute(f'set local role "{OWNER_ROLE}"')
        assert await ledgers_in(connection, TABLES[name]) == set()
        await set_ledgers(connection, MINE)
        assert await ledgers_in(connection, TABLES[name]) == {MINE}


@EVERY_TABLE
async def test_the_operator_sees_all_ledgers_in_the_tables_of_administration_only(work: Connection, name: str) -> None:
    await work.execute("select set_config('zerosum.operator', 'on', true)")
    seen = await ledgers_in(work, TABLES[name])
    assert seen >= {MINE, THEIRS} if TABLES[name] in SEEN_BY_OPERATOR else seen == set()


@pytest.mark.parametrize("value", ["true", "1", "ON", "yes", "on ", ""])
async def test_the_operator_is_set_by_one_word_only(work: Connection, value: str) -> None:
    await work.execute("select set_config('zerosum.operator', $1, true)", value)
    for table in SEEN_BY_OPERATOR:
        assert await ledgers_in(work, table) == set()


async def test_the_setting_ends_with_the_transaction(service_role: Connection) -> None:
    async with service_role.transaction():
        await set_ledgers(service_role, MINE)
        assert await ledgers_in(service_role, TABLES["accounts"]) == {MINE}
    assert await ledgers_in(service_role, TABLES["accounts"]) == set()
    assert await service_role.fetchval("select current_setting('zerosum.ledgers', true)") == ""


async def test_a_malformed_setting_shows_nothing(work: Connection) -> None:
    await work.execute("select set_config('zerosum.ledgers', $1, true)", f"{{{MINE},x}}")
    with pytest.raises(asyncpg.DataError):
        await ledgers_in(work, TABLES["accounts"])


async def test_the_name_of_a_ledger_in_a_condition_opens_nothing(work: Connection) -> None:
    """A condition is judged after the policy, however it is written."""
    await set_ledgers(work, MINE)
    for condition in ("true or ledger_id = $1", "ledger_id = $1 or 1 = 1"):
        rows = await work.fetch(f"select ledger_id from accounts where {condition}", THEIRS)
        assert {row[0] for row in rows} == {MINE}
