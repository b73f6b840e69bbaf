"""Webhook endpoints: where events are sent, and how that goes. Secrets and headers are sealed text here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, any_, bindparam, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.queries.events import FeedPosition
from zerosum.db.schema.tables import Xid8, webhook_endpoints
from zerosum.domain.webhooks import DELETED, DisabledReason, EndpointHealth, EndpointStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    ledger_id: UUID
    id: UUID
    url: str
    description: str | None
    event_types: tuple[str, ...] | None
    """Names as they were given; None: all."""
    header_names: tuple[str, ...]
    sealed_headers: str | None
    sealed_secret: str
    sealed_previous_secret: str | None = None
    previous_secret_until: datetime | None = None
    status: EndpointStatus = EndpointStatus.ENABLED
    disabled_reason: DisabledReason | None = None
    disabled_at: datetime | None = None
    created_at: datetime
    created_by: str
    health: EndpointHealth


_SHOWN = (
    "url",
    "description",
    "event_types",
    "header_names",
    "sealed_headers",
    "sealed_secret",
    "sealed_previous_secret",
    "previous_secret_until",
    "status",
    "disabled_reason",
    "disabled_at",
)


async def insert_endpoint(connection: AsyncConnection, record: EndpointRecord, behind: FeedPosition) -> None:
    await connection.execute(
        insert(webhook_endpoints).values(
            ledger_id=record.ledger_id,
            id=record.id,
            created_at=record.created_at,
            created_by=record.created_by,
            feed_xid=_xid(behind.xid),
            feed_id=behind.id,
            **_shown(record),
        )
    )


async def update_endpoint(connection: AsyncConnection, record: EndpointRecord) -> None:
    """What callers set, of a locked endpoint; and how it goes, which is forgotten when it is set anew."""
    await connection.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.ledger_id == record.ledger_id, webhook_endpoints.c.id == record.id)
        .values(**_shown(record), **_health(record.health))
    )


async def park_until_now(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> None:
    """What was committed so far is not sent to the endpoint by itself, where that has not been looked at yet."""
    await connection.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.ledger_id == ledger_id, webhook_endpoints.c.id == id_)
        .values(parked_xid=text("zerosum_feed_horizon()"))
    )


async def delete_endpoint(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> None:
    """Its row stays, for events may speak of it; its secrets go."""
    await connection.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.ledger_id == ledger_id, webhook_endpoints.c.id == id_)
        .values(status=DELETED, sealed_secret=None, sealed_previous_secret=None, sealed_headers=None, header_names=[])
    )


async def find_endpoint(
    connection: AsyncConnection, ledger_id: UUID, id_: UUID, *, is_locked: bool = False
) -> EndpointRecord | None:
    statement = select(webhook_endpoints).where(
        webhook_endpoints.c.ledger_id == ledger_id,
        webhook_endpoints.c.id == id_,
        webhook_endpoints.c.status != DELETED,
    )
    row = (await connection.execute(statement.with_for_update() if is_locked else statement)).one_or_none()
    return None if row is None else _record(row)


async def find_endpoints(connection: AsyncConnection, ids: Collection[tuple[UUID, UUID]]) -> dict[UUID, EndpointRecord]:
    """By ledger and id."""
    return {row.id: _record(row) for row in await connection.execute(_NAMED, _names(ids))}


async def list_endpoints(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[EndpointRecord]:
    statement = select(webhook_endpoints).where(
        webhook_endpoints.c.ledger_id == ledger_id, webhook_endpoints.c.status != DELETED
    )
    paging = paged(statement, webhook_endpoints.c.id, after, limit, is_ascending=is_ascending)
    return [_record(row) for row in await connection.execute(paging)]


async def count_endpoints(connection: AsyncConnection, ledger_id: UUID) -> int:
    statement = select(func.count()).where(
        webhook_endpoints.c.ledger_id == ledger_id, webhook_endpoints.c.status != DELETED
    )
    return int((await connection.execute(statement)).scalar_one())


async def ledgers_with_endpoints(connection: AsyncConnection) -> list[UUID]:
    """Of all ledgers, for an operator's unit of work: those that may have something to deliver."""
    statement = select(webhook_endpoints.c.ledger_id).where(webhook_endpoints.c.status == EndpointStatus.ENABLED)
    return list((await connection.execute(statement.distinct())).scalars())


async def all_endpoints(connection: AsyncConnection) -> list[tuple[UUID, UUID, str]]:
    """Of all ledgers, for an operator's unit of work: ledger, id, and its status, which may be `deleted`."""
    endpoint = webhook_endpoints.c
    rows = await connection.execute(select(endpoint.ledger_id, endpoint.id, endpoint.status))
    return [(row[0], row[1], row[2]) for row in rows]


async def lock_endpoints(connection: AsyncConnection, ids: Collection[tuple[UUID, UUID]]) -> dict[UUID, EndpointRecord]:
    """Those that nobody else has locked, in one order."""
    return {row.id: _record(row) for row in await connection.execute(_LOCKED, _names(ids))}


# Made once, for a dispatcher asks them at each turn.
_NAMED = select(webhook_endpoints).where(
    webhook_endpoints.c.ledger_id == any_(bindparam("ledgers", type_=ARRAY(Uuid))),
    webhook_endpoints.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    webhook_endpoints.c.status != DELETED,
)
_LOCKED = _NAMED.order_by(webhook_endpoints.c.ledger_id, webhook_endpoints.c.id).with_for_update(skip_locked=True)


def _names(ids: Collection[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"ledgers": sorted({ledger_id for ledger_id, _ in ids}), "ids": sorted({id_ for _, id_ in ids})}


def _shown(record: EndpointRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in _SHOWN}
    values["event_types"] = None if record.event_types is None else list(record.event_types)
    values["header_names"] = list(record.header_names)
    return values


def _health(health: EndpointHealth) -> dict[str, Any]:
    return {
        "consecutive_failures": health.consecutive_failures,
        "paused_until": health.paused_until,
        "failing_since": health.failing_since,
        "failing_told": health.is_told,
    }


def _record(row: Row[Any]) -> EndpointRecord:
    return EndpointRecord(
        ledger_id=row.ledger_id,
        id=row.id,
        url=row.url,
        description=row.description,
        event_types=None if row.event_types is None else tuple(row.event_types),
        header_names=tuple(row.header_names),
        sealed_headers=row.sealed_headers,
        sealed_secret=row.sealed_secret,
        sealed_previous_secret=row.sealed_previous_secret,
        previous_secret_until=row.previous_secret_until,
        status=EndpointStatus(row.status),
        disabled_reason=None if row.disabled_reason is None else DisabledReason(row.disabled_reason),
        disabled_at=row.disabled_at,
        created_at=row.created_at,
        created_by=row.created_by,
        health=EndpointHealth(
            consecutive_failures=row.consecutive_failures,
            paused_until=row.paused_until,
            failing_since=row.failing_since,
            is_told=row.failing_told,
        ),
    )


def _xid(number: int) -> Any:
    return literal(number, Xid8())
