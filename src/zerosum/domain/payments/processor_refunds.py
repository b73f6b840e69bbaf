"""The two commands of a refund through an outside processor, as those of a payment: made pending, and settled.

What was paid is promised to the refund as soon as the processor is to be asked: refunds, disputes and what is asked for
never come to more than was paid, whatever is said later, and in whatever order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import ENTRY_METADATA, JournalEntry
from zerosum.domain.ledger.outcome import Event, Posted
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, render_amount, subtract
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.payment import Payment, plus, with_status
from zerosum.domain.payments.posting_rules import Parts
from zerosum.domain.payments.processor_calls import PROCESSOR_CALL, CallState, ProcessorCall
from zerosum.domain.payments.processor_commands import SettlePayment
from zerosum.domain.payments.refunds import REFUND, Refund, RefundPayment, RefundStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRefund(RefundPayment):
    """The amount becomes pending between the two, and the call of the payment's processor is due."""

    gone: DomainError | None = None
    """The processor is not here any more: refused so, unless its key was used for the same before."""

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        entry, payment, refund = self.ruling(book)
        posted = book.post(entry, self, posted_at, ResourceType.REFUND)
        call = ProcessorCall(
            id=self.id,
            ledger_id=self.ledger_id,
            processor=payment.processor,
            type=payment.type,
            money=refund.money,
            payer_id=payment.payee_id,
            payee_id=payment.payer_id,
            state=CallState.PROPOSED,
            created_at=posted_at,
            next_at=posted_at,
            refunded_payment_id=payment.id,
        )
        book.records[self.payment_key] = payment
        book.records[RecordKey(self.ledger_id, REFUND, self.id)] = refund
        book.records[RecordKey(self.ledger_id, PROCESSOR_CALL, self.id)] = call
        facts = asked_refund_facts(payment, call, refund.reason, (self.id,), self.metadata)
        event = Event(self.id, EventType.PAYMENT_REFUND_PROCESSING, ResourceType.PAYMENT, payment.id, facts)
        return Posted(self.ledger_id, (posted,), (event,), refund)

    def ruling(self, book: Book) -> tuple[JournalEntry, Payment, Refund]:
        if self.gone is not None:
            raise self.gone
        payment, money = self.wanted(book)
        after = replace(payment, refunding=plus(payment.refunding, money.amount))
        entry = posting_rules.refund_proposal(payment.payer_id, payment.payee_id, money, self.id)
        return entry, after, replace(self.refund_of(money), status=RefundStatus.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefund(SettlePayment):
    """What the processor has said of a refund, or a person who has looked. `payment_id` is what is given back."""

    refund_id: UUID

    def needs(self) -> tuple[Need, ...]:
        # The refund never changes: its event tells why it was ordered.
        return (*SettlePayment.needs(self), Need(self.refund_key, is_locked=False))

    @property
    def refund_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, REFUND, self.refund_id)

    @property
    def call_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, PROCESSOR_CALL, self.refund_id)

    @property
    def metadata_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, ENTRY_METADATA, self.refund_id)

    @property
    def resource_type(self) -> ResourceType:
        return ResourceType.REFUND

    @property
    def resource(self) -> str:
        return f"ref_{self.refund_id}"

    def settled_payment(self, payment: Payment, call: ProcessorCall, approved: Decimal | None) -> Payment:
        waiting = subtract(payment.refunding or Decimal(0), call.money.amount)
        given = payment.refunded if approved is None else plus(payment.refunded, approved)
        return with_status(payment, refunding=waiting or None, refunded=given)

    def event(self, payment: Payment, call: ProcessorCall, book: Book) -> Event:
        refund: Refund = book.records[self.refund_key]
        kind = EventType.PAYMENT_REFUNDED if self.is_approved else EventType.PAYMENT_REFUND_FAILED
        metadata = book.records.get(self.metadata_key, {})
        facts = asked_refund_facts(payment, call, refund.reason, (call.id, self.id), metadata)
        return Event(self.id, kind, ResourceType.PAYMENT, payment.id, facts)

    def declining(self, call: ProcessorCall, book: Book) -> JournalEntry:
        return posting_rules.refund_decline(call.payee_id, self.promised(call, book), call.money, call.id)

    def approving(self, call: ProcessorCall, paid: Money, book: Book) -> JournalEntry:
        promised, parts = self.promised(call, book), self.paid_to(call, paid, book)
        return posting_rules.refund_approval(call.payee_id, promised, call.money, parts, paid, call.id)

    def promised(self, call: ProcessorCall, book: Book) -> Parts:  # noqa: ARG002 - there is one
        """Who gives back how much of it, if the processor does."""
        return ((call.payer_id, call.money),)

    def paid_to(self, call: ProcessorCall, paid: Money, book: Book) -> Parts:  # noqa: ARG002 - there is one
        """Who gives back how much of what the processor gives back."""
        return ((call.payer_id, paid),)


def asked_refund_facts(
    payment: Payment,
    call: ProcessorCall,
    reason: str | None,
    entry_ids: tuple[UUID, ...],
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """What the event tells: the refund, and the payment as it left it. `amount` is what was given back, once it is."""
    refunded = payment.refunded or Decimal(0)
    return {
        "refund": f"ref_{call.id}",
        "amount": render_amount(call.money.amount if call.approved is None else call.approved),
        "currency": call.money.currency.code,
        "reason": reason,
        "processor": call.processor,
        "processor_refund_id": call.processor_payment_id,
        "failure_reason": call.reason if call.state is CallState.DECLINED else None,
        "payment_status": payment.status.value,
        "payment_refunded": render_amount(refunded or call.money.amount - call.money.amount),
        "journal_entry_ids": [f"je_{entry_id}" for entry_id in entry_ids],
        "metadata": dict(metadata),
    }
