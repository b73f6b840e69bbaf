"""Rules about the schema as a whole, read from the catalogue: it can be distributed by ledger, and guards itself."""

from __future__ import annotations

from tests.db.servers import Connection
from zerosum.db.schema.money_columns import MONEY_COLUMNS
from zerosum.db.schema.provisioning import OWNER_ROLE
from zerosum.db.schema.tables import APPLICATION_ROLE, JOURNAL, metadata

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


OVER_ALL_LEDGERS = {"events_by_time", "holds_due", "processor_calls_due", "reviews_due", "scheduled_payments_due"}
"""The worker looks for what has expired, for what is to be paid, and for what is to be asked of a processor,
in whatever ledger, once a second: a question a ledger would be too many. Events by time lie as they were written,
of all ledgers together: a range of pages costs less than a tree, which each payment would pay for."""


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
    assert {row[0] for row in rows if row[1] != "ledger_id"} == OVER_ALL_LEDGERS


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
    wanted = {(table.name, f"{table.name}_unchanged") for table in JOURNAL} | {
        ("postings", "postings_carried"),
        ("accounts", "accounts_begin_empty"),
        *((name, f"{name}_money_unchanged") for name in MONEY_COLUMNS),
    }
    assert wanted <= set(found)
    assert set(found.values()) == {"O"}


async def test_no_function_runs_with_rights_that_are_not_its_callers(admin: Connection) -> None:
    """But for a few: they take away old refusals and events, carry postings into balances, keep histories, tell
    accounts of the groups whose limits they stand under, move payments to other processors, and seal checkpoints.

    Their search path is fixed.
    """
    rows = await admin.fetch(
        "select proname, proconfig, prorettype::regtype::text as kind, "
        "array(select grantee::regrole::text from aclexplode(proacl) where privilege_type = 'EXECUTE') as callers "
        "from pg_proc where pronamespace = 'public'::regnamespace and prosecdef"
    )
    assert {row["proname"]: row["kind"] for row in rows} == {
        "zerosum_purge_refusals": "integer",
        "zerosum_carry_postings": "trigger",
        "zerosum_record_account_change": "trigger",
        "zerosum_limit_group": "trigger",
        "zerosum_move_call": "trigger",
        "zerosum_make_checkpoints": "integer",
        "zerosum_seal_totals": "integer",
        "zerosum_drop_events": "bigint",
    }
    assert all(row["proconfig"][0] == "search_path=public, pg_temp" for row in rows)
    callers = {row["proname"]: set(row["callers"]) for row in rows}
    assert callers["zerosum_purge_refusals"] == {OWNER_ROLE, APPLICATION_ROLE}
    assert callers["zerosum_make_checkpoints"] == {OWNER_ROLE, APPLICATION_ROLE}
    assert callers["zerosum_seal_totals"] == {OWNER_ROLE, APPLICATION_ROLE}
    assert callers["zerosum_drop_events"] == {OWNER_ROLE, APPLICATION_ROLE}
    for name in ("zerosum_carry_postings", "zerosum_record_account_change"):
        assert callers[name] == {OWNER_ROLE}, "A trigger needs nobody's right to be called."


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
