"""What is said about an account has a history that the database keeps by itself, and nobody can write into it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.conftest import Servers
from tests.db.journal import open_account, set_ledgers
from tests.db.rows import insert_plain_row, insert_statement, plain_row
from tests.db.servers import Connection, connected, empty_database
from zerosum.db.identifiers import new_uuid
from zerosum.db.schema.migrations import migrate
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.tables import accounts, metadata

HISTORY = """
select revision, origin, actor, code, status, min_available::text as floor from account_changes
where account_id = $1 order by revision
"""


async def history(connection: Connection, account_id: UUID) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch(HISTORY, account_id)]


async def test_each_change_is_a_revision_and_a_plain_posting_is_none(service_role: Connection) -> None:
    ledger_id = new_uuid()
    async with service_role.transaction():
        await set_ledgers(service_role, ledger_id)
        account = await open_account(service_role, ledger_id, code="a")
        await service_role.execute("select set_config('zerosum.actor', 'key_1', true)")
        await service_role.execute("update accounts set min_available = -5 where id = $1", account)
        await service_role.execute("update accounts set status = 'frozen' where id = $1", account)
        await service_role.execute("update accounts set overdrawn = true where id = $1", account)
        assert await history(service_role, account) == [
            (1, "set", None, "a", "open", None),
            (2, "set", "key_1", "a", "open", "-5"),
            (3, "set", "key_1", "a", "frozen", "-5"),
        ]


async def test_the_service_cannot_write_history(service_role: Connection) -> None:
    row = plain_row(metadata.tables["account_changes"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service_role.execute(insert_statement(metadata.tables["account_changes"], row), *row.values())


async def test_the_service_cannot_have_history_written(service_role: Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service_role.execute(
            "select zerosum_append_account_change(account, 'set') from (select * from accounts limit 1) account"
        )


async def test_what_was_changed_past_the_history_is_written_down_before_the_next_change(admin: Connection) -> None:
    ledger_id = new_uuid()
    await admin.execute("select set_config('zerosum.ledgers', $1, false)", f"{{{ledger_id}}}")
    account = await open_account(admin, ledger_id, code="b")
    async with admin.transaction():
        await admin.execute("set local session_replication_role = replica")
        await admin.execute("update accounts set min_available = -1000 where id = $1", account)
    await admin.execute("update accounts set status = 'frozen' where id = $1", account)
    assert await history(admin, account) == [
        (1, "set", None, "b", "open", None),
        (2, "found", None, "b", "open", "-1000"),
        (3, "set", None, "b", "frozen", "-1000"),
    ]


async def test_an_account_without_a_history_gets_its_first_revision_with_its_first_change(admin: Connection) -> None:
    row = await insert_plain_row(admin, accounts, code="c", held=0)
    await admin.execute("select set_config('zerosum.ledgers', $1, false)", f"{{{row['ledger_id']}}}")
    await admin.execute("update accounts set name = 'late' where id = $1", row["id"])
    assert [one[:2] for one in await history(admin, row["id"])] == [(1, "adopted"), (2, "set")]


async def test_a_migration_gives_accounts_their_first_revision(any_server: Servers, worker_id: str) -> None:
    async with empty_database(any_server, f"zerosum_adopt_{worker_id}") as dsn, connected(dsn) as connection:
        await migrate(dsn, role=OWNER_ROLE, revision="0008")
        made = []
        for _ in range(2):
            ledger = await insert_plain_row(connection, metadata.tables["ledgers"])
            for number in range(3):
                given = {"ledger_id": ledger["ledger_id"], "code": f"a:{number}", "min_available": -number, "held": 0}
                made.append((await insert_plain_row(connection, accounts, **given))["id"])
        await migrate(dsn, role=OWNER_ROLE)
        found = await connection.fetch("select account_id, revision, origin from account_changes order by account_id")
        assert [tuple(row) for row in found] == [(account, 1, "adopted") for account in sorted(made)]
