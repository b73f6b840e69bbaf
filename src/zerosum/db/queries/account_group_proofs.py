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

NAMES_OF_ACCOUNT_GROUPS = f"""
    (select own.id, case when own.content is null then 'deleted' else 'changed' end, 'account_group', null,
            {micros("own.created_at")}, array[]::uuid[], null
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
