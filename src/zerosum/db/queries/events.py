"""The outbox: facts written in the transaction of the change they announce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, null
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import events
from zerosum.domain.events import EventType, ResourceType


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    ledger_id: UUID
    id: UUID
    type: EventType
    resource_type: ResourceType
    resource_id: UUID | None
    created_at: datetime
    data: Mapping[str, Any] | None = None


async def insert_events(connection: AsyncConnection, new: Sequence[NewEvent]) -> None:
    if new:
        await connection.execute(
            insert(events),
            [
                {
                    "ledger_id": event.ledger_id,
                    "id": event.id,
                    "created_at": event.created_at,
                    "type": event.type.value,
                    "resource_type": event.resource_type.value,
                    "resource_id": event.resource_id,
                    "data": null() if event.data is None else dict(event.data),
                }
                for event in new
            ],
        )
