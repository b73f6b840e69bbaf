"""How well processors answer, as all processes share it: a row each, under the ledger of the service itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.schema.tables import processor_health
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.payments.processor_health import ProcessorHealth

_HEALTH = [column for column in processor_health.c if column.name not in ("ledger_id", "processor")]


async def healths(connection: AsyncConnection) -> dict[str, ProcessorHealth]:
    """By processor. For a unit of work of the service's own ledger, as the other."""
    rows = await connection.execute(
        select(processor_health.c.processor, *_HEALTH).where(processor_health.c.ledger_id == SERVICE_LEDGER)
    )
    return {row.processor: _health(row) for row in rows}


async def change_health(
    connection: AsyncConnection,
    processor: str,
    now: datetime,
    change: Callable[[ProcessorHealth], ProcessorHealth],
) -> ProcessorHealth:
    """Under the lock of its row."""
    begun = insert(processor_health).values(
        ledger_id=SERVICE_LEDGER, processor=processor, **asdict(ProcessorHealth(window_at=now))
    )
    await connection.execute(begun.on_conflict_do_nothing())
    own = (processor_health.c.ledger_id == SERVICE_LEDGER, processor_health.c.processor == processor)
    row = (await connection.execute(select(*_HEALTH).where(*own).with_for_update())).one()
    after = change(_health(row))
    await connection.execute(update(processor_health).where(*own).values(**asdict(after)))
    return after


def _health(row: Row[Any]) -> ProcessorHealth:
    return ProcessorHealth(**{column.name: getattr(row, column.name) for column in _HEALTH})
