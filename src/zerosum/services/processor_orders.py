"""What a processor is asked for a call: the payment or the refund as it is told to it, and how that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from zerosum.adapters.processors import (
    Processor,
    ProcessorAnswer,
    ProcessorOrder,
    ProcessorRefundOrder,
    RefundingProcessor,
)
from zerosum.db.engine import Database
from zerosum.db.queries.processor_calls import (
    ClaimedCall,
    RefundTexts,
    SaidOfPayment,
    texts_of_payments,
    texts_of_refunds,
)
from zerosum.domain.commands import NO_METADATA
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.payment import NO_TEXTS
from zerosum.domain.payments.processor_calls import call_key

Order = ProcessorOrder | ProcessorRefundOrder

_NOTHING_PAID = SaidOfPayment(NO_TEXTS, NO_METADATA)
_NOTHING_SAID = RefundTexts(None, None, NO_METADATA)


class GivesNothingBack(Exception):
    """The processor cannot be asked for refunds as it is described now."""


async def orders_of(database: Database, calls: Sequence[ClaimedCall]) -> list[tuple[ClaimedCall, Order]]:
    """Each call with what is to be asked for it."""
    by_ledger: dict[UUID, list[ClaimedCall]] = {}
    for call in calls:
        by_ledger.setdefault(call.ledger_id, []).append(call)
    found: list[tuple[ClaimedCall, Order]] = []
    for ledger_id, own in by_ledger.items():
        refunds = [call for call in own if call.refunded_payment_id is not None]
        payments = [call for call in own if call.refunded_payment_id is None]
        async with database.work(ledger_id) as connection:
            said = await texts_of_payments(connection, ledger_id, [call.id for call in payments])
            wanted = await texts_of_refunds(connection, ledger_id, [call.id for call in refunds]) if refunds else {}
        found += [(call, _payment(call, said.get(call.id, _NOTHING_PAID))) for call in payments]
        found += [(call, _refund(call, wanted.get(call.id, _NOTHING_SAID))) for call in refunds]
    return found


def carry_out(processor: Processor, order: Order) -> ProcessorAnswer:
    """Raises GivesNothingBack, and whatever the processor raises."""
    if isinstance(order, ProcessorOrder):
        return processor.pay(order)
    return _refunding(processor).refund(order)


def look_up(processor: Processor, order: Order) -> ProcessorAnswer:
    """Raises GivesNothingBack, and whatever the processor raises."""
    if isinstance(order, ProcessorOrder):
        return processor.look_up(order.key)
    return _refunding(processor).look_up_refund(order.key)


def _refunding(processor: Processor) -> RefundingProcessor:
    if not isinstance(processor, RefundingProcessor):
        raise GivesNothingBack
    return processor


def _payment(call: ClaimedCall, said: SaidOfPayment) -> ProcessorOrder:
    return ProcessorOrder(
        key=call_key(call.ledger_id, call.id, call.number),
        payment_id=render_id(Prefix.PAYMENT, call.id),
        type=call.type,
        amount=render_amount(call.amount),
        currency=call.currency,
        reference=said.texts.reference,
        description=said.texts.description,
        metadata=said.metadata,
        traceparent=said.traceparent,
    )


def _refund(call: ClaimedCall, texts: RefundTexts) -> ProcessorRefundOrder:
    payment_id = call.refunded_payment_id or call.id
    return ProcessorRefundOrder(
        key=call_key(call.ledger_id, call.id),
        refund_id=render_id(Prefix.REFUND, call.id),
        payment_id=render_id(Prefix.PAYMENT, payment_id),
        payment_key=call_key(call.ledger_id, payment_id, texts.payment_number),
        processor_payment_id=texts.processor_payment_id,
        type=call.type,
        amount=render_amount(call.amount),
        currency=call.currency,
        reason=texts.reason,
        metadata=texts.metadata,
        traceparent=texts.traceparent,
    )
