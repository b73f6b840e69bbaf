"""Databases as they are: each one works, or is told in one line with exit code 2. Ready is who can pay."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from tests.cli.command import assert_one_clear_line, zerosum
from tests.conftest import Servers, TestDatabase, clone_database
from tests.db.servers import connected, drop_database, empty_database
from tests.edge.database_ground import (
    PGBOUNCER,
    OwnPostgres,
    administer,
    deposit_status,
    named_process_forged,
    paying,
    pgbouncer,
    ready_status,
)
from zerosum.db.batch import LANE_SETTINGS, BatchConnection
from zerosum.db.engine import Database, make_engine
from zerosum.db.schema.migrations import HEAD, current_revision, migrate
from zerosum.db.schema.provisioning import SERVICE_ROLE
from zerosum.db.schema.startup_checks import Unfit, check_fitness, check_lanes, check_migrated, check_reachable
from zerosum.db.sessions import SessionNotKept
from zerosum.services.readiness import KEPT_SECONDS, Readiness

TOP = Path(__file__).parents[2]
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed here")


@pytest.fixture
async def own(servers: Servers, worker_id: str) -> AsyncIterator[TestDatabase]:
    """A migrated database that a test may spoil."""
    made = await clone_database(servers, f"zerosum_edge_{worker_id}")
    yield made
    await drop_database(servers, made.name)


async def unfit(check: object) -> str:
    with pytest.raises(Unfit) as refusal:
        await check  # type: ignore[misc]
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


# --- Encodings and schemas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "SQL_ASCII", "EUC_JP"])
async def test_a_database_that_is_not_utf8_is_refused(servers: Servers, worker_id: str, encoding: str) -> None:
    name = f"zerosum_encoded_{worker_id}"
    await drop_database(servers, name)
    await administer(
        servers, f"create database {name} encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0"
    )
    for check in (check_reachable(servers.dsn(name, superuser=True)), check_fitness(servers.dsn(name))):
        assert f"encoded in {encoding}" in await unfit(check)
    if encoding == "LATIN1":
        url = {"ZEROSUM_MIGRATION_DATABASE_URL": servers.dsn(name, superuser=True)}
        assert_one_clear_line(zerosum("migrate", environment=url), "ZEROSUM_MIGRATION_DATABASE_URL", "LATIN1")
    await drop_database(servers, name)


@pytest.mark.parametrize("place", ["database", "role"])
async def test_payments_work_whatever_schema_is_searched_first(servers: Servers, worker_id: str, place: str) -> None:
    name = f"zerosum_schema_{worker_id}"
    async with empty_database(servers, name) as dsn:
        await administer(
            servers, "create schema ledger", f"grant usage on schema ledger to {SERVICE_ROLE}", database=name
        )
        path = "set search_path = ledger, public"
        whom = (
            (f"alter database {name}",) if place == "database" else (f"alter role {SERVICE_ROLE} in database {name}",)
        )
        await administer(servers, *(f"{who} {path}" for who in whom))
        await migrate(dsn)
        async with connected(dsn) as connection:
            assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'ledger'") == 0
        await check_fitness(servers.dsn(name))
        async with paying(servers, servers.dsn(name)) as (_, client):
            assert await deposit_status(client) == 201


# --- Whose database it is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["create table alembic_version (version_num text)", "insert into alembic_version values ('8f3a')"], "8f3a"),
        (["create table alembic_version (version_num text)", f"insert into alembic_version values ('{HEAD}')"], HEAD),
        (["create table accounts (id int)"], "a table accounts of another application"),
    ],
    ids=["its revision", "a revision like ours", "a table like ours"],
)
async def test_another_applications_database_is_never_migrated(
    servers: Servers, worker_id: str, statements: list[str], words: str
) -> None:
    name = f"zerosum_theirs_{worker_id}"
    async with empty_database(servers, name) as dsn, connected(dsn) as connection:
        for statement in statements:
            await connection.execute(statement)
        tables = "select array_agg(tablename::text order by tablename) from pg_tables where schemaname = 'public'"
        before = await connection.fetchval(tables)
        assert words in await unfit(migrate(dsn))
        assert "another application" in await unfit(migrate(dsn))
        assert await connection.fetchval(tables) == before
        for check in (check_fitness(servers.dsn(name)), check_migrated(dsn, is_writing=True)):
            assert "schema is missing" in await unfit(check)
        if words == "8f3a":
            url = {"ZEROSUM_MIGRATION_DATABASE_URL": dsn}
            assert_one_clear_line(zerosum("migrate", environment=url), "another application")
            plain = alembic(dsn)
            assert (plain.wait(), plain.communicate()[0].count("\n")) == (255, 1)
            assert await connection.fetchval(tables) == before


async def test_a_database_of_a_newer_version_is_refused(own: TestDatabase) -> None:
    async with connected(own.superuser_dsn) as connection:
        await connection.execute("update alembic_version set version_num = '9999'")
    for check in (
        migrate(own.superuser_dsn),
        check_fitness(own.service_dsn),
        check_migrated(own.service_dsn, is_writing=False),
    ):
        assert "9999, of a newer version" in await unfit(check)


async def test_an_unknown_revision_is_told_in_one_line(own: TestDatabase) -> None:
    assert "0002f" in await unfit(migrate(own.superuser_dsn, revision="0002f"))


def alembic(dsn: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZEROSUM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=TOP,
        env={**clean, "ZEROSUM_MIGRATION_DATABASE_URL": dsn, "PYTHONPATH": str(TOP / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def test_migrations_started_at_once_wait_for_each_other(servers: Servers, worker_id: str) -> None:
    """Several replicas start and migrate the same new database, by either command."""
    async with empty_database(servers, f"zerosum_at_once_{worker_id}") as dsn:
        command = [sys.executable, "-m", "zerosum", "migrate"]
        environment = {**os.environ, "ZEROSUM_MIGRATION_DATABASE_URL": dsn}
        started = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)
        ]
        started.append(alembic(dsn))
        said = [process.communicate(timeout=60)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], said
        assert await current_revision(dsn) == HEAD


# --- What serve and the others say about a database that will not do --------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "nobody_at_all"}, "PostgreSQL cannot be reached"),
        ({"password": "wrong"}, "password authentication failed"),
        ({"host": "no-such-host.invalid"}, "its host is unknown"),
        ({"database": "zerosum_no_such"}, "does not exist"),
    ],
    ids=["role", "password", "host", "database"],
)
async def test_an_address_that_leads_nowhere_is_one_line(own: TestDatabase, change: dict[str, str], words: str) -> None:
    changed = make_url(own.service_dsn).set(**change)  # type: ignore[arg-type]
    url = changed.render_as_string(hide_password=False)
    assert words in await unfit(check_fitness(url))
    assert words in await unfit(check_reachable(url))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("revoke insert on postings from zerosum_app", "may not INSERT in postings: grant zerosum_app"),
        ("revoke all on accounts from zerosum_app; grant select, insert on accounts to zerosum_app", "UPDATE accounts"),
        ("revoke usage on schema public from public", "may not use the schema public"),
        ("alter schema public owner to zerosum_service", "owns the schema public"),
        ("grant update on postings to zerosum_app", "may change postings"),
        ("update alembic_version set version_num = '0001'", "needs " + HEAD),
        ("alter database {name} set default_transaction_read_only = on", "read-only here"),
    ],
)
async def test_a_database_that_could_not_be_paid_with_is_refused(
    own: TestDatabase, servers: Servers, statement: str, words: str
) -> None:
    async with connected(own.superuser_dsn) as connection:
        await connection.execute(statement.format(name=own.name))
    assert words in await unfit(check_fitness(own.service_dsn))


async def test_a_role_without_connections_left_is_one_line_at_start_and_503_while_running(
    servers: Servers, own: TestDatabase
) -> None:
    role = f"{own.name}_few"
    await administer(
        servers, f"drop role if exists {role}", f"create role {role} login password 'few' in role zerosum_app"
    )
    dsn = own.service_dsn.replace(f"{SERVICE_ROLE}:{servers.service_password}", f"{role}:few")
    try:
        async with paying(servers, dsn, pool_size=4) as (service, client):
            assert await deposit_status(client) == 201
            await administer(servers, f"alter role {role} connection limit 1")
            assert "too many connections" in await unfit(check_fitness(dsn))
            await service.database._engine.dispose()
            # One connection is the lane's, so that no other can be had: everything waits or is refused, nothing fails.
            answers = await asyncio.gather(*(client.get(f"/v1/accounts?limit={n}") for n in range(1, 9)))
            assert {answer.status_code for answer in answers} == {503}
            assert all("retry-after" in answer.headers for answer in answers)
            assert await ready_status(client) == 503
            await administer(servers, f"alter role {role} connection limit -1")
            await asyncio.sleep(KEPT_SECONDS)
            assert await ready_status(client) == 200
            assert await deposit_status(client) == 201
    finally:
        await administer(servers, f"drop role {role}")


# --- A standby, and a primary that becomes one ------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[OwnPostgres]:
    server = OwnPostgres()
    yield server
    server.close()


async def test_a_standby_is_refused_and_a_primary_that_is_demoted_is_not_ready(
    own_server: OwnPostgres, servers: Servers
) -> None:
    dsn = await own_server.migrated("zerosum")
    async with paying(servers, dsn) as (_, client):
        assert (await ready_status(client), await deposit_status(client)) == (200, 201)
        await asyncio.to_thread(own_server.demote)
        await asyncio.sleep(KEPT_SECONDS)
        assert (await ready_status(client), await deposit_status(client)) == (503, 503)
        for check in (check_fitness(dsn), check_reachable(dsn), check_migrated(dsn, is_writing=True)):
            assert "read-only standby" in await unfit(check)
        await check_migrated(dsn, is_writing=False)  # `zerosum verify` reads there
        secret = base64.b64encode(bytes(range(32))).decode()
        environment = {"ZEROSUM_DATABASE_URL": dsn, "ZEROSUM_API_KEY_PEPPER": secret, "ZEROSUM_CURSOR_SECRET": secret}
        said = zerosum("serve", "--port", "0", environment={**environment, "ZEROSUM_MASTER_KEYS": f"a:{secret}"})
        assert_one_clear_line(said, "ZEROSUM_DATABASE_URL", "read-only standby")
        await own_server.promote()
        deadline = time.monotonic() + 5
        while await ready_status(client) != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert await deposit_status(client) == 201


# --- Ready is who can pay --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("revoke insert on postings from zerosum_app", 503),
        ("revoke all on accounts from zerosum_app; grant select, insert on accounts to zerosum_app", 503),
        ("alter table payments rename to gone", 503),
        ("update alembic_version set version_num = '0001'", 503),
        ("update alembic_version set version_num = '9999'", 200),  # migrated for the version that comes next
        ("revoke select on alembic_version from zerosum_app", 200),
    ],
)
async def test_ready_is_who_can_pay(servers: Servers, own: TestDatabase, statement: str, status: int) -> None:
    async with paying(servers, own.service_dsn) as (_, client):
        assert await ready_status(client) == 200
        async with connected(own.superuser_dsn) as connection:
            await connection.execute(statement)
        await asyncio.sleep(KEPT_SECONDS)
        assert await ready_status(client) == status


async def test_a_database_that_becomes_read_only_is_not_ready(servers: Servers, own: TestDatabase) -> None:
    async with paying(servers, own.service_dsn) as (service, client):
        await administer(servers, f"alter database {own.name} set default_transaction_read_only = on")
        await service.database._engine.dispose()
        await asyncio.sleep(KEPT_SECONDS)
        assert await ready_status(client) == 503


async def test_however_many_ask_whether_it_is_ready_the_database_is_asked_four_times_a_second(
    database: Database,
) -> None:
    asked, now = 0, 100.0

    async def can_pay() -> bool:
        nonlocal asked
        asked += 1
        return await database.is_ready()

    readiness = Readiness(can_pay, lambda: now)
    for step in range(20):  # two seconds, in which 2000 ask
        now = 100.0 + step / 10
        assert all(await asyncio.gather(*(readiness.is_ready() for _ in range(100))))
    assert asked == 7  # at 0.0, 0.3, 0.6 …: never sooner than a quarter of a second after the last
    assert KEPT_SECONDS == 0.25


async def test_who_stops_waiting_for_readiness_takes_it_from_nobody() -> None:
    may_answer = asyncio.Event()

    async def can_pay() -> bool:
        return await may_answer.wait()

    readiness = Readiness(can_pay, time.monotonic)
    first, second = (asyncio.create_task(readiness.is_ready()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    may_answer.set()
    assert await second


# --- Poolers ---------------------------------------------------------------------------------------------------------

NAMED_STATEMENTS = "select count(*) from pg_prepared_statements where name <> ''"
LIMITS = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "5s", "jit": "off"}


async def must_have_its_limits(dsn: str) -> None:
    """In the first transaction and in later ones, whatever server process they get."""
    database = Database(make_engine(dsn, pool_size=3))
    try:

        async def one() -> None:
            async with database.work() as connection:
                for name, value in LIMITS.items():
                    assert (await connection.execute(text(f"show {name}"))).scalar_one() == value
                assert (await connection.execute(text("show search_path"))).scalar_one() == "public, pg_temp"

        for _ in range(3):
            await asyncio.gather(*(one() for _ in range(3)))
    finally:
        await database.close()


async def must_have_lane_limits(dsn: str) -> None:
    connection = await BatchConnection.open(dsn, 5.0)
    try:
        for name, value in LANE_SETTINGS.items():
            assert await connection._connection.fetchval("select current_setting($1)", name) == value
    finally:
        await connection.close()


async def test_without_a_pooler_statements_are_prepared_once_and_kept(test_database: TestDatabase) -> None:
    """By the pool and by lanes: preparing them anew each time is right too, and slow."""
    database = Database(make_engine(test_database.service_dsn, pool_size=1))
    lane = await BatchConnection.open(test_database.service_dsn, 5.0)
    async with database.work() as connection:
        assert (await connection.execute(text(NAMED_STATEMENTS))).scalar_one() >= 1
    prepared = (await lane.fetch(NAMED_STATEMENTS))[0][0]
    await lane.fetch("select 1")
    assert (await lane.fetch(NAMED_STATEMENTS))[0][0] == prepared + 1
    await lane.close()
    await database.close()


async def test_no_limit_is_lost_without_a_pooler(test_database: TestDatabase) -> None:
    await must_have_its_limits(test_database.service_dsn)
    await must_have_lane_limits(test_database.service_dsn)


async def test_a_pooler_is_recognised_by_the_process_it_names(servers: Servers, own: TestDatabase) -> None:
    """And then nothing rests on what outlives a transaction: no named statement is ever prepared by the pool."""
    async with named_process_forged(own.service_dsn) as through:
        await must_have_its_limits(through)
        database = Database(make_engine(through, pool_size=1))
        async with database.work() as connection:
            for number in range(3):
                assert (await connection.execute(text("select cast(:n as int)"), {"n": number})).scalar_one() == number
            assert (await connection.execute(text(NAMED_STATEMENTS))).scalar_one() == 0
        await database.close()
        # It keeps its sessions, so lanes may live behind it.
        await check_fitness(through)
        await check_lanes(through, through)
        async with paying(servers, through) as (_, client):
            assert (await deposit_status(client), await ready_status(client)) == (201, 200)


@needs_pgbouncer
async def test_pgbouncer_in_session_mode_serves_everything(servers: Servers, own: TestDatabase) -> None:
    with pgbouncer(own.service_dsn, "session") as through:
        await check_fitness(through)
        await check_lanes(through, through)
        await must_have_its_limits(through)
        await must_have_lane_limits(through)
        async with paying(servers, through) as (_, client):
            assert {await deposit_status(client) for _ in range(3)} == {201}
            assert await ready_status(client) == 200


@needs_pgbouncer
async def test_pgbouncer_in_transaction_mode_serves_all_but_lanes(servers: Servers, own: TestDatabase) -> None:
    with pgbouncer(own.service_dsn, "transaction") as through:
        await check_fitness(through)
        await must_have_its_limits(through)
        assert "does not keep sessions: lanes need ZEROSUM_LANE_DATABASE_URL" in await unfit(
            check_lanes(through, through)
        )
        with pytest.raises(SessionNotKept):
            await BatchConnection.open(through, 5.0)
        await check_lanes(own.service_dsn, through)
        async with paying(servers, through, lane_database_url=own.service_dsn, pool_size=4) as (_, client):
            assert {await deposit_status(client) for _ in range(3)} == {201}
            answers = await asyncio.gather(*(client.get(f"/v1/accounts?limit={n}") for n in range(1, 20)))
            assert {answer.status_code for answer in answers} == {200}
            assert await ready_status(client) == 200
        secret = base64.b64encode(bytes(range(32))).decode()  # what `paying` has made the installation with
        environment = {"ZEROSUM_DATABASE_URL": through, "ZEROSUM_MASTER_KEYS": f"test:{secret}"}
        environment |= dict.fromkeys(("ZEROSUM_API_KEY_PEPPER", "ZEROSUM_CURSOR_SECRET"), secret)
        said = zerosum("serve", "--port", "0", environment=environment)
        assert_one_clear_line(said, "ZEROSUM_DATABASE_URL", "ZEROSUM_LANE_DATABASE_URL")


async def test_lanes_of_another_database_are_refused(own: TestDatabase, test_database: TestDatabase) -> None:
    assert "another database" in await unfit(check_lanes(own.service_dsn, test_database.service_dsn))
