"""Between whom something was paid, where an event tells of a payment or a schedule without saying it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.payments import find_payments
from zerosum.db.queries.scheduled_payments import find_schedules
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id, render_id
from zerosum.services.event_feed import ToldEvent


async def parties_of(
    connection: Connection, ledger_id: LedgerId, told: Sequence[ToldEvent]
) -> dict[UUID, Mapping[str, Any]]:
    """By event: the type, `from` and `to` of its payment or schedule. So all that is told of one has one account."""
    paid = {one.event.id: id_ for one in told if (id_ := _payment_of(one)) is not None}
    scheduled = {
        one.event.id: one.event.resource_id for one in told if one.event.resource_type is ResourceType.SCHEDULED_PAYMENT
    }
    payments = await find_payments(connection, ledger_id, sorted(set(paid.values()))) if paid else {}
    schedules = await find_schedules(connection, ledger_id, sorted(set(scheduled.values()))) if scheduled else {}
    found: dict[UUID, Mapping[str, Any]] = {}
    for event_id, id_ in [*paid.items(), *scheduled.items()]:
        about = payments.get(id_) or schedules.get(id_)
        if about is not None:
            found[event_id] = {
                "type": about.type.value,
                "from": render_id(Prefix.ACCOUNT, about.payer_id),
                "to": render_id(Prefix.ACCOUNT, about.payee_id),
            }
    return found


def _payment_of(told: ToldEvent) -> UUID | None:
    """None where the event says the parties itself, or speaks of no payment."""
    data = told.event.data
    if data is None or "from" in data:
        return None
    if told.event.resource_type is ResourceType.PAYMENT:
        return told.event.resource_id
    return parse_id(Prefix.PAYMENT, data["payment_id"]) if told.event.resource_type is ResourceType.DISPUTE else None
