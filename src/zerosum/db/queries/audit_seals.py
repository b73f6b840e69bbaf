"""Seals of the security log: how many records there were up to a place of it, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import audit_seals

# A record is hashed by itself first, so that what is put together stays small. What is settled comes up to the horizon:
# nothing can appear before that later.
_EACH = """
select log.xid, log.id, sha256(convert_to(
    zerosum_netstring(log.id::text) || zerosum_netstring(log.xid::text)
    || zerosum_netstring(trunc(extract(epoch from log.recorded_at) * 1000000)::text) || zerosum_netstring(log.type)
    || zerosum_netstring(log.actor) || zerosum_netstring(log.address) || zerosum_netstring(log.request_id)
    || zerosum_netstring(log.resource) || zerosum_netstring(log.reason) || zerosum_netstring(log.occurrences::text)
    || zerosum_netstring(log.facts::text), 'UTF8')) as hash
from audit_log log
where log.ledger_id = :ledger_id and (log.xid, log.id) > (cast(:after_xid as xid8), cast(:after_id as uuid))
"""
_TOGETHER = """
select count(*) as records, sha256(coalesce(string_agg(hash, ''::bytea order by xid, id), ''::bytea)) as digest,
       (array_agg(xid order by xid desc, id desc))[1] as until_xid,
       (array_agg(id order by xid desc, id desc))[1] as until_id
from each
"""
_NEXT = text(f"""
with each as ({_EACH} and log.xid < zerosum_feed_horizon() order by log.xid, log.id limit :limit) {_TOGETHER}
""")
_SEALED = text(f"""
with each as ({_EACH} and (log.xid, log.id) <= (cast(:until_xid as xid8), cast(:until_id as uuid))) {_TOGETHER}
""")

# Of each ledger the last record and the last seal, by their keys: what it costs does not grow with the log.
_UNSEALED = text("""
select every.ledger_id
from (select ledger_id from ledgers union select cast(:service as uuid)) every
cross join lateral (
    select xid, id from audit_log log where log.ledger_id = every.ledger_id and log.xid < zerosum_feed_horizon()
    order by xid desc, id desc limit 1
) newest
left join lateral (
    select until_xid, until_id from audit_seals seal where seal.ledger_id = every.ledger_id
    order by number desc limit 1
) last on true
where last.until_xid is null or (newest.xid, newest.id) > (last.until_xid, last.until_id)
order by every.ledger_id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSeal:
    """The records behind the seal before it, up to a place. The hash chains the seals of a ledger."""

    ledger_id: UUID
    number: int
    until_xid: int
    until_id: UUID
    records: int
    digest: bytes
    sealed_at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True)
class Records:
    """Some of the security log: how many, their digest, and the place of the last."""

    records: int
    digest: bytes
    until_xid: int | None
    until_id: UUID | None


async def next_records(connection: AsyncConnection, ledger_id: UUID, last: AuditSeal | None, limit: int) -> Records:
    """Those behind a seal that are settled."""
    return await _together(connection, _NEXT, _behind(ledger_id, last) | {"limit": limit})


async def sealed_records(
    connection: AsyncConnection, ledger_id: UUID, last: AuditSeal | None, seal: AuditSeal
) -> Records:
    """Those between two seals, as they are there now."""
    until = {"until_xid": seal.until_xid, "until_id": seal.until_id}
    return await _together(connection, _SEALED, _behind(ledger_id, last) | until)


async def unsealed_ledgers(connection: AsyncConnection, service: UUID) -> list[UUID]:
    """In an operator's unit of work: where something is to be sealed, the service's own log included."""
    await look_up_by_key(connection)
    return list((await connection.execute(_UNSEALED, {"service": service})).scalars())


async def find_last_audit_seal(connection: AsyncConnection, ledger_id: UUID) -> AuditSeal | None:
    statement = select(audit_seals).where(audit_seals.c.ledger_id == ledger_id)
    row = (await connection.execute(statement.order_by(audit_seals.c.number.desc()).limit(1))).first()
    return None if row is None else _seal(row)


async def list_audit_seals(
    connection: AsyncConnection, ledger_id: UUID, *, after: int, limit: int
) -> Sequence[AuditSeal]:
    statement = select(audit_seals).where(audit_seals.c.ledger_id == ledger_id, audit_seals.c.number > after)
    return [_seal(row) for row in await connection.execute(statement.order_by(audit_seals.c.number).limit(limit))]


async def find_audit_seal(connection: AsyncConnection, ledger_id: UUID, number: int) -> AuditSeal | None:
    found = await list_audit_seals(connection, ledger_id, after=number - 1, limit=1)
    return found[0] if found and found[0].number == number else None


async def insert_audit_seal(connection: AsyncConnection, seal: AuditSeal) -> None:
    """Nothing happens where another worker was first with this number."""
    values = {name: getattr(seal, name) for name in AuditSeal.__slots__}
    await connection.execute(insert(audit_seals).values(**values).on_conflict_do_nothing(constraint="audit_seals_pkey"))


def _behind(ledger_id: UUID, last: AuditSeal | None) -> dict[str, Any]:
    if last is None:
        return {"ledger_id": ledger_id, "after_xid": 0, "after_id": UUID(int=0)}
    return {"ledger_id": ledger_id, "after_xid": last.until_xid, "after_id": last.until_id}


async def _together(connection: AsyncConnection, statement: Any, given: dict[str, Any]) -> Records:
    row = (await connection.execute(statement, given)).one()
    return Records(row.records, row.digest, row.until_xid, row.until_id)


def _seal(row: Row[Any]) -> AuditSeal:
    return AuditSeal(**{name: getattr(row, name) for name in AuditSeal.__slots__})
