"""What was answered under a key to a command that is not one of the committer's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.batch import Key
from zerosum.db.schema.tables import answers
from zerosum.domain.events import ResourceType


async def insert_answer(
    connection: AsyncConnection,
    key: Key,
    fingerprint: bytes,
    resource: tuple[ResourceType, UUID],
    content: Mapping[str, Any],
    created_at: datetime,
) -> None:
    await connection.execute(
        insert(answers).values(
            ledger_id=key[0],
            idempotency_key=key[1],
            fingerprint=fingerprint,
            resource_type=resource[0].value,
            resource_id=resource[1],
            content=dict(content),
            created_at=created_at,
        )
    )
