"""All that has happened to a payment, read together: for people who ask what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.disputes import DisputeFilter, RecordedDispute, list_disputes
from zerosum.db.queries.holds import RecordedHold, find_hold
from zerosum.db.queries.journal import RecordedEntry, find_entries
from zerosum.db.queries.payment_lives import (
    DeliveryTold,
    EventTold,
    deliveries_of_events,
    events_of_entries,
    hold_of_entry,
)
from zerosum.db.queries.payments import RecordedPayment, find_payments
from zerosum.db.queries.processor_calls import RecordedCall, RecordedCallback, callbacks_of, find_call
from zerosum.db.queries.processor_moves import RecordedMove, moves_of
from zerosum.db.queries.refunds import RecordedRefund, find_refund, list_refunds
from zerosum.db.queries.reviews import RecordedReview, reviews_as_decided
from zerosum.domain.errors import NotFound, PaymentNotFound
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR
from zerosum.services.requests.caller import Caller

ENTRIES_SHOWN_MAX = 50
"""Journal entries of one payment, the oldest: with them all that hangs on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLife:
    """`entries` are in the order in which they were posted, `call` is what is asked of an outside processor, and
    `moves` are those that were left before."""

    payment: RecordedPayment
    entries: Sequence[RecordedEntry]
    has_more_entries: bool
    review: RecordedReview | None
    hold: RecordedHold | None
    call: RecordedCall | None
    moves: Sequence[RecordedMove]
    callbacks: Sequence[RecordedCallback]
    refunds: Sequence[RecordedRefund]
    disputes: Sequence[RecordedDispute]
    events: Sequence[EventTold]
    deliveries: Sequence[DeliveryTold]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLife:
    """The same of a refund, which is of `payment`."""

    refund: RecordedRefund
    payment: RecordedPayment
    entries: Sequence[RecordedEntry]
    call: RecordedCall | None
    callbacks: Sequence[RecordedCallback]
    events: Sequence[EventTold]
    deliveries: Sequence[DeliveryTold]


class PaymentLives:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, caller: Caller, payment_id: UUID) -> PaymentLife:
        """Raises PaymentNotFound."""
        ledger_id = caller.ledger_id
        async with self._database.work(ledger_id) as connection:
            found = await find_payments(connection, ledger_id, [payment_id])
            if payment_id not in found:
                raise PaymentNotFound("This ledger has no such payment.")
            return await _life(connection, ledger_id, found[payment_id])

    async def refund(self, caller: Caller, refund_id: UUID) -> RefundLife:
        """Raises NotFound."""
        ledger_id = caller.ledger_id
        async with self._database.work(ledger_id) as connection:
            refund = await find_refund(connection, ledger_id, refund_id)
            if refund is None:
                raise NotFound("This ledger has no such refund.")
            payment = (await find_payments(connection, ledger_id, [refund.payment_id]))[refund.payment_id]
            return await _refund_life(connection, ledger_id, refund, payment)


async def _refund_life(
    connection: Connection, ledger_id: UUID, refund: RecordedRefund, payment: RecordedPayment
) -> RefundLife:
    """Its entry, and the one that settled it, where a processor was asked."""
    ids = [refund.id] if refund.settlement is None else [refund.id, refund.settlement.entry_id]
    entries = await find_entries(connection, ledger_id, ids)
    events = await events_of_entries(connection, ledger_id, ids)
    return RefundLife(
        refund=refund,
        payment=payment,
        entries=sorted(entries.values(), key=lambda entry: (entry.posted_at, entry.id)),
        call=await find_call(connection, ledger_id, refund.id),
        callbacks=await callbacks_of(connection, ledger_id, refund.id),
        events=events,
        deliveries=await deliveries_of_events(connection, ledger_id, {event.id for event in events}),
    )


async def _life(connection: Connection, ledger_id: UUID, payment: RecordedPayment) -> PaymentLife:
    ids = [payment.id, *payment.further_ids][:ENTRIES_SHOWN_MAX]
    entries = await find_entries(connection, ledger_id, ids)
    held = await hold_of_entry(connection, ledger_id, payment.id)
    is_outside = payment.processor != INTERNAL_PROCESSOR
    decided = await reviews_as_decided(connection, ledger_id, [payment.id])
    of_payment, most = DisputeFilter(payment_id=payment.id), ENTRIES_SHOWN_MAX
    events = await events_of_entries(connection, ledger_id, ids)
    return PaymentLife(
        payment=payment,
        entries=sorted(entries.values(), key=lambda entry: (entry.posted_at, entry.id)),
        has_more_entries=len(payment.further_ids) >= ENTRIES_SHOWN_MAX,
        review=decided.get(payment.id),
        hold=None if held is None else await find_hold(connection, ledger_id, held),
        call=await find_call(connection, ledger_id, payment.id) if is_outside else None,
        moves=await moves_of(connection, ledger_id, payment.id) if is_outside else (),
        callbacks=await callbacks_of(connection, ledger_id, payment.id) if is_outside else (),
        refunds=await list_refunds(connection, ledger_id, payment.id, after=None, limit=most, is_ascending=True),
        disputes=await list_disputes(connection, ledger_id, of_payment, after=None, limit=most, is_ascending=True),
        events=events,
        deliveries=await deliveries_of_events(connection, ledger_id, {event.id for event in events}),
    )
