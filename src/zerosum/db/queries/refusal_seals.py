"""Seals of refusals: how many there were in a span of time, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import refusal_seals, refusals

# A refusal is hashed by itself first, so that what is sorted and put together stays small.
_DIGEST = text("""
with each as (
    select created_at, idempotency_key, sha256(
        convert_to(idempotency_key, 'UTF8') || sha256(fingerprint) || sha256(convert_to(problem::text, 'UTF8'))
        || convert_to(trunc(extract(epoch from created_at) * 1000000)::text, 'UTF8')) as hash
    from refusals where ledger_id = :ledger_id and created_at >= :from_at and created_at < :until_at
)
select count(*) as refusals,
       sha256(coalesce(string_agg(hash, ''::bytea order by created_at, idempotency_key), ''::bytea)) as digest
from each
""")

_KEPT = text("""
select min(created_at) as oldest, now() - interval '30 days' as since from refusals where ledger_id = :ledger_id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSeal:
    """What was refused from `from_at` to before `until_at`. The hash chains the seals of a ledger."""

    ledger_id: UUID
    number: int
    from_at: datetime
    until_at: datetime
    refusals: int
    digest: bytes
    sealed_at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True)
class KeptRefusals:
    """The oldest that is there, and since when all must be: what is older may have been purged, the oldest first."""

    oldest: datetime | None
    since: datetime


async def digest_refusals(
    connection: AsyncConnection, ledger_id: UUID, from_at: datetime, until_at: datetime
) -> tuple[int, bytes]:
    given = {"ledger_id": ledger_id, "from_at": from_at, "until_at": until_at}
    row = (await connection.execute(_DIGEST, given)).one()
    return row.refusals, row.digest


async def find_nth_refusal(
    connection: AsyncConnection, ledger_id: UUID, from_at: datetime, until_at: datetime, number: int
) -> datetime | None:
    """When the refusal with this number in the span, counted from 0, was made."""
    found: datetime | None = (
        await connection.execute(
            select(refusals.c.created_at)
            .where(
                refusals.c.ledger_id == ledger_id, refusals.c.created_at >= from_at, refusals.c.created_at < until_at
            )
            .order_by(refusals.c.created_at)
            .offset(number)
            .limit(1)
        )
    ).scalar()
    return found


async def find_kept(connection: AsyncConnection, ledger_id: UUID) -> KeptRefusals:
    row = (await connection.execute(_KEPT, {"ledger_id": ledger_id})).one()
    return KeptRefusals(row.oldest, row.since)


async def find_last_seal(connection: AsyncConnection, ledger_id: UUID) -> RefusalSeal | None:
    statement = select(refusal_seals).where(refusal_seals.c.ledger_id == ledger_id)
    row = (await connection.execute(statement.order_by(refusal_seals.c.number.desc()).limit(1))).first()
    return None if row is None else _seal(row)


async def list_seals(connection: AsyncConnection, ledger_id: UUID, *, after: int, limit: int) -> Sequence[RefusalSeal]:
    statement = select(refusal_seals).where(refusal_seals.c.ledger_id == ledger_id, refusal_seals.c.number > after)
    return [_seal(row) for row in await connection.execute(statement.order_by(refusal_seals.c.number).limit(limit))]


async def insert_seal(connection: AsyncConnection, seal: RefusalSeal) -> None:
    """Nothing happens where another worker was first with this number."""
    values = {name: getattr(seal, name) for name in RefusalSeal.__slots__}
    await connection.execute(
        insert(refusal_seals).values(**values).on_conflict_do_nothing(constraint="refusal_seals_pkey")
    )


def _seal(row: Row[Any]) -> RefusalSeal:
    return RefusalSeal(**{name: getattr(row, name) for name in RefusalSeal.__slots__})
