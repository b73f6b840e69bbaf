"""Mails of notifications: made with the place in the feed, claimed to be sent, and kept as a log for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, null, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.accounts import paged
from zerosum.db.queries.events import FeedPosition
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.schema.tables import notification_mails
from zerosum.domain.events import EventType
from zerosum.domain.notifications import MailKind, MailStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRecord:
    """`event` is of a digest or a test no event of the feed, and its id is its own. `attempts` counts one under way."""

    ledger_id: UUID
    id: UUID
    notification_id: UUID
    event: FeedPosition
    recipient: str
    kind: MailKind
    type: EventType | None
    digest: Mapping[str, Any] | None
    created_at: datetime
    status: MailStatus
    attempts: int
    next_at: datetime | None
    attempted_at: datetime | None
    answer_code: int | None
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMails:
    """One to each recipient."""

    kind: MailKind
    event: FeedPosition
    type: EventType | None = None
    digest: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailsMade:
    """In a span of time: mails of the ledger, and events that each notification has mailed."""

    mails: int
    events: Mapping[UUID, int]


_CLAIM = text("""
with due as (
    select ledger_id, id from notification_mails mail
    where ledger_id = any(cast(:ledgers as uuid[])) and status = 'pending' and next_at <= :now
      and (claimed_until is null or claimed_until <= :now)
      and exists (select from notifications notification
                  where notification.ledger_id = mail.ledger_id and notification.id = mail.notification_id
                    and notification.status = 'enabled')
    order by next_at limit :at_once
    for update skip locked
)
update notification_mails mail set attempts = attempts + 1, claimed_until = cast(:until as timestamptz)
from due where mail.ledger_id = due.ledger_id and mail.id = due.id
returning mail.*
""").columns(*notification_mails.c)


async def insert_mails(
    connection: AsyncConnection,
    ledger_id: UUID,
    notification_id: UUID,
    recipients: Sequence[str],
    new: Sequence[NewMails],
    now: datetime,
) -> None:
    """Due at once."""
    if not new or not recipients:
        return
    rows = [
        {
            "ledger_id": ledger_id,
            "id": new_uuid(),
            "notification_id": notification_id,
            "event_id": mails.event.id,
            "event_xid": mails.event.xid,
            "recipient": recipient,
            "kind": mails.kind.value,
            "type": None if mails.type is None else mails.type.value,
            "digest": null() if mails.digest is None else dict(mails.digest),
            "created_at": now,
            "status": MailStatus.PENDING.value,
            "next_at": now,
        }
        for mails in new
        for recipient in recipients
    ]
    await connection.execute(insert(notification_mails), rows)


async def mails_since(connection: AsyncConnection, ledger_id: UUID, since: datetime) -> MailsMade:
    """Digests are mails like all others; they are of no event."""
    mail = notification_mails.c
    is_of_event = mail.kind != MailKind.DIGEST.value
    statement = (
        select(
            mail.notification_id,
            func.count().label("mails"),
            func.count(mail.event_id.distinct()).filter(is_of_event).label("events"),
        )
        .where(mail.ledger_id == ledger_id, mail.created_at > since)
        .group_by(mail.notification_id)
    )
    rows = (await connection.execute(statement)).all()
    return MailsMade(mails=sum(row.mails for row in rows), events={row.notification_id: row.events for row in rows})


async def claim_mails(
    connection: AsyncConnection, ledger_ids: Sequence[UUID], now: datetime, until: datetime, at_once: int
) -> list[MailRecord]:
    """Some that are due. Who does not come back until then has lost them."""
    given = {"ledgers": list(ledger_ids), "now": now, "until": until, "at_once": at_once}
    rows = (await connection.execute(_CLAIM, given)).all()
    return sorted((_record(row) for row in rows), key=lambda mail: mail.id)


async def record_answer(
    connection: AsyncConnection,
    mail: MailRecord,
    status: MailStatus,
    next_at: datetime | None,
    now: datetime,
    code: int | None,
    answer: str,
) -> None:
    await connection.execute(
        update(notification_mails)
        .where(notification_mails.c.ledger_id == mail.ledger_id, notification_mails.c.id == mail.id)
        .values(
            status=status.value,
            next_at=next_at,
            claimed_until=None,
            attempted_at=now,
            answer_code=code,
            answer=answer,
        )
    )


async def give_back_mails(connection: AsyncConnection, unsent: Sequence[MailRecord], next_at: datetime) -> None:
    """What was claimed and certainly not sent: it was no attempt."""
    mail = notification_mails.c
    keys = [(one.ledger_id, one.id) for one in unsent]
    await connection.execute(
        update(notification_mails)
        .where(tuple_(mail.ledger_id, mail.id).in_(keys), mail.status == MailStatus.PENDING.value)
        .values(claimed_until=None, attempts=mail.attempts - 1, next_at=next_at)
    )


async def list_mails(
    connection: AsyncConnection,
    ledger_id: UUID,
    notification_id: UUID,
    status: str | None,
    *,
    after: UUID | None,
    limit: int,
    is_ascending: bool,
) -> list[MailRecord]:
    await look_up_by_key(connection)
    mail = notification_mails.c
    statement = select(notification_mails).where(mail.ledger_id == ledger_id, mail.notification_id == notification_id)
    if status is not None:
        statement = statement.where(mail.status == status)
    return [
        _record(row)
        for row in await connection.execute(paged(statement, mail.id, after, limit, is_ascending=is_ascending))
    ]


async def purge_mails(
    connection: AsyncConnection, ledger_id: UUID, notification_id: UUID, before: datetime, *, at_once: int, all_: bool
) -> int:
    """What is older and has ended; `all_`: whether it has or not. How many were taken away."""
    mail = notification_mails.c
    old = select(mail.id).where(
        mail.ledger_id == ledger_id, mail.notification_id == notification_id, mail.created_at <= before
    )
    if not all_:
        old = old.where(mail.status != MailStatus.PENDING.value)
    gone = delete(notification_mails).where(mail.ledger_id == ledger_id, mail.id.in_(old.limit(at_once)))
    return (await connection.execute(gone)).rowcount


def _record(row: Row[Any]) -> MailRecord:
    return MailRecord(
        ledger_id=row.ledger_id,
        id=row.id,
        notification_id=row.notification_id,
        event=FeedPosition(row.event_xid, row.event_id),
        recipient=row.recipient,
        kind=MailKind(row.kind),
        type=None if row.type is None else EventType(row.type),
        digest=row.digest,
        created_at=row.created_at,
        status=MailStatus(row.status),
        attempts=row.attempts,
        next_at=row.next_at,
        attempted_at=row.attempted_at,
        answer_code=row.answer_code,
        answer=row.answer,
    )
