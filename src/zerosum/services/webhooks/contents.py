"""What deliveries tell: events as the feed has them, and pings, which are in no feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.identifiers import made_at
from zerosum.db.queries.events import FeedPosition, RecordedEvent
from zerosum.db.queries.webhook_dispatch import ClaimedDelivery
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import LedgerId
from zerosum.services.event_feed import ToldEvent, readable_events_at


async def contents_of(connection: Connection, claimed: Sequence[ClaimedDelivery]) -> dict[UUID, ToldEvent]:
    """The events, looked up once for all endpoints that get one."""
    return await readable_events_at(
        connection,
        [
            (one.ledger_id, FeedPosition(one.event_xid, one.event_id))
            for one in claimed
            if one.type is not EventType.WEBHOOK_ENDPOINT_PING
        ],
    )


def ping_event(delivery: ClaimedDelivery, content: dict[str, Any]) -> ToldEvent:
    event = RecordedEvent(
        position=FeedPosition(0, delivery.event_id),
        id=delivery.event_id,
        type=delivery.type,
        created_at=made_at(delivery.event_id),
        resource_type=delivery.resource_type,
        resource_id=delivery.endpoint_id,
        data=content,
    )
    return ToldEvent(ledger_id=LedgerId(delivery.ledger_id), event=event, resource=None, account_versions={})
