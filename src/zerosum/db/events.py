"""The outbox: facts written in the transaction of the change they announce."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.tables import events
from zerosum.domain.events import EventType, ResourceType


async def insert_event(
    connection: AsyncConnection,
    ledger_id: UUID,
    *,
    id_: UUID,
    type_: EventType,
    resource_type: ResourceType,
    resource_id: UUID,
    created_at: datetime,
) -> None:
    await connection.execute(
        insert(events).values(
            ledger_id=ledger_id,
            id=id_,
            created_at=created_at,
            type=type_.value,
            resource_type=resource_type.value,
            resource_id=resource_id,
        )
    )
