"""Notifications: what of the feed is mailed to whom, how far each has come, and what it holds back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, literal, null, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.accounts import paged
from zerosum.db.queries.events import FeedPosition, is_settled
from zerosum.db.schema.tables import Xid8, notification_mails, notifications
from zerosum.domain.notifications import DELETED, HeldBack, NotificationStatus

NotificationKey = tuple[UUID, UUID]
"""Ledger and notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRecord:
    """`behind` is the event after which it goes on. `subject` and `body` are texts with places."""

    ledger_id: UUID
    id: UUID
    name: str
    event_types: tuple[str, ...]
    account_id: UUID | None
    recipients: tuple[str, ...]
    subject: str
    body: str
    mails_per_hour: int
    status: NotificationStatus
    created_at: datetime
    created_by: str
    behind: FeedPosition
    held: HeldBack | None = None


_SETTABLE = ("name", "event_types", "account_id", "recipients", "subject", "body", "mails_per_hour", "status")

# Those that hold back may have no room for an hour: were they the first of one list they would be all of it.
_BEHIND = text(f"""
select ledger_id, id from (
    (select ledger_id, id, true as is_held from notifications
     where status = 'enabled' and ledger_id = any(cast(:ledgers as uuid[])) and held_since <= :held_until
     order by random() limit :at_once)
    union all
    (select ledger_id, id, false from notifications notification
     where status = 'enabled' and ledger_id = any(cast(:ledgers as uuid[])) and (held_since <= :held_until) is not true
       and exists (
           select from events event
           where event.ledger_id = notification.ledger_id
             and (event.xid, event.id) > (notification.feed_xid, notification.feed_id) and {is_settled()})
     order by feed_xid limit :at_once)
) behind order by is_held desc
""")  # noqa: S608 - made of constants


async def insert_notification(connection: AsyncConnection, record: NotificationRecord) -> None:
    await connection.execute(
        insert(notifications).values(
            ledger_id=record.ledger_id,
            id=record.id,
            created_at=record.created_at,
            created_by=record.created_by,
            **_set(record),
            **_place(record),
        )
    )


async def update_notification(connection: AsyncConnection, record: NotificationRecord) -> None:
    """Of a locked one: what callers set, how far it has come, and what it holds back."""
    await connection.execute(
        update(notifications)
        .where(notifications.c.ledger_id == record.ledger_id, notifications.c.id == record.id)
        .values(**_set(record), **_place(record))
    )


async def mark_deleted(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> None:
    """Its mails are taken away in the background, and then its row."""
    await connection.execute(
        update(notifications)
        .where(notifications.c.ledger_id == ledger_id, notifications.c.id == id_)
        .values(status=DELETED, recipients=[], subject="", body="")
    )


async def remove_notification(connection: AsyncConnection, ledger_id: UUID, id_: UUID) -> None:
    """One that is deleted, once it has no mails any more."""
    mail = notification_mails.c
    left = select(mail.id).where(mail.ledger_id == ledger_id, mail.notification_id == id_)
    await connection.execute(
        delete(notifications).where(
            notifications.c.ledger_id == ledger_id,
            notifications.c.id == id_,
            notifications.c.status == DELETED,
            ~left.exists(),
        )
    )


async def find_notification(
    connection: AsyncConnection, ledger_id: UUID, id_: UUID, *, is_locked: bool = False
) -> NotificationRecord | None:
    statement = select(notifications).where(
        notifications.c.ledger_id == ledger_id, notifications.c.id == id_, notifications.c.status != DELETED
    )
    row = (await connection.execute(statement.with_for_update() if is_locked else statement)).one_or_none()
    return None if row is None else _record(row)


async def find_notifications(
    connection: AsyncConnection, keys: Sequence[NotificationKey]
) -> dict[UUID, NotificationRecord]:
    statement = select(notifications).where(
        notifications.c.ledger_id.in_(sorted({ledger_id for ledger_id, _ in keys})),
        notifications.c.id.in_(sorted({id_ for _, id_ in keys})),
        notifications.c.status != DELETED,
    )
    return {row.id: _record(row) for row in await connection.execute(statement)}


async def list_notifications(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID | None, limit: int, is_ascending: bool
) -> list[NotificationRecord]:
    statement = select(notifications).where(notifications.c.ledger_id == ledger_id, notifications.c.status != DELETED)
    paging = paged(statement, notifications.c.id, after, limit, is_ascending=is_ascending)
    return [_record(row) for row in await connection.execute(paging)]


async def count_notifications(connection: AsyncConnection, ledger_id: UUID) -> int:
    statement = select(func.count()).where(notifications.c.ledger_id == ledger_id, notifications.c.status != DELETED)
    return int((await connection.execute(statement)).scalar_one())


async def ledgers_with_notifications(connection: AsyncConnection) -> list[UUID]:
    """Of all ledgers, for an operator's unit of work: those that may have something to mail."""
    statement = select(notifications.c.ledger_id).where(notifications.c.status == NotificationStatus.ENABLED)
    return list((await connection.execute(statement.distinct())).scalars())


async def all_notifications(connection: AsyncConnection) -> list[tuple[UUID, UUID, bool]]:
    """Of all ledgers, for an operator's unit of work: ledger, id, and whether it is deleted."""
    one = notifications.c
    rows = await connection.execute(select(one.ledger_id, one.id, one.status == DELETED))
    return [(row[0], row[1], row[2]) for row in rows]


async def notifications_behind(
    connection: AsyncConnection, ledger_ids: Sequence[UUID], held_until: datetime, at_once: int
) -> list[NotificationKey]:
    """Those that have not looked at all of the feed, and those that hold back since then or longer: so many of each.

    The latter come first, before others have used up the limit.
    """
    given = {"ledgers": list(ledger_ids), "held_until": held_until, "at_once": at_once}
    return [(row.ledger_id, row.id) for row in await connection.execute(_BEHIND, given)]


def _set(record: NotificationRecord) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in _SETTABLE}
    return values | {"event_types": list(record.event_types), "recipients": list(record.recipients)}


def _place(record: NotificationRecord) -> dict[str, Any]:
    return {
        "feed_xid": literal(record.behind.xid, Xid8()),
        "feed_id": record.behind.id,
        "held_types": null() if record.held is None else dict(record.held.types),
        "held_since": None if record.held is None else record.held.since,
    }


def _record(row: Row[Any]) -> NotificationRecord:
    return NotificationRecord(
        ledger_id=row.ledger_id,
        id=row.id,
        name=row.name,
        event_types=tuple(row.event_types),
        account_id=row.account_id,
        recipients=tuple(row.recipients),
        subject=row.subject,
        body=row.body,
        mails_per_hour=row.mails_per_hour,
        status=NotificationStatus(row.status),
        created_at=row.created_at,
        created_by=row.created_by,
        behind=FeedPosition(row.feed_xid, row.feed_id),
        held=None if row.held_types is None else HeldBack(types=row.held_types, since=row.held_since),
    )
