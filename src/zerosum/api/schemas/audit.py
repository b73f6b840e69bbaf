"""The security log on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import EXAMPLE_UUID, Response, Time, id_field
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.services.audit import AuditRecord
from zerosum.services.audit_feed import PLACE_PATTERN_TEXT, AuditFeedPage, render_place


class AuditRecordResponse(Response):
    """What somebody did, or was refused."""

    id: Annotated[str, id_field(Prefix.AUDIT_RECORD, "The record.")]
    ledger: Annotated[
        Annotated[str, id_field(Prefix.LEDGER, "The ledger.")] | None,
        Field(description="Whose log it is in; null means the service's own, which operators alone read."),
    ]
    recorded_at: Annotated[Time, Field(description="When.")]
    type: Annotated[AuditType, Field(description="What happened.", examples=["api_key.created"])]
    actor: Annotated[str | None, Field(description="Who; null where nobody knows.", examples=["command|root"])]
    address: Annotated[
        str | None, Field(description="From where; null for a command on the machine.", examples=["192.0.2.7"])
    ]
    request_id: Annotated[str | None, Field(description="The request's id, where it was one.", examples=[None])]
    resource: Annotated[str | None, Field(description="What it was done to.", examples=["key_01994f3e-…"])]
    reason: Annotated[str | None, Field(description="Why: as it was given, or why it was refused.", examples=[None])]
    occurrences: Annotated[int, Field(description="How often; above 1 where several were counted together.", ge=1)]
    facts: Annotated[dict[str, Any], Field(description="What else explains it, by type.", examples=[{"name": "x"}])]


class PlacedAuditRecordResponse(AuditRecordResponse):
    """A record, and where it lies in the feed."""

    place: Annotated[
        str,
        Field(
            description="Behind it: `after` of who has it.",
            pattern=PLACE_PATTERN_TEXT,
            examples=[f"4711-{EXAMPLE_UUID}"],
        ),
    ]


class AuditFeedResponse(Response):
    """Records, the oldest first. Ask again with `after` and the last place, or with `next_after`."""

    data: Annotated[list[PlacedAuditRecordResponse], Field(description="The records of this page.")]
    has_more: Annotated[bool, Field(description="Whether there may be more already.")]
    next_after: Annotated[str, Field(description="How far was looked: `after` of the next page.")]


def audit_feed_body(page: AuditFeedPage) -> dict[str, Any]:
    return {
        "data": [audit_body(one.record) | {"place": render_place(one.place)} for one in page.records],
        "has_more": page.has_more,
        "next_after": render_place(page.behind),
    }


def audit_body(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.AUDIT_RECORD, record.id),
        "ledger": None if record.ledger_id == SERVICE_LEDGER else render_id(Prefix.LEDGER, record.ledger_id),
        "recorded_at": render_time(record.recorded_at),
        "type": record.type.value,
        "actor": record.actor,
        "address": record.address,
        "request_id": record.request_id,
        "resource": record.resource,
        "reason": record.reason,
        "occurrences": record.occurrences,
        "facts": dict(record.facts),
    }
