"""From events to mails: how many a notification may still make, and what the others become.

A mail is made in the transaction that moves the notification's place in the feed: none is forgotten, none made twice.
Those who make mails of one ledger do it one after the other, for its limit is of all its notifications.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.events import EventFilter, FeedPosition, RecordedEvent, events_behind
from zerosum.db.queries.notification_mails import MailsMade, NewMails, insert_mails, mails_since
from zerosum.db.queries.notifications import (
    NotificationKey,
    NotificationRecord,
    find_notification,
    notifications_behind,
    update_notification,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.moments import render_time
from zerosum.domain.notifications import LIMIT_SPAN, HeldBack, MailKind, NotificationStatus, held_back
from zerosum.services.apart import apart
from zerosum.services.event_feed import event_types_named
from zerosum.services.notifications.limits import MailLimits

NOTIFICATIONS_AT_ONCE = 50
EVENTS_AT_ONCE = 500
PAGES_MAX = 10
"""Of one notification in one turn."""

_log = logging.getLogger(__name__)


class MailMaking:
    def __init__(self, database: Database, limits: MailLimits, now: Callable[[], datetime]) -> None:
        self._database = database
        self._limits = limits
        self._now = now

    async def make(self, ledger_ids: Sequence[UUID]) -> None:
        async with self._database.work(*ledger_ids) as connection:
            held_until = self._now() - LIMIT_SPAN
            behind = await notifications_behind(connection, ledger_ids, held_until, NOTIFICATIONS_AT_ONCE)
        for key in behind:
            with apart(_log, "no mails can be made of %s", render_id(Prefix.NOTIFICATION, key[1])):
                for _ in range(PAGES_MAX):
                    if not await self._page(key):
                        break

    async def _page(self, key: NotificationKey) -> bool:
        """Whether there is more of the feed at once."""
        ledger_id, id_ = key
        now = self._now()
        async with self._database.work(ledger_id) as connection:
            await lock_until_commit(connection, f"mails of {ledger_id}")
            record = await find_notification(connection, ledger_id, id_, is_locked=True)
            if record is None or record.status is not NotificationStatus.ENABLED:
                return False
            wanted = EventFilter(types=event_types_named(record.event_types), account_id=record.account_id)
            found, behind, has_more = await events_behind(connection, ledger_id, record.behind, wanted, EVENTS_AT_ONCE)
            made, held = await self._made(connection, record, found, now)
            await insert_mails(connection, ledger_id, id_, record.recipients, made, now)
            await update_notification(connection, replace(record, behind=behind, held=held))
        return has_more

    async def _made(
        self, connection: Connection, record: NotificationRecord, events: Sequence[RecordedEvent], now: datetime
    ) -> tuple[list[NewMails], HeldBack | None]:
        """The mails, and what is held back after them."""
        mails: list[NewMails] = []
        held = record.held
        is_due = held is not None and held.is_due(now)
        before = MailsMade(mails=0, events={})
        if is_due or (held is None and events):
            before = await mails_since(connection, record.ledger_id, now - LIMIT_SPAN)
        if held is not None and is_due and has_room_for_digest(record, before, self._limits):
            mails.append(_digest(held, now))
            before, held = replace(before, mails=before.mails + len(record.recipients)), None
        room = room_of(record, before, self._limits) if held is None and events else 0
        mails += [NewMails(kind=MailKind.EVENT, event=one.position, type=one.type) for one in events[:room]]
        return mails, held_back(held, [one.type.value for one in events[room:]], now)


def room_of(record: NotificationRecord, made: MailsMade, limits: MailLimits) -> int:
    """How many more events it may mail now."""
    of_ledger = (limits.per_ledger_and_hour - made.mails) // len(record.recipients)
    return max(0, min(record.mails_per_hour - made.events.get(record.id, 0), of_ledger))


def has_room_for_digest(record: NotificationRecord, made: MailsMade, limits: MailLimits) -> bool:
    """The first within the hour always has: a limit below the number of its recipients would keep it for ever."""
    return not made.mails or made.mails + len(record.recipients) <= limits.per_ledger_and_hour


def _digest(held: HeldBack, now: datetime) -> NewMails:
    told = {"types": dict(held.types), "since": render_time(held.since), "until": render_time(now)}
    return NewMails(kind=MailKind.DIGEST, event=FeedPosition(0, new_uuid()), digest=told)


def test_mail(event_id: UUID) -> NewMails:
    """Of no event."""
    return NewMails(kind=MailKind.TEST, event=FeedPosition(0, event_id), type=None)
