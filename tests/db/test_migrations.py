"""Migrations: they lead to the database that `tables.py` and `guards.py` describe, and back, but never over money."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

import zerosum
from tests.at_length import AT_LENGTH
from tests.conftest import Servers
from tests.db.catalogue import describe
from tests.db.conftest import NEWEST, OLDEST
from tests.db.rows import insert_plain_row
from tests.db.servers import connected, described_database, empty_database, migrated_database
from zerosum.db.schema.migrations import HEAD, current_revision, migrate, script_folder
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.tables import metadata

TOP = Path(__file__).parents[2]


def _scripts() -> ScriptDirectory:
    configuration = Config()
    configuration.set_main_option("script_location", str(script_folder()))
    return ScriptDirectory(str(script_folder()))


REVISIONS = [script.revision for script in reversed(list(_scripts().walk_revisions()))]
"""From the first to the newest."""


async def test_the_migrations_make_the_database_that_tables_and_guards_describe(
    any_server: Servers, worker_id: str
) -> None:
    async with migrated_database(any_server, f"zerosum_migrated_{worker_id}") as dsn, connected(dsn) as connection:
        migrated = await describe(connection)
    async with described_database(any_server, f"zerosum_described_{worker_id}") as dsn, connected(dsn) as connection:
        described = await describe(connection)
    assert migrated["columns"], "the catalogue was not read"
    for kind in described:
        assert migrated[kind] == described[kind], f"a migration and tables.py or guards.py disagree about {kind}"


def test_there_is_one_newest_revision_and_the_code_knows_it() -> None:
    assert _scripts().get_heads() == [HEAD]


def test_revisions_are_numbered_in_their_order() -> None:
    """Whether to go up or down is told by comparing the numbers."""
    assert sorted(REVISIONS) == REVISIONS
    assert len({len(revision) for revision in REVISIONS}) == 1


@pytest.mark.parametrize("any_server", [NEWEST, OLDEST] if AT_LENGTH else [NEWEST], indirect=True)
async def test_every_revision_can_be_taken_back_while_the_books_are_empty_and_made_again(
    any_server: Servers, worker_id: str
) -> None:
    """On the oldest server all of them are made with each change, and taken back at length."""
    async with empty_database(any_server, f"zerosum_steps_{worker_id}") as dsn, connected(dsn) as connection:
        await migrate(dsn, role=OWNER_ROLE)
        newest = await describe(connection)
        seen = {}
        for revision in reversed(["base", *REVISIONS[:-1]]):
            await migrate(dsn, role=OWNER_ROLE, revision=revision)
            seen[revision] = await describe(connection)
        assert not any(seen["base"][kind] for kind in ("relations", "functions", "types", "policies"))
        for revision in REVISIONS[:-1]:
            await migrate(dsn, role=OWNER_ROLE, revision=revision)
            assert await current_revision(dsn) == revision
            assert await describe(connection) == seen[revision]
        await migrate(dsn, role=OWNER_ROLE)
        assert await current_revision(dsn) == HEAD
        assert await describe(connection) == newest


@pytest.mark.parametrize("role", [None, OWNER_ROLE], ids=["as superuser", "as owner"])
async def test_a_database_with_money_in_it_cannot_be_taken_back(
    any_server: Servers, worker_id: str, role: str | None
) -> None:
    async with migrated_database(any_server, f"zerosum_money_{worker_id}") as dsn, connected(dsn) as connection:
        await insert_plain_row(connection, metadata.tables["journal_entries"])
        before = await describe(connection)
        with pytest.raises(Exception, match="not empty"):
            await migrate(dsn, role=role, revision="base")
        assert await describe(connection) == before
        assert await current_revision(dsn) == HEAD
        assert await connection.fetchval("select count(*) from journal_entries") == 1


async def test_migrating_what_is_the_newest_already_changes_nothing(any_server: Servers, worker_id: str) -> None:
    async with migrated_database(any_server, f"zerosum_again_{worker_id}") as dsn, connected(dsn) as connection:
        before = await describe(connection)
        await migrate(dsn, role=OWNER_ROLE)
        assert await describe(connection) == before


async def test_a_database_that_was_never_migrated_has_no_revision(any_server: Servers, worker_id: str) -> None:
    async with empty_database(any_server, f"zerosum_none_{worker_id}") as dsn:
        assert await current_revision(dsn) is None


async def test_everything_belongs_to_the_owner_who_cannot_log_in(any_server: Servers, worker_id: str) -> None:
    async with migrated_database(any_server, f"zerosum_owned_{worker_id}") as dsn, connected(dsn) as connection:
        owners = await connection.fetch(
            "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'public'::regnamespace"
        )
        assert [row[0] for row in owners] == [OWNER_ROLE]
        assert not await connection.fetchval("select rolcanlogin from pg_roles where rolname = $1", OWNER_ROLE)


async def test_a_migration_gives_up_when_it_cannot_have_its_lock_at_once(servers: Servers, worker_id: str) -> None:
    """It would make every payment queue behind it."""
    async with migrated_database(servers, f"zerosum_locked_{worker_id}") as dsn, connected(dsn) as reader:
        async with reader.transaction():
            await reader.execute("lock table accounts, journal_entries in access share mode")
            with pytest.raises(Exception, match="lock timeout"):
                await migrate(dsn, role=OWNER_ROLE, revision="base")
        assert await current_revision(dsn) == HEAD


async def test_the_plain_alembic_command_does_the_same(servers: Servers, worker_id: str) -> None:
    async with empty_database(servers, f"zerosum_command_{worker_id}") as dsn:
        kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "ZEROSUM_MIGRATION_DATABASE_URL": dsn,
            "PYTHONPATH": str(Path(zerosum.__file__).parents[1]),
        }
        run = subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=TOP, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert await current_revision(dsn) == HEAD
        async with connected(dsn) as connection:
            await _must_be_guarded(connection)


async def _must_be_guarded(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
        await connection.execute("truncate postings")
