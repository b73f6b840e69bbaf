"""What the database refuses by itself, whoever asks: the service's role, the owner of the tables, the superuser."""

from __future__ import annotations

import io

import asyncpg
import pytest

from tests.db.conftest import Dsns
from tests.db.rows import insert_plain_row
from tests.db.servers import Connection, connected
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.tables import APPLICATION_ROLE, GRANTS, JOURNAL, metadata

JOURNAL_NAMES = [table.name for table in JOURNAL]
REFUSED_TO_ALL = ["update {} set ledger_id = ledger_id", "delete from {}", "truncate {}"]

NOT_ALLOWED, NOT_UNDER_POLICIES = "42501", "0A000"

TAMPERING = [
    *REFUSED_TO_ALL,
    "update {} set ledger_id = ledger_id where false",
    "truncate {} cascade",
    "alter table {} add column more int",
    "alter table {} drop column ledger_id",
    "alter table {} disable trigger all",
    "alter table {} disable trigger user",
    "alter table {} disable trigger {}_unchanged",
    "alter table {} enable replica trigger {}_unchanged",
    "alter table {} disable row level security",
    "alter table {} no force row level security",
    "alter table {} rename to gone",
    "alter table {} owner to current_user",
    "drop table {}",
    "drop trigger {}_unchanged on {}",
    "create trigger mine before insert on {} for each row execute function zerosum_refuse_change()",
    "create rule mine as on insert to {} do instead nothing",
    "create policy mine on {} using (true)",
    "drop policy {}_by_ledger on {}",
    "alter policy {}_by_ledger on {} using (true)",
    "create index mine on {} (ledger_id)",
    "grant update on {} to current_user",
    "do $$ begin lock table {} in exclusive mode; end $$",
    "copy {} from program 'echo'",
    "copy {} to program 'cat'",
    "copy {} to '/dev/null'",
    "vacuum full {}",
    "cluster {} using {}_pkey",
]
"""What would change the journal or its guards. `{}` is a table of the journal."""


async def refusal_of(connection: Connection, statement: str) -> str | None:
    """The SQLSTATE with which a statement is refused, and what else the server had to say against it."""
    warnings: list[str | None] = []

    def note(_: object, message: asyncpg.PostgresLogMessage) -> None:
        warnings.append(message.sqlstate)

    connection.add_log_listener(note)
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        connection.remove_log_listener(note)
    return next((state for state in warnings if state not in (None, "00000")), None)


@pytest.mark.parametrize("table", JOURNAL_NAMES)
async def test_the_service_cannot_tamper_with_the_journal(service_role: Connection, table: str) -> None:
    refusals = {
        statement: await refusal_of(service_role, statement.format(*[table] * statement.count("{}")))
        for statement in TAMPERING
    }
    # VACUUM and GRANT only warn, and leave things as they are.
    assert {
        statement: state for statement, state in refusals.items() if state not in (NOT_ALLOWED, "01000", "01007")
    } == {}


@pytest.mark.parametrize("table", JOURNAL_NAMES)
async def test_the_service_cannot_copy_into_the_journal(service_role: Connection, table: str) -> None:
    """INSERT it may, but PostgreSQL refuses COPY under row-level security, which it cannot check there."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await service_role.copy_to_table(table, source=io.BytesIO())
    may_insert = GRANTS[metadata.tables[table]] == "insert"
    assert caught.value.sqlstate == (NOT_UNDER_POLICIES if may_insert else NOT_ALLOWED)


@pytest.mark.parametrize("table", JOURNAL_NAMES)
@pytest.mark.parametrize("role", [None, OWNER_ROLE], ids=["superuser", "owner"])
async def test_the_journal_refuses_every_change_even_to_the_superuser_and_the_owner(
    admin: Connection, table: str, role: str | None
) -> None:
    if role is not None:
        await admin.execute(f'set role "{role}"')
    for statement in REFUSED_TO_ALL:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
            await admin.execute(statement.format(table))


async def test_a_row_of_the_journal_stays_as_it_is_whoever_comes(any_database: Dsns, admin: Connection) -> None:
    for table in JOURNAL:
        row = await insert_plain_row(admin, table)
        for statement in ("update {} set ledger_id = $1 where ledger_id = $1", "delete from {} where ledger_id = $1"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(statement.format(table.name), row["ledger_id"])
        assert await admin.fetchval(f"select count(*) from {table.name} where ledger_id = $1", row["ledger_id"]) == 1


@pytest.mark.parametrize("statement", ["merge", "insert"])
async def test_other_words_for_an_update_are_refused_too(admin: Connection, statement: str) -> None:
    row = await insert_plain_row(admin, metadata.tables["journal_entries"])
    upsert = (
        "insert into journal_entries select * from journal_entries where id = $1 "
        "on conflict (ledger_id, id) do update set reason = 'other'"
    )
    merge = (
        "merge into journal_entries using (select $1::uuid as id) wanted on journal_entries.id = wanted.id "
        "when matched then update set reason = 'other'"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
        await admin.execute(merge if statement == "merge" else upsert, row["id"])
    assert await admin.fetchval("select reason from journal_entries where id = $1", row["id"]) == row["reason"]


# --- What the service's role is --------------------------------------------------------------------------------------


async def test_the_service_has_exactly_the_rights_it_is_granted(admin: Connection) -> None:
    for table in metadata.sorted_tables:
        rows = await admin.fetch(
            "select privilege_type from information_schema.role_table_grants where grantee = $1 and table_name = $2",
            APPLICATION_ROLE,
            table.name,
        )
        wanted = {"SELECT"} | {word.upper() for word in ("insert", "delete") if word in GRANTS[table]}
        assert {row[0] for row in rows} == wanted, table.name


async def test_the_service_owns_nothing_and_can_make_nothing(service_role: Connection) -> None:
    facts = await service_role.fetchrow(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit from pg_roles "
        "where rolname = current_user"
    )
    assert facts is not None
    assert dict(facts) == {
        "rolsuper": False,
        "rolbypassrls": False,
        "rolcreaterole": False,
        "rolcreatedb": False,
        "rolreplication": False,
        "rolinherit": True,
    }
    assert not await service_role.fetchval(
        "select count(*) from pg_class where relnamespace = 'public'::regnamespace and pg_has_role(relowner, 'member')"
    )
    assert not await service_role.fetchval("select has_schema_privilege('public', 'create')")
    for statement in (
        "create table mine (id int)",
        "create schema mine",
        "create role mine",
        f'set role "{OWNER_ROLE}"',
    ):
        assert await refusal_of(service_role, statement) == NOT_ALLOWED, statement


@pytest.mark.parametrize("column", ["ledger_id", "id", "code", "currency", "type", "created_at"])
async def test_the_service_cannot_change_what_an_account_is(service_role: Connection, column: str) -> None:
    assert await refusal_of(service_role, f"update accounts set {column} = {column}") == NOT_ALLOWED


@pytest.mark.parametrize("column", ["amount", "currency", "type", "payer_id", "payee_id", "ledger_id", "id"])
async def test_the_service_cannot_change_what_a_payment_is(service_role: Connection, column: str) -> None:
    assert await refusal_of(service_role, f"update payments set {column} = {column}") == NOT_ALLOWED


async def test_nobody_else_has_any_right(admin: Connection) -> None:
    rows = await admin.fetch(
        "select relname, grantee::regrole::text from pg_class cross join aclexplode(relacl) "
        "where relnamespace = 'public'::regnamespace"
    )
    assert {row[1] for row in rows} <= {OWNER_ROLE, APPLICATION_ROLE}


async def test_a_stranger_who_can_log_in_sees_nothing(any_database: Dsns, admin: Connection) -> None:
    await admin.execute("drop role if exists zerosum_test_stranger")
    await admin.execute("create role zerosum_test_stranger nologin")
    try:
        await admin.execute("set role zerosum_test_stranger")
        for table in metadata.sorted_tables:
            assert await refusal_of(admin, f"select from {table.name}") == NOT_ALLOWED
    finally:
        await admin.execute("reset role")
        await admin.execute("drop role zerosum_test_stranger")


async def test_the_lone_way_past_the_triggers_is_the_superusers(any_database: Dsns) -> None:
    """The hash chain is there for whoever has that: he can switch triggers off, but not compute a past."""
    async with connected(any_database.superuser) as connection:
        await connection.execute(f'set role "{OWNER_ROLE}"')
        assert await refusal_of(connection, "set session_replication_role = replica") == NOT_ALLOWED
