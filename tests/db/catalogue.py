"""What PostgreSQL's catalogue says about a schema, as lines that can be compared."""

from __future__ import annotations

import re

from tests.db.servers import Connection

VERSION_TABLE = "alembic_version"

_RELATIONS = f"""
select relation.relname as name, relation.*
from pg_class relation
where relnamespace = 'public'::regnamespace and relname not like '{VERSION_TABLE}%'
"""

# Each query gives lines of text. Positions of columns are left out: a migration can only add behind the others.
_QUERIES = {
    "relations": f"""
        select concat_ws(' ', name, relkind, relpersistence, pg_get_userbyid(relowner), reloptions::text,
                         'rls', relrowsecurity, 'forced', relforcerowsecurity)
        from ({_RELATIONS}) relation
    """,
    "columns": f"""
        select concat_ws(' ', relation.name, attname, format_type(atttypid, atttypmod),
                         case when attnotnull then 'not null' end, attidentity, attgenerated,
                         attstorage, attcompression, 'default', coalesce(pg_get_expr(adbin, adrelid), 'none'),
                         'collation', attcollation::regcollation)
        from ({_RELATIONS}) relation
        join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where relkind = 'r'
    """,
    "constraints": f"""
        select concat_ws(' ', relation.name, conname, contype, pg_get_constraintdef(pg_constraint.oid),
                         case when convalidated then 'valid' end, condeferrable, condeferred)
        from ({_RELATIONS}) relation join pg_constraint on conrelid = relation.oid
        where contype <> 'n'  -- PostgreSQL 18 lists NOT NULL here too; the columns tell it
    """,
    "indexes": f"""
        select concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisready, indisunique, indisprimary)
        from ({_RELATIONS}) relation join pg_index on indrelid = relation.oid
    """,
    "triggers": f"""
        select concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), 'enabled', tgenabled)
        from ({_RELATIONS}) relation join pg_trigger on tgrelid = relation.oid where not tgisinternal
    """,
    "policies": """
        select concat_ws(' ', tablename, policyname, permissive, roles::text, cmd, qual, with_check)
        from pg_policies where schemaname = 'public'
    """,
    "grants on tables": f"""
        select concat_ws(' ', relation.name, acl.grantee::regrole, acl.privilege_type, acl.is_grantable)
        from ({_RELATIONS}) relation cross join aclexplode(relacl) acl
    """,
    "grants on columns": f"""
        select concat_ws(' ', relation.name, attname, acl.grantee::regrole, acl.privilege_type, acl.is_grantable)
        from ({_RELATIONS}) relation join pg_attribute on attrelid = relation.oid
        cross join aclexplode(attacl) acl
    """,
    "functions": """
        select concat_ws(' ', proname, pg_get_function_arguments(oid), pg_get_function_result(oid), lanname,
                         provolatile, prosecdef, proleakproof, proparallel, proconfig::text, proacl::text,
                         pg_get_userbyid(proowner), prosrc)
        from (select pg_proc.*, pg_language.lanname from pg_proc join pg_language on pg_language.oid = prolang) function
        where pronamespace = 'public'::regnamespace
    """,
    "types": """
        select concat_ws(' ', typname, typtype) from pg_type
        where typnamespace = 'public'::regnamespace and typtype not in ('b', 'c')
    """,
    "grants on the schema": """
        select concat_ws(' ', nspname, acl.grantee, acl.privilege_type)
        from pg_namespace cross join aclexplode(nspacl) acl where nspname = 'public'
    """,
    "default grants": "select defaclacl::text from pg_default_acl",
}


async def describe(connection: Connection) -> dict[str, list[str]]:
    """Everything about the public schema, by kind."""
    found = {}
    for kind, query in _QUERIES.items():
        rows = await connection.fetch(query)
        found[kind] = sorted(_normalised(row[0]) for row in rows)
    return found


def _normalised(text: str) -> str:
    """Without SQL comments, and with one space for any amount of it: what a function does, not how it is set."""
    return " ".join(re.sub(r"--[^\n]*", "", text).split())
