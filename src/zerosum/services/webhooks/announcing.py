"""What the feed tells of an endpoint, and the events that are about one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.events import NewEvent
from zerosum.db.queries.webhook_endpoints import EndpointRecord
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.moments import render_time


def endpoint_content(record: EndpointRecord) -> dict[str, Any]:
    """All that anybody is shown of it: nothing that is secret."""

    def time(moment: datetime | None) -> str | None:
        return None if moment is None else render_time(moment)

    return {
        "id": render_id(Prefix.WEBHOOK_ENDPOINT, record.id),
        "url": record.url,
        "description": record.description,
        "event_types": None if record.event_types is None else list(record.event_types),
        "header_names": list(record.header_names),
        "status": record.status.value,
        "disabled_reason": None if record.disabled_reason is None else record.disabled_reason.value,
        "disabled_at": time(record.disabled_at),
        "failing_since": time(record.health.failing_since),
        "paused_until": time(record.health.paused_until),
        "previous_secret_until": time(record.previous_secret_until),
        "created_at": render_time(record.created_at),
        "created_by": record.created_by,
    }


def shown_address(url: str) -> str:
    """Where it goes, without what many receivers take for a secret: the path, and what stands behind it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def endpoint_event(type_: EventType, record: EndpointRecord, now: datetime) -> NewEvent:
    return NewEvent(
        ledger_id=record.ledger_id,
        id=new_uuid(),
        type=type_,
        resource_type=ResourceType.WEBHOOK_ENDPOINT,
        resource_id=record.id,
        created_at=now,
        data={**endpoint_content(record), "url": shown_address(record.url)},
    )
