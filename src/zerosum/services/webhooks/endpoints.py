"""Use cases about webhook endpoints: make, read, change, delete, switch off and on, and give a new secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zerosum.adapters import address_guard
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.events import insert_events, last_position
from zerosum.db.queries.webhook_deliveries import insert_ping
from zerosum.db.queries.webhook_endpoints import EndpointRecord as EndpointRecord  # shown by the routes
from zerosum.db.queries.webhook_endpoints import (
    count_endpoints,
    delete_endpoint,
    find_endpoint,
    insert_endpoint,
    list_endpoints,
    park_until_now,
    update_endpoint,
)
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import InvalidState, Overloaded, UrlNotAllowed, WebhookEndpointNotFound
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.webhooks import HEALTHY, DisabledReason, EndpointStatus
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.quotas import check_quota
from zerosum.services.webhooks.announcing import endpoint_event, shown_address
from zerosum.services.webhooks.parking import park
from zerosum.services.webhooks.secrets import EndpointSecrets
from zerosum.services.webhooks.signing import make_secret, secret_text

CheckUrl = Callable[[str], Awaitable[None]]
"""Raises address_guard.UrlNotAllowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOrder:
    """What a caller wants of an endpoint. `event_types` None: all."""

    url: str
    description: str | None = None
    event_types: tuple[str, ...] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class WebhookEndpoints:
    """`endpoints_max` is of one ledger."""

    def __init__(
        self,
        database: Database,
        secrets: EndpointSecrets,
        check_url: CheckUrl,
        cursors: Cursors,
        now: Callable[[], datetime],
        endpoints_max: int,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._check_url = check_url
        self._cursors = cursors
        self._now = now
        self._endpoints_max = endpoints_max

    async def create(self, caller: Caller, order: EndpointOrder) -> tuple[EndpointRecord, str]:
        """It gets what is committed from now on. The text of its secret is shown now and never again.

        Raises UrlNotAllowed, QuotaExceeded.
        """
        await self._check(order.url)
        now, id_, secret = self._now(), new_uuid(), make_secret()
        record = EndpointRecord(
            ledger_id=caller.ledger_id,
            id=id_,
            url=order.url,
            description=order.description,
            event_types=order.event_types,
            header_names=tuple(sorted(order.headers)),
            sealed_headers=await self._secrets.seal_headers(caller.ledger_id, id_, order.headers),
            sealed_secret=await self._secrets.seal_secret(caller.ledger_id, id_, secret),
            created_at=now,
            created_by=caller.actor,
            health=HEALTHY,
        )
        async with self._database.work(caller.ledger_id) as connection:
            there = await count_endpoints(connection, caller.ledger_id)
            check_quota("webhook_endpoints", 1 + there, self._endpoints_max)
            await insert_endpoint(connection, record, await last_position(connection, caller.ledger_id))
            await self._audit(connection, AuditType.WEBHOOK_ENDPOINT_CREATED, caller, record)
        return record, secret_text(secret)

    async def get(self, caller: Caller, id_: UUID) -> EndpointRecord:
        """Raises WebhookEndpointNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            return await found_endpoint(connection, caller, id_)

    async def list(self, caller: Caller, request: PageRequest) -> Page[EndpointRecord]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_endpoints(
                connection,
                caller.ledger_id,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda record: record.id)

    async def change(self, caller: Caller, id_: UUID, given: Mapping[str, Any]) -> EndpointRecord:
        """`given` holds members of an EndpointOrder. Raises WebhookEndpointNotFound, UrlNotAllowed."""
        changes = dict(given)
        if "url" in changes:
            await self._check(changes["url"])
        if "headers" in changes:
            headers = changes.pop("headers")
            changes["header_names"] = tuple(sorted(headers))
            changes["sealed_headers"] = await self._secrets.seal_headers(caller.ledger_id, id_, headers)
        async with self._database.work(caller.ledger_id) as connection:
            record = await found_endpoint(connection, caller, id_, is_locked=True)
            changed = replace(record, **changes)
            if changed == record:
                return record
            if changed.url != record.url:
                changed = replace(changed, health=HEALTHY)
            await update_endpoint(connection, changed)
            await self._audit(connection, AuditType.WEBHOOK_ENDPOINT_CHANGED, caller, changed, changed=sorted(given))
        return changed

    async def delete(self, caller: Caller, id_: UUID) -> None:
        """Nothing more is sent to it. Raises WebhookEndpointNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            record = await found_endpoint(connection, caller, id_, is_locked=True)
            await delete_endpoint(connection, caller.ledger_id, id_)
            await self._audit(connection, AuditType.WEBHOOK_ENDPOINT_DELETED, caller, record)

    async def rotate_secret(self, caller: Caller, id_: UUID, overlap: timedelta) -> tuple[EndpointRecord, str]:
        """Both secrets sign as long as they overlap. Raises WebhookEndpointNotFound, QuotaExceeded, InvalidState."""
        now, secret = self._now(), make_secret()
        before = await self.get(caller, id_)
        rotated = await self._secrets.rotated(before, secret, now, overlap)
        async with self._database.work(caller.ledger_id) as connection:
            record = await found_endpoint(connection, caller, id_, is_locked=True)
            if record.sealed_secret != before.sealed_secret:
                raise InvalidState("The secret was changed by somebody else at the same time.")
            record = replace(
                record,
                sealed_secret=rotated.sealed_secret,
                sealed_previous_secret=rotated.sealed_previous_secret,
                previous_secret_until=rotated.previous_secret_until,
            )
            await update_endpoint(connection, record)
            await insert_events(connection, [endpoint_event(EventType.WEBHOOK_ENDPOINT_SECRET_ROTATED, record, now)])
            await self._audit(connection, AuditType.WEBHOOK_SECRET_ROTATED, caller, record)
        return record, secret_text(secret)

    async def enable(self, caller: Caller, id_: UUID) -> EndpointRecord:
        """It gets what is committed from now on; what fell due meanwhile is parked, until it is replayed.

        Raises WebhookEndpointNotFound, UrlNotAllowed; Overloaded while there is too much of that to be parked at once.
        """
        record = await self.get(caller, id_)
        await self._check(record.url)
        if record.status is EndpointStatus.DISABLED and not await park(self._database, caller.ledger_id, id_):
            raise Overloaded("What fell due while it was disabled is still being parked: enable it again in a while.")
        async with self._database.work(caller.ledger_id) as connection:
            record = await found_endpoint(connection, caller, id_, is_locked=True)
            if record.status is EndpointStatus.ENABLED:
                return record
            record = replace(
                record, status=EndpointStatus.ENABLED, disabled_reason=None, disabled_at=None, health=HEALTHY
            )
            await update_endpoint(connection, record)
            await park_until_now(connection, caller.ledger_id, id_)
            await self._audit(connection, AuditType.WEBHOOK_ENDPOINT_ENABLED, caller, record)
        return record

    async def disable(self, caller: Caller, id_: UUID) -> EndpointRecord:
        """Raises WebhookEndpointNotFound."""
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            record = await found_endpoint(connection, caller, id_, is_locked=True)
            if record.status is EndpointStatus.DISABLED:
                return record
            record = disabled(record, DisabledReason.BY_REQUEST, now)
            await update_endpoint(connection, record)
            await insert_events(connection, [endpoint_event(EventType.WEBHOOK_ENDPOINT_DISABLED, record, now)])
            await self._audit(connection, AuditType.WEBHOOK_ENDPOINT_DISABLED, caller, record)
        await park(self._database, caller.ledger_id, id_)
        return record

    async def ping(self, caller: Caller, id_: UUID) -> UUID:
        """The id of an event that is sent to this endpoint alone, and is in no feed.

        Raises WebhookEndpointNotFound, InvalidState of one that is disabled.
        """
        event_id = new_uuid()
        async with self._database.work(caller.ledger_id) as connection:
            record = await found_endpoint(connection, caller, id_, is_locked=True)
            check_enabled(record)
            await insert_ping(connection, caller.ledger_id, id_, event_id, self._now())
        return event_id

    async def _check(self, url: str) -> None:
        try:
            await self._check_url(url)
        except address_guard.UrlNotAllowed as refusal:
            raise UrlNotAllowed(str(refusal), pointer="/url") from None

    async def _audit(
        self, connection: Connection, type_: AuditType, caller: Caller, record: EndpointRecord, **facts: Any
    ) -> None:
        resource = render_id(Prefix.WEBHOOK_ENDPOINT, record.id)
        told = audit_record(
            type_, caller, self._now(), resource=resource, facts={"url": shown_address(record.url), **facts}
        )
        await audited(connection, told)


async def found_endpoint(
    connection: Connection, caller: Caller, id_: UUID, *, is_locked: bool = False
) -> EndpointRecord:
    """Raises WebhookEndpointNotFound."""
    record = await find_endpoint(connection, caller.ledger_id, id_, is_locked=is_locked)
    if record is None:
        raise WebhookEndpointNotFound("There is no such webhook endpoint.")
    return record


def check_enabled(record: EndpointRecord) -> None:
    """Raises InvalidState."""
    if record.status is not EndpointStatus.ENABLED:
        raise InvalidState("The endpoint is disabled: enable it first.", state=record.status.value)


def disabled(record: EndpointRecord, reason: DisabledReason, now: datetime) -> EndpointRecord:
    return replace(record, status=EndpointStatus.DISABLED, disabled_reason=reason, disabled_at=now)
