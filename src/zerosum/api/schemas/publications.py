"""A publication as operators see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from zerosum.api.render import render_time
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.publications.positions import PublicationState


def publication_body(state: PublicationState, now: datetime) -> dict[str, Any]:
    """`lag_seconds` is how long the first event has waited that is not published; 0 where all are."""
    record, publication, since = state.record, state.record.publication, state.waiting_since
    lag = 0.0 if since is None else max(0.0, (now - since).total_seconds())
    is_held = record.held_until is not None and record.held_until > now
    return {
        "name": publication.name,
        "ledger": render_id(Prefix.LEDGER, record.ledger_id),
        "target": publication.target,
        "topic": publication.topic.text,
        "key": publication.key.value,
        "types": list(publication.types),
        "after": render_id(Prefix.EVENT, record.position.id) if record.position.id.int else None,
        "moved_at": None if record.moved_at is None else render_time(record.moved_at),
        "published": record.published,
        "lag_seconds": round(lag, 3),
        "obstacle": record.obstacle,
        "publisher": record.holder if is_held else None,
    }
