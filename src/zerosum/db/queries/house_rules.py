"""House rules of ledgers: those that count, and all of them for a proof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import house_rules
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.payments.house_rules import HouseRules, house_rules_of

# Each beside what the security log and its event tell of it.
_ALL = text("""
select rules.version, exists (
    select from audit_log log where log.ledger_id = rules.ledger_id and log.type = 'house_rules.changed'
    and log.recorded_at = rules.created_at and log.actor = rules.actor
    and log.facts = rules.content || jsonb_build_object('version', rules.version)
) as is_told, exists (
    select from events event where event.ledger_id = rules.ledger_id and event.id = rules.id
    and event.type = 'house_rules.changed' and event.created_at = rules.created_at
    and event.data = rules.content || jsonb_build_object('version', rules.version)
) or exists (
    select from event_seals seal where seal.ledger_id = rules.ledger_id and seal.newest_at >= rules.created_at
) as is_announced
from house_rules rules where rules.ledger_id = :ledger_id and rules.version > :after order by rules.version limit :limit
""")

_MISSING = text("""
select log.facts->>'version' as version from audit_log log
where log.ledger_id = :ledger_id and log.type = 'house_rules.changed' and not exists (
    select from house_rules rules
    where rules.ledger_id = log.ledger_id and to_jsonb(rules.version) = log.facts->'version'
) order by log.id limit :limit
""")


async def find_house_rules(connection: AsyncConnection, ledger_id: LedgerId) -> HouseRules:
    """Those that count: empty ones of version 0 where nobody has ever said any."""
    table = house_rules
    newest = select(table).where(table.c.ledger_id == ledger_id).order_by(table.c.version.desc()).limit(1)
    row = (await connection.execute(newest)).first()
    if row is None:
        return HouseRules(ledger_id=ledger_id)
    members = {"version": row.version, "id": row.id, "actor": row.actor, "created_at": row.created_at}
    return house_rules_of(ledger_id, row.content, **members)


async def house_rules_after(
    connection: AsyncConnection, ledger_id: UUID, after: int, *, limit: int
) -> Sequence[Row[Any]]:
    return (await connection.execute(_ALL, {"ledger_id": ledger_id, "after": after, "limit": limit})).all()


async def missing_house_rules(connection: AsyncConnection, ledger_id: UUID, *, limit: int) -> Sequence[str | None]:
    """The versions that the security log tells of and that are not there."""
    return (await connection.execute(_MISSING, {"ledger_id": ledger_id, "limit": limit})).scalars().all()
