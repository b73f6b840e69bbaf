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
WRITTEN = [table for table, rights in GRANTS.items() if "insert" in rights]
"""All but those whose rows a function of the owner derives."""

CHANGED = [table for table, rights in GRANTS.items() if "update" in rights]
DELETED = [table for table, rights in GRANTS.items() if "delete" in rights]

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


async def seen(connection: Connection) -> dict[str, set[UUID]]:
    """Whose rows there are, by table."""
    return {name: await ledgers_in(connection, table) for name, table in TABLES.items()}


def everywhere(*ledgers: UUID) -> dict[str, set[UUID]]:
    return {name: set(ledgers) for name in TABLES}


async def test_without_a_ledger_there_are_no_rows(work: Connection) -> None:
    assert await seen(work) == everywhere()


@pytest.mark.parametrize("setting", ["", "{}"])
async def test_with_an_empty_setting_there_are_no_rows(work: Connection, setting: str) -> None:
    await work.execute("select set_config('zerosum.ledgers', $1, true)", setting)
    assert await seen(work) == everywhere()


async def test_with_a_ledger_set_its_rows_are_seen_and_no_others(work: Connection) -> None:
    await set_ledgers(work, MINE)
    assert await seen(work) == everywhere(MINE)
    await set_ledgers(work, THEIRS)
    assert await seen(work) == everywhere(THEIRS)


async def test_a_batch_may_span_ledgers(work: Connection) -> None:
    await set_ledgers(work, MINE, THEIRS, new_uuid())
    assert await seen(work) == everywhere(MINE, THEIRS)


async def assert_not_inserted(work: Connection, table: Table, ledger_id: UUID) -> None:
    row = plain_row(table, ledger_id=ledger_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f'row-level security policy for table "{table.name}"'):
        async with work.transaction():
            await work.execute(insert_statement(table, row), *row.values())


async def test_a_row_of_another_ledger_cannot_be_inserted(work: Connection) -> None:
    await set_ledgers(work, MINE)
    for table in WRITTEN:
        await assert_not_inserted(work, table, THEIRS)


async def test_without_a_ledger_no_row_can_be_inserted(work: Connection) -> None:
    for table in WRITTEN:
        await assert_not_inserted(work, table, MINE)


async def test_a_row_of_another_ledger_cannot_be_changed(work: Connection) -> None:
    await set_ledgers(work, MINE)
    for table in CHANGED:
        column = GRANTS[table].split("update (")[1].split(",")[0].split(")")[0]
        change = f"update {table.name} set {column} = {column}"
        assert await work.execute(f"{change} where ledger_id = $1", THEIRS) == "UPDATE 0", table.name
        assert await work.execute(change) == "UPDATE 1", table.name


async def test_a_row_of_another_ledger_cannot_be_deleted(work: Connection) -> None:
    await set_ledgers(work, MINE)
    for table in DELETED:
        assert await work.execute(f"delete from {table.name} where ledger_id = $1", THEIRS) == "DELETE 0", table.name


async def test_a_row_of_another_ledger_cannot_be_locked(work: Connection) -> None:
    await set_ledgers(work, MINE)
    for table in CHANGED:
        locked = await work.fetch(f"select from {table.name} where ledger_id = $1 for no key update", THEIRS)
        assert locked == [], table.name


async def test_the_owner_is_bound_like_the_service(any_database: Dsns) -> None:
    async with connected(any_database.superuser) as connection, connection.transaction():
        await connection.execute(f'set local role "{OWNER_ROLE}"')
        assert await seen(connection) == everywhere()
        await set_ledgers(connection, MINE)
        assert await seen(connection) == everywhere(MINE)


async def test_the_operator_sees_all_ledgers_in_the_tables_of_administration_only(work: Connection) -> None:
    await work.execute("select set_config('zerosum.operator', 'on', true)")
    for name, ledgers in (await seen(work)).items():
        is_of_administration = TABLES[name] in SEEN_BY_OPERATOR
        assert ledgers >= {MINE, THEIRS} if is_of_administration else ledgers == set(), name


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
