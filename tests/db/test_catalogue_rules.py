"""Rules about the schema as a whole, read from the catalogue: it can be distributed by ledger, and guards itself."""

from __future__ import annotations

from tests.db.servers import Connection
from zerosum.db.tables import APPLICATION_ROLE, JOURNAL, metadata

TABLES = {table.name for table in metadata.sorted_tables}
OURS = "relnamespace = 'public'::regnamespace and relname not like 'alembic_version%'"


async def names(connection: Connection, query: str) -> set[str]:
    return {row[0] for row in await connection.fetch(query)}


async def test_every_table_is_described(admin: Connection) -> None:
    assert await names(admin, f"select relname from pg_class where relkind in ('r', 'p') and {OURS}") == TABLES


async def test_there_is_nothing_but_tables_and_indexes(admin: Connection) -> None:
    """No sequence above all: it would have to be global, leaves gaps, and shows lower numbers late."""
    assert await names(admin, f"select distinct relkind::text from pg_class where {OURS}") <= {"r", "i", "t"}
    assert not await names(admin, "select attname from pg_attribute where attidentity <> '' or attgenerated <> ''")


async def test_every_table_has_its_ledger_first_in_its_primary_key(admin: Connection) -> None:
    rows = await admin.fetch(
        f"""
        select relname, (select attname from pg_attribute where attrelid = relation.oid and attnum = indkey[0]) as first
        from pg_class relation left join pg_index on indrelid = relation.oid and indisprimary
        where relkind = 'r' and {OURS}
        """
    )
    assert {row["relname"]: row["first"] for row in rows} == dict.fromkeys(TABLES, "ledger_id")


async def test_every_index_begins_with_the_ledger(admin: Connection) -> None:
    """Unique ones must; the others would be of no use to a query that is always about one ledger."""
    rows = await admin.fetch(
        f"""
        select indexrelid::regclass::text, attname
        from pg_index join pg_class relation on relation.oid = indrelid
        left join pg_attribute on attrelid = indrelid and attnum = indkey[0]
        where {OURS}
        """
    )
    assert rows
    assert {row[0] for row in rows if row[1] != "ledger_id"} == set()


async def test_the_ledger_is_required_and_a_uuid_everywhere(admin: Connection) -> None:
    rows = await admin.fetch(
        f"""
        select relname, format_type(atttypid, atttypmod) as type, attnotnull
        from pg_class relation join pg_attribute on attrelid = relation.oid and attname = 'ledger_id'
        where relkind = 'r' and {OURS}
        """
    )
    assert {row["relname"] for row in rows} == TABLES
    assert {(row["type"], row["attnotnull"]) for row in rows} == {("uuid", True)}


async def test_no_foreign_key_crosses_ledgers(admin: Connection) -> None:
    rows = await admin.fetch(
        """
        select conname,
               (select attname from pg_attribute where attrelid = conrelid and attnum = conkey[1]) as own,
               (select attname from pg_attribute where attrelid = confrelid and attnum = confkey[1]) as foreign
        from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
        """
    )
    assert {(row["own"], row["foreign"]) for row in rows} <= {("ledger_id", "ledger_id")}


async def test_every_table_has_forced_row_level_security_and_one_policy_for_everybody(admin: Connection) -> None:
    rows = await admin.fetch(
        f"""
        select relname, relrowsecurity and relforcerowsecurity as is_forced,
               (select count(*) from pg_policy where polrelid = pg_class.oid) as policies,
               (select bool_and(polcmd = '*' and polpermissive and polroles = '{{0}}'
                                and polqual is not null and polwithcheck is not null)
                from pg_policy where polrelid = pg_class.oid) as is_for_all
        from pg_class where relkind = 'r' and {OURS}
        """
    )
    assert {row["relname"]: (row["is_forced"], row["policies"], row["is_for_all"]) for row in rows} == dict.fromkeys(
        TABLES, (True, 1, True)
    )


async def test_the_journal_has_its_guards_and_they_are_on(admin: Connection) -> None:
    rows = await admin.fetch(
        "select tgrelid::regclass::text as name, tgname, tgenabled::text as enabled from pg_trigger "
        "where not tgisinternal"
    )
    found = {(row["name"], row["tgname"]): row["enabled"] for row in rows}
    wanted = {(table.name, f"{table.name}_unchanged") for table in JOURNAL} | {("postings", "postings_checked")}
    assert wanted <= set(found)
    assert set(found.values()) == {"O"}


async def test_no_function_runs_with_rights_that_are_not_its_callers(admin: Connection) -> None:
    """But for one, which takes away old refusals: its search path is fixed, and only the service may call it."""
    found = list(
        await names(
            admin,
            "select proname || ' ' || array_to_string(proconfig, ',') || ' ' || array_to_string(proacl, ',') "
            "from pg_proc "
            "where pronamespace = 'public'::regnamespace and prosecdef",
        )
    )
    assert [one.split()[:4] for one in found] == [
        ["zerosum_purge_refusals", "search_path=public,", "pg_temp", found[0].split()[3]]
    ]
    grantees = {grant.split("=")[0].strip('"') for grant in found[0].split()[3].split(",")}
    assert APPLICATION_ROLE in grantees
    assert "" not in grantees, "Everybody may call it."
    assert len(grantees) == 2, "the owner and the service"


async def test_amounts_are_exact_numbers_without_a_bound_of_their_own(admin: Connection) -> None:
    """`numeric(p, s)` would round what is finer, in silence."""
    kinds = await names(
        admin,
        f"""
        select format_type(atttypid, atttypmod) from pg_attribute join pg_class on pg_class.oid = attrelid
        where relkind = 'r' and attnum > 0 and not attisdropped and {OURS}
        """,
    )
    assert not {kind for kind in kinds if kind.startswith(("numeric(", "real", "double", "money"))}
    assert "numeric" in kinds


async def test_every_moment_is_kept_with_its_zone(admin: Connection) -> None:
    assert not await names(
        admin,
        f"""
        select relname || '.' || attname from pg_attribute join pg_class on pg_class.oid = attrelid
        where atttypid in ('timestamp'::regtype, 'time'::regtype, 'timetz'::regtype) and {OURS}
        """,
    )
