"""Use cases about notifications: make, read, change, delete and test them, and read what was mailed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.events import last_position
from zerosum.db.queries.notification_mails import MailRecord as MailRecord  # shown by the routes
from zerosum.db.queries.notification_mails import insert_mails, list_mails, mails_since
from zerosum.db.queries.notifications import NotificationRecord as NotificationRecord
from zerosum.db.queries.notifications import (
    count_notifications,
    find_notification,
    insert_notification,
    list_notifications,
    mark_deleted,
    update_notification,
)
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import (
    AccountNotFound,
    InvalidId,
    InvalidState,
    MailsNotSent,
    NotificationNotFound,
    RateLimited,
    RecipientNotAllowed,
    UnknownPlace,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.mail_addresses import is_allowed
from zerosum.domain.mail_templates import MailTemplate
from zerosum.domain.notifications import LIMIT_SPAN, NotificationStatus
from zerosum.services.audit import audit_record, audited
from zerosum.services.event_feed import event_types_named
from zerosum.services.notifications.limits import MailLimits
from zerosum.services.notifications.making import room_of, test_mail
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.quotas import check_quota

MembersOf = Callable[[Collection[str]], Container[str]]
"""What events of some types may have in `data`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationOrder:
    """What a caller wants of a notification. `account` is an id or a code."""

    name: str
    event_types: tuple[str, ...]
    account: str | None
    recipients: tuple[str, ...]
    subject: str
    body: str
    mails_per_hour: int
    is_enabled: bool


class Notifications:
    """`limits` None: the installation sends no mails. `notifications_max` is of one ledger."""

    def __init__(
        self,
        database: Database,
        directory: AccountDirectory,
        cursors: Cursors,
        now: Callable[[], datetime],
        limits: MailLimits | None,
        members_of: MembersOf,
        notifications_max: int,
    ) -> None:
        self._database = database
        self._directory = directory
        self._cursors = cursors
        self._now = now
        self._limits = limits
        self._members_of = members_of
        self._notifications_max = notifications_max

    async def create(self, caller: Caller, order: NotificationOrder) -> NotificationRecord:
        """It mails what is committed from now on.

        Raises MailsNotSent, RecipientNotAllowed, UnknownPlace, AccountNotFound, QuotaExceeded.
        """
        self._check_recipients(order.recipients)
        account_id = await self._account(caller, order.account)
        async with self._database.work(caller.ledger_id) as connection:
            there = await count_notifications(connection, caller.ledger_id)
            check_quota("notifications", 1 + there, self._notifications_max)
            record = NotificationRecord(
                ledger_id=caller.ledger_id,
                id=new_uuid(),
                name=order.name,
                event_types=order.event_types,
                account_id=account_id,
                recipients=order.recipients,
                subject=order.subject,
                body=order.body,
                mails_per_hour=order.mails_per_hour,
                status=_status(order.is_enabled),
                created_at=self._now(),
                created_by=caller.actor,
                behind=await last_position(connection, caller.ledger_id),
            )
            self._check_places(record)
            await insert_notification(connection, record)
            await self._audit(connection, AuditType.NOTIFICATION_CREATED, caller, record)
        return record

    async def get(self, caller: Caller, id_: UUID) -> NotificationRecord:
        """Raises NotificationNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            return await _found(connection, caller, id_)

    async def list(self, caller: Caller, request: PageRequest) -> Page[NotificationRecord]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_notifications(
                connection,
                caller.ledger_id,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda record: record.id)

    async def change(self, caller: Caller, id_: UUID, given: Mapping[str, Any]) -> NotificationRecord:
        """`given` holds members of a NotificationOrder. One that is enabled goes on from now.

        Raises NotificationNotFound, MailsNotSent, RecipientNotAllowed, UnknownPlace, AccountNotFound.
        """
        changes = dict(given)
        if "recipients" in changes:
            self._check_recipients(changes["recipients"])
        if "account" in changes:
            changes["account_id"] = await self._account(caller, changes.pop("account"))
        if "is_enabled" in changes:
            changes["status"] = _status(changes.pop("is_enabled"))
        async with self._database.work(caller.ledger_id) as connection:
            record = await _found(connection, caller, id_, is_locked=True)
            changed = replace(record, **changes)
            if changed == record:
                return record
            self._check_places(changed)
            if changed.status is not record.status:
                changed = replace(changed, behind=await last_position(connection, caller.ledger_id), held=None)
            await update_notification(connection, changed)
            await self._audit(connection, AuditType.NOTIFICATION_CHANGED, caller, changed, changed=sorted(given))
        return changed

    async def delete(self, caller: Caller, id_: UUID) -> None:
        """Nothing more is mailed, and what was is forgotten. Raises NotificationNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            record = await _found(connection, caller, id_, is_locked=True)
            await mark_deleted(connection, caller.ledger_id, id_)
            await self._audit(connection, AuditType.NOTIFICATION_DELETED, caller, record)

    async def test(self, caller: Caller, id_: UUID) -> int:
        """To how many recipients a test is on its way.

        Raises NotificationNotFound, MailsNotSent, RecipientNotAllowed, InvalidState, RateLimited.
        """
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            record = await _found(connection, caller, id_, is_locked=True)
            limits = self._check_recipients(record.recipients)
            if record.status is not NotificationStatus.ENABLED:
                raise InvalidState("The notification is disabled: enable it first.", state=record.status.value)
            made = await mails_since(connection, caller.ledger_id, now - LIMIT_SPAN)
            if room_of(record, made, limits) == 0:
                seconds = int(LIMIT_SPAN.total_seconds())
                raise RateLimited("It has mailed as much as it may in an hour.", limit="mails", retry_after=seconds)
            await insert_mails(connection, caller.ledger_id, id_, record.recipients, [test_mail(new_uuid())], now)
        return len(record.recipients)

    async def mails(self, caller: Caller, id_: UUID, request: PageRequest) -> Page[MailRecord]:
        """Raises NotificationNotFound, InvalidParameter."""
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            await _found(connection, caller, id_)
            found = await list_mails(
                connection,
                caller.ledger_id,
                id_,
                position.filters.get("status"),
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda record: record.id)

    def _check_recipients(self, recipients: Sequence[str]) -> MailLimits:
        if self._limits is None:
            raise MailsNotSent("Whoever runs the service has named no mail server.")
        for place, recipient in enumerate(recipients):
            if not is_allowed(recipient, self._limits.recipient_domains):
                raise RecipientNotAllowed("Mails are sent to certain domains only.", pointer=f"/recipients/{place}")
        return self._limits

    def _check_places(self, record: NotificationRecord) -> None:
        members = self._members_of(event_types_named(record.event_types))
        for pointer, template in (("/subject", record.subject), ("/text", record.body)):
            unknown = MailTemplate.parse(template).unknown(members)
            if unknown is not None:
                raise UnknownPlace(f"No event of these types has {unknown!r} in data.", pointer=pointer)

    async def _account(self, caller: Caller, reference: str | None) -> UUID | None:
        if reference is None:
            return None
        try:
            return (await self._directory.get(caller.ledger_id, reference)).id
        except (AccountNotFound, InvalidId) as refusal:
            raise refusal.at("/account") from None

    async def _audit(
        self, connection: Connection, type_: AuditType, caller: Caller, record: NotificationRecord, **facts: Any
    ) -> None:
        resource = render_id(Prefix.NOTIFICATION, record.id)
        told = {"recipients": list(record.recipients), **facts}
        await audited(connection, audit_record(type_, caller, self._now(), resource=resource, facts=told))


async def _found(connection: Connection, caller: Caller, id_: UUID, *, is_locked: bool = False) -> NotificationRecord:
    """Raises NotificationNotFound."""
    record = await find_notification(connection, caller.ledger_id, id_, is_locked=is_locked)
    if record is None:
        raise NotificationNotFound("There is no such notification.")
    return record


def _status(is_enabled: bool) -> NotificationStatus:
    return NotificationStatus.ENABLED if is_enabled else NotificationStatus.DISABLED
