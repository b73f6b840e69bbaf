"""How the service is, on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum import __version__
from zerosum.api.render import render_time
from zerosum.api.schemas.fields import OneOf, Response, Time
from zerosum.services.status.board import Status
from zerosum.services.status.checks import State
from zerosum.services.status.found import COUNTED_MAX, Found

AnyState = Annotated[str, OneOf(State)]
Seconds = Annotated[float | None, Field(ge=0, examples=[0.0])]
Count = Annotated[int | None, Field(ge=0, le=COUNTED_MAX * 200, examples=[0])]


class CheckResponse(Response):
    """Something that was looked at."""

    name: Annotated[str, Field(description="What; stable, for programs.", examples=["trial_balance"])]
    state: Annotated[AnyState, Field(description="How that is.")]
    detail: Annotated[str, Field(description="What was seen, for people.", examples=["zero, over 12 accounts"])]


class ProofResponse(Response):
    """How the books prove themselves. Members are null where nothing is known."""

    differences: Annotated[
        dict[str, str] | None,
        Field(description="By currency, what debits are above credits; empty where all is zero.", examples=[{}]),
    ]
    accounts: Annotated[int | None, Field(description="How many were added up.", ge=0)]
    as_of: Annotated[Time | None, Field(description="When; at most half a minute ago.")]
    audit_differences: Annotated[int | None, Field(description="What the self-audit has found.", ge=0)]
    audit_completed_at: Annotated[Time | None, Field(description="When it last came through all ledgers.")]
    audit_begun_at: Annotated[Time | None, Field(description="When the pass that is under way was begun.")]
    audit_age_seconds: Annotated[Seconds, Field(description="Since it last came through all ledgers.")]


class LagResponse(Response):
    """How long what waits longest has waited, in seconds."""

    events: Annotated[Seconds, Field(description="The oldest event that cannot be read yet.")]
    webhooks: Annotated[Seconds, Field(description="The oldest delivery that is due.")]
    publications: Annotated[Seconds, Field(description="The oldest event that is not published.")]
    ingest: Annotated[Seconds, Field(description="The oldest message that is tried again, or waits behind one.")]


class WaitingResponse(Response):
    """What waits for somebody. A thousand of a kind and ledger means so many or more."""

    dead_letters: Annotated[Count, Field(description="Messages that could not be carried out.")]
    messages_waiting: Annotated[Count, Field(description="Messages that are tried again, or wait behind one.")]
    reviews_waiting: Annotated[Count, Field(description="Payments held for review.")]
    parked_calls: Annotated[Count, Field(description="Processor calls that wait for a person.")]
    breaks_open: Annotated[Count, Field(description="Open breaks of reconciliation.")]
    webhooks_due: Annotated[Count, Field(description="Deliveries that are due.")]
    webhooks_not_sent: Annotated[Count, Field(description="Deliveries that have failed or are parked.")]
    endpoints_failing: Annotated[
        Count, Field(description="Webhook endpoints that fail for ten minutes or more, or were disabled for it.")
    ]


class ServerResponse(Response):
    """PostgreSQL."""

    version: Annotated[str, Field(description="As it says it.", examples=["16.4"])]
    connections: Annotated[int, Field(description="Of clients, of all databases.", ge=0)]
    connections_max: Annotated[int, Field(description="That it takes.", ge=1)]
    oldest_transaction_seconds: Annotated[float, Field(description="As far as our role may see it.", ge=0)]


class StatusResponse(Response):
    """How the service is, and what waits in the ledgers that the caller sees."""

    state: Annotated[AnyState, Field(description="That of the worst check.")]
    as_of: Annotated[Time, Field(description="When it was looked up.")]
    version: Annotated[str, Field(description="Of the service.", examples=[__version__])]
    ready: Annotated[bool, Field(description="Whether it takes payments now.")]
    ledgers: Annotated[int, Field(description="How many it is about: one, or for an operator the newest 200.", ge=0)]
    redis: Annotated[str, Field(description="up, away or none.", examples=["up"])]
    queued_commands: Annotated[int | None, Field(description="That wait for the committer, in all processes.", ge=0)]
    requests_in_flight: Annotated[int | None, Field(description="That are being answered, in all processes.", ge=0)]
    proof: Annotated[ProofResponse, Field(description="How the books prove themselves.")]
    lag_seconds: Annotated[LagResponse, Field(description="How far what leaves the service is behind.")]
    waiting: Annotated[WaitingResponse, Field(description="What waits for somebody.")]
    postgresql: Annotated[ServerResponse | None, Field(description="The database; null where it is away.")]
    checks: Annotated[list[CheckResponse], Field(description="What was looked at, and how each is.")]


def status_body(status: Status) -> dict[str, Any]:
    found = status.found
    counts = {} if found.waiting is None else dict(found.waiting.counts)
    server = found.server
    return {
        "state": status.state.value,
        "as_of": render_time(found.as_of),
        "version": __version__,
        "ready": found.is_ready,
        "ledgers": found.ledgers,
        "redis": found.load.redis,
        "queued_commands": found.load.queued_commands,
        "requests_in_flight": found.load.requests_in_flight,
        "proof": _proof_body(found),
        "lag_seconds": _lag_body(found),
        "waiting": {name: counts.get(name) for name in WaitingResponse.model_fields},
        "postgresql": None
        if server is None
        else {
            "version": server.version,
            "connections": server.connections,
            "connections_max": server.connections_max,
            "oldest_transaction_seconds": round(server.oldest_transaction_seconds, 3),
        },
        "checks": [{"name": check.name, "state": check.state.value, "detail": check.detail} for check in status.checks],
    }


def _proof_body(found: Found) -> dict[str, Any]:
    balance, audit = found.trial_balance, found.audit
    completed_at = None if audit is None else audit.completed_at
    differences = None if balance is None else balance.differences
    return {
        "differences": None if differences is None else {name: f"{one:f}" for name, one in differences.items()},
        "accounts": None if balance is None else balance.accounts,
        "as_of": None if balance is None else render_time(balance.as_of),
        "audit_differences": None if audit is None else audit.differences,
        "audit_completed_at": None if completed_at is None else render_time(completed_at),
        "audit_begun_at": None if audit is None else render_time(audit.begun_at),
        "audit_age_seconds": None if completed_at is None else round(found.seconds_since(completed_at), 3),
    }


def _lag_body(found: Found) -> dict[str, Any]:
    waiting = found.waiting
    if waiting is None:
        return dict.fromkeys(LagResponse.model_fields)
    published = min((one.waiting_since for one in found.publications if one.waiting_since), default=None)
    since = (waiting.event_since, found.webhooks_since, published, waiting.message_since)
    return {
        name: round(found.seconds_since(moment), 3)
        for name, moment in zip(LagResponse.model_fields, since, strict=True)
    }
