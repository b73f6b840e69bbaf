"""How far the messages of each partition are settled, and who may settle more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import ingest_positions
from zerosum.domain.messages import Partition

_columns = ingest_positions.c


@dataclass(slots=True, kw_only=True)
class PositionRecord:
    """`head`, `begun` and `tries` are of the batch that was begun and not settled, `suspects` of one that crashed."""

    partition: Partition
    next_offset: int | None
    last_place: str | None = None
    made: str | None = None
    epoch: int
    holder: str
    held_until: datetime | None
    head: str | None = None
    begun: int = 0
    tries: int = 0
    suspects: int = 0


async def lock_position(connection: AsyncConnection, ledger_id: UUID, partition: Partition) -> PositionRecord | None:
    """None where nobody has ever taken it."""
    statement = select(ingest_positions).where(_is(ledger_id, partition)).with_for_update()
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _record(row, partition)


async def insert_position(connection: AsyncConnection, ledger_id: UUID, record: PositionRecord, now: datetime) -> bool:
    """False where somebody else was quicker."""
    statement = (
        insert(ingest_positions)
        .values(
            ledger_id=ledger_id,
            input=record.partition.input,
            topic=record.partition.topic,
            partition=record.partition.name,
            **_values(record, now),
        )
        .on_conflict_do_nothing(constraint="ingest_positions_pkey")
        .returning(_columns.epoch)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def update_position(connection: AsyncConnection, ledger_id: UUID, record: PositionRecord, now: datetime) -> None:
    """Of one that this unit of work has locked."""
    await connection.execute(
        update(ingest_positions).where(_is(ledger_id, record.partition)).values(**_values(record, now))
    )


def _is(ledger_id: UUID, partition: Partition) -> ColumnElement[bool]:
    return and_(
        _columns.ledger_id == ledger_id,
        _columns.input == partition.input,
        _columns.topic == partition.topic,
        _columns.partition == partition.name,
    )


def _values(record: PositionRecord, now: datetime) -> dict[str, Any]:
    return {
        "next_offset": record.next_offset,
        "last_place": record.last_place,
        "made": record.made,
        "epoch": record.epoch,
        "holder": record.holder,
        "held_until": record.held_until,
        "head": record.head,
        "begun": record.begun,
        "tries": record.tries,
        "suspects": record.suspects,
        "updated_at": now,
    }


def _record(row: Row[Any], partition: Partition) -> PositionRecord:
    return PositionRecord(
        partition=partition,
        next_offset=row.next_offset,
        last_place=row.last_place,
        made=row.made,
        epoch=row.epoch,
        holder=row.holder,
        held_until=row.held_until,
        head=row.head,
        begun=row.begun,
        tries=row.tries,
        suspects=row.suspects,
    )
