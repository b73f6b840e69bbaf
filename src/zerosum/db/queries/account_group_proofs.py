"""Reading account groups for their proof, each version beside what the security log tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.moments import micros

_GROUPS = text(f"""
select own.id, own.name, own.version, own.content is null as is_gone, {micros("own.created_at")} as posted_at, exists (
    select from audit_log log
    where log.ledger_id = own.ledger_id and log.type = 'account_group.changed' and log.recorded_at = own.created_at
    and log.actor = own.actor and log.resource = own.name
    and log.facts = jsonb_build_object('name', own.name, 'version', own.version, 'content', own.content)
) as is_told
from account_groups own where own.ledger_id = :ledger_id and (own.name, own.version) > (:name, :version)
order by own.name, own.version limit :limit
""")  # noqa: S608 - made of constants only

_MISSING = text("""
select log.facts->>'name' as name, log.facts->>'version' as version from audit_log log
where log.ledger_id = :ledger_id and log.type = 'account_group.changed' and not exists (
    select from account_groups own where own.ledger_id = log.ledger_id
    and to_jsonb(own.name) = log.facts->'name' and to_jsonb(own.version) = log.facts->'version'
) order by log.id limit :limit
""")

# The newest version of each group that has limits, or whose limits are stored.
_WITH_LIMITS = text("""
select coalesce(own.name, limited.name) as name, own.version, limited.version as stored_version,
       own.content->'members' as members, nullif(own.content->'velocity_limits', '[]') as limits,
       limited.limits as stored_limits
from (
    select * from account_groups one where ledger_id = :ledger_id and content->'velocity_limits' <> '[]'
    and not exists (select from account_groups next where next.ledger_id = one.ledger_id and next.name = one.name
                    and next.version = one.version + 1)
) own
full join (select * from limited_groups where ledger_id = :ledger_id) limited on limited.name = own.name
order by 1
""")

_IN_ACCOUNTS = text("""
select id, code, limited_groups from accounts where ledger_id = :ledger_id and id > :after order by id limit :limit
""")

NAMES_OF_ACCOUNT_GROUPS = f"""
    (select own.id, case when own.content is null then 'deleted' else 'changed' end, 'account_group', null,
            {micros("own.created_at")}, array[]::uuid[], null, ''
     from account_groups own where ledger_id = :ledger_id and id > :after order by id limit :limit)
"""  # noqa: S608 - made of constants only
"""As `proofs.py` wants what was announced."""


async def account_groups_after(
    connection: AsyncConnection, ledger_id: UUID, position: tuple[str, int], *, limit: int
) -> Sequence[Row[Any]]:
    """Versions, and whether the security log tells of each exactly what is stored."""
    given = {"ledger_id": ledger_id, "name": position[0], "version": position[1], "limit": limit}
    return (await connection.execute(_GROUPS, given)).all()


async def missing_account_groups(connection: AsyncConnection, ledger_id: UUID, *, limit: int) -> Sequence[Row[Any]]:
    """Versions that the security log tells of and that are not there."""
    return (await connection.execute(_MISSING, {"ledger_id": ledger_id, "limit": limit})).all()


async def groups_with_limits(connection: AsyncConnection, ledger_id: UUID) -> Sequence[Row[Any]]:
    """Each with what its newest version says, beside what payments are judged by."""
    return (await connection.execute(_WITH_LIMITS, {"ledger_id": ledger_id})).all()


async def groups_in_accounts_after(
    connection: AsyncConnection, ledger_id: UUID, after: UUID, *, limit: int
) -> Sequence[Row[Any]]:
    """Accounts, with the groups with limits that their rows name."""
    return (await connection.execute(_IN_ACCOUNTS, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()
