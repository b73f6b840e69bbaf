"""How attempts have ended: written together, and what that means for their endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.events import insert_events
from zerosum.db.queries.webhook_dispatch import (
    AttemptResult,
    ClaimedDelivery,
    give_back,
    must_last,
    need_not_last,
    write_results,
)
from zerosum.db.queries.webhook_endpoints import EndpointRecord, find_endpoints, lock_endpoints, update_endpoint
from zerosum.domain.events import EventType
from zerosum.domain.webhooks import DeliveryStatus, DisabledReason, EndpointStatus
from zerosum.services.webhooks.announcing import endpoint_event
from zerosum.services.webhooks.endpoints import disabled

GONE = 410

NOT_READABLE = "not_readable"
OURS = frozenset({NOT_READABLE, "names_busy"})
"""What could not be sent for a reason of ours, which says nothing of its endpoint."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """`locked` are endpoints that somebody else had: of these nothing is written yet. `disabled` is to be parked."""

    locked: frozenset[UUID]
    disabled: Sequence[EndpointRecord]


async def record_results(
    database: Database, results: Sequence[AttemptResult], returned: Sequence[ClaimedDelivery], now: datetime
) -> Recorded:
    """One unit of work for all of them, and for what is given back unsent."""
    endpoints = {result.delivery.endpoint for result in results} | {delivery.endpoint for delivery in returned}
    switched_off: list[EndpointRecord] = []
    async with database.work(*{ledger_id for ledger_id, _ in endpoints}) as connection:
        await need_not_last(connection)
        ours = await lock_endpoints(connection, endpoints)
        others = {key for key in endpoints if key[1] not in ours}
        # What is not among them either is deleted: what became of its deliveries is written all the same.
        locked = frozenset(await find_endpoints(connection, others)) if others else frozenset[UUID]()
        results = [result for result in results if result.delivery.endpoint_id not in locked]
        await write_results(connection, results, now)
        await give_back(connection, [delivery for delivery in returned if delivery.endpoint_id not in locked])
        own: dict[UUID, list[AttemptResult]] = {}
        for result in results:
            own.setdefault(result.delivery.endpoint_id, []).append(result)
        for id_, before in ours.items():
            after = judged(before, own.get(id_, ()), now)
            if after == before:
                continue
            await update_endpoint(connection, after)
            if after.status is not before.status:
                switched_off.append(after)
                await must_last(connection)
                await insert_events(connection, [endpoint_event(EventType.WEBHOOK_ENDPOINT_DISABLED, after, now)])
            elif after.health.is_told and not before.health.is_told:
                await must_last(connection)
                await insert_events(connection, [endpoint_event(EventType.WEBHOOK_ENDPOINT_FAILING, after, now)])
    return Recorded(locked, switched_off)


def judged(endpoint: EndpointRecord, results: Sequence[AttemptResult], now: datetime) -> EndpointRecord:
    """The endpoint after these attempts, in the order in which they ended."""
    health = endpoint.health
    for result in results:
        if is_failure(result):
            health = health.failed(now)
        elif result.status is DeliveryStatus.DELIVERED:
            health = health.succeeded()
    if endpoint.status is not EndpointStatus.ENABLED:
        return endpoint
    if any(result.status_code == GONE for result in results):
        return disabled(replace(endpoint, health=health), DisabledReason.GONE, now)
    if health.is_to_be_disabled(now):
        return disabled(replace(endpoint, health=health), DisabledReason.ONLY_FAILURES, now)
    return replace(endpoint, health=replace(health, is_told=True) if health.is_to_be_told(now) else health)


def is_failure(result: AttemptResult) -> bool:
    """Of the endpoint."""
    return result.status is not DeliveryStatus.DELIVERED and result.error not in OURS
