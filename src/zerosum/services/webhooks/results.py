"""How attempts have ended: written together, and what that means for their endpoints."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

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
from zerosum.db.queries.webhook_endpoints import EndpointRecord, lock_endpoints, update_endpoint
from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType
from zerosum.domain.webhooks import DeliveryStatus, DisabledReason, EndpointStatus
from zerosum.services.webhooks.announcing import endpoint_event
from zerosum.services.webhooks.endpoints import disabled
from zerosum.services.webhooks.parking import park_all

_log = logging.getLogger(__name__)

GONE = 410

NOT_READABLE = "not_readable"
"""What could not be sent for a reason of ours, which says nothing of its endpoint."""


async def record_results(
    database: Database, results: Sequence[AttemptResult], returned: Sequence[ClaimedDelivery], now: datetime
) -> None:
    """One unit of work for all of them, and for what is given back unsent; what it disables is parked behind it."""
    endpoints = {result.delivery.endpoint for result in results} | {delivery.endpoint for delivery in returned}
    switched_off: list[EndpointRecord] = []
    async with database.work(*{ledger_id for ledger_id, _ in endpoints}) as connection:
        await need_not_last(connection)
        locked = await lock_endpoints(connection, endpoints)
        await write_results(connection, results, now)
        await give_back(connection, returned)
        for id_, before in locked.items():
            own = [result for result in results if result.delivery.endpoint_id == id_]
            after = judged(before, own, now)
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
    for endpoint in switched_off:
        try:
            await park_all(database, endpoint.ledger_id, endpoint.id)
        except DomainError as error:
            # Nothing is claimed of it any more, and whoever enables it parks the rest first.
            _log.warning("what we_%s still waits for is parked later: %s", endpoint.id, error.code)


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
    return result.status is not DeliveryStatus.DELIVERED and result.error != NOT_READABLE
