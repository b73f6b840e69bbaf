"""Use cases about deliveries: read what became of events at an endpoint, and have them sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.events import position_of_event
from zerosum.db.queries.webhook_deliveries import (
    DeliveryFilter,
    find_delivery,
    list_deliveries,
    replay_delivery,
    replay_event,
    replay_range,
)
from zerosum.db.queries.webhook_deliveries import DeliveryRecord as DeliveryRecord  # shown by the routes
from zerosum.db.queries.webhook_deliveries import Replayed as Replayed
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import WebhookDeliveryNotFound
from zerosum.domain.identifiers import Prefix, parse_id, render_id
from zerosum.services.audit import AuditRecord, audit_record, audited
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import OLD_NAMES, Cursors, Page, PageRequest
from zerosum.services.requests.times import parse_filter_time
from zerosum.services.webhooks.endpoints import check_enabled, found_endpoint

REPLAY_MAX = 5_000
"""Events that one call looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """Of what was recorded from `since` on and before `until`."""

    since: datetime
    until: datetime | None
    only_undelivered: bool


class WebhookDeliveries:
    def __init__(self, database: Database, cursors: Cursors, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cursors = cursors
        self._now = now

    async def list(self, caller: Caller, endpoint_id: UUID, request: PageRequest) -> Page[DeliveryRecord]:
        """Raises WebhookEndpointNotFound, InvalidParameter, InvalidId."""
        position = self._cursors.position(caller.ledger_id, request)
        filters = position.filters
        event = filters.get("event")
        code = filters.get("code")
        wanted = DeliveryFilter(
            status=filters.get("status"),
            event_id=None if event is None else parse_id(Prefix.EVENT, event),
            type=filters.get("type"),
            status_code=None if code is None else int(code),
            start=parse_filter_time(filters, OLD_NAMES["from"]),
            end=parse_filter_time(filters, OLD_NAMES["to"]),
        )
        async with self._database.work(caller.ledger_id) as connection:
            await found_endpoint(connection, caller, endpoint_id)
            found, looked_to = await list_deliveries(
                connection,
                caller.ledger_id,
                endpoint_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(
            caller.ledger_id, request, position, found, lambda record: record.event_id, looked_to=looked_to
        )

    async def replay_one(self, caller: Caller, endpoint_id: UUID, event_id: UUID) -> DeliveryRecord:
        """Sent again as soon as what is before it of its resource was; also what was never meant for the endpoint.

        Raises WebhookEndpointNotFound, WebhookDeliveryNotFound, InvalidState of an endpoint that is disabled.
        """
        now, ledger_id = self._now(), caller.ledger_id
        async with self._database.work(ledger_id) as connection:
            check_enabled(await found_endpoint(connection, caller, endpoint_id, is_locked=True))
            position = await position_of_event(connection, ledger_id, event_id)
            if position is not None:
                await replay_event(connection, ledger_id, endpoint_id, event_id, position.xid, now)
            else:
                await replay_delivery(connection, ledger_id, endpoint_id, event_id, now)
            record = await find_delivery(connection, ledger_id, endpoint_id, event_id)
            if record is None:
                raise WebhookDeliveryNotFound("This ledger has no such event.")
            await audited(connection, _replayed(caller, now, endpoint_id, 1, event_id))
        return record

    async def replay(self, caller: Caller, endpoint_id: UUID, order: ReplayOrder) -> Replayed:
        """What the endpoint wants of a span of time. Raises WebhookEndpointNotFound, InvalidState."""
        now = self._now()
        async with self._database.work(caller.ledger_id) as connection:
            # Whoever delivers passes over an endpoint that is locked, and does not wait for the rows of a long span.
            endpoint = await found_endpoint(connection, caller, endpoint_id, is_locked=True)
            check_enabled(endpoint)
            replayed = await replay_range(
                connection,
                caller.ledger_id,
                endpoint_id,
                endpoint.event_types,
                order.since,
                order.until or now,
                now,
                only_undelivered=order.only_undelivered,
                at_once=REPLAY_MAX,
            )
            await audited(connection, _replayed(caller, now, endpoint_id, replayed.number))
        return replayed


def _replayed(
    caller: Caller, now: datetime, endpoint_id: UUID, events: int, event_id: UUID | None = None
) -> AuditRecord:
    facts = {} if event_id is None else {"event": render_id(Prefix.EVENT, event_id)}
    resource = render_id(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
    return audit_record(
        AuditType.WEBHOOK_EVENTS_REPLAYED, caller, now, resource=resource, facts={"events": events, **facts}
    )
