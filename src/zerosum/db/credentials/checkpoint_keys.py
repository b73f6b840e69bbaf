"""The keys that sign checkpoints. They belong to the service, and none is ever deleted: old signatures are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import checkpoint_keys
from zerosum.domain.identifiers import SERVICE_LEDGER

_columns = checkpoint_keys.c


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointKeyRecord:
    """The one that has not ended signs. `endorsement` is the signature over it of the key before it."""

    id: str
    algorithm: int
    public_key: bytes
    sealed_private_key: str = field(repr=False)
    created_at: datetime
    ended_at: datetime | None = None
    endorser_id: str | None = None
    endorsement: bytes | None = None


async def list_checkpoint_keys(connection: AsyncConnection) -> list[CheckpointKeyRecord]:
    """All there ever were, the oldest first."""
    statement = select(checkpoint_keys).where(_columns.ledger_id == SERVICE_LEDGER)
    rows = await connection.execute(statement.order_by(_columns.created_at, _columns.id))
    names = CheckpointKeyRecord.__slots__
    return [CheckpointKeyRecord(**{name: getattr(row, name) for name in names}) for row in rows]


async def insert_checkpoint_key(connection: AsyncConnection, record: CheckpointKeyRecord) -> None:
    values = {name: getattr(record, name) for name in CheckpointKeyRecord.__slots__}
    await connection.execute(insert(checkpoint_keys).values(ledger_id=SERVICE_LEDGER, **values))


async def end_checkpoint_keys(connection: AsyncConnection, now: datetime) -> None:
    """None signs any more."""
    living = (_columns.ledger_id == SERVICE_LEDGER, _columns.ended_at.is_(None))
    await connection.execute(update(checkpoint_keys).where(*living).values(ended_at=now))
