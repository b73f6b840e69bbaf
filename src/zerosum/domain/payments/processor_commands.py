"""The two commands of a payment through an outside processor: the amount is made pending, and what was said is posted.

What lies between them, the call, is made outside of any transaction (`services/background/completer.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from zerosum.domain.audit import AuditRecord, AuditType
from zerosum.domain.errors import (
    AmountExceedsPayment,
    DomainError,
    InvalidState,
    ProcessorCallMoved,
    ProcessorCallNotFound,
)
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, PaymentId
from zerosum.domain.ledger.account_commands import AUDIT_RECORD
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import ENTRY_METADATA, JournalEntry
from zerosum.domain.ledger.outcome import Event, Posted
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PAYMENT, Payment, PaymentStatus
from zerosum.domain.payments.posting_rules import Parts
from zerosum.domain.payments.processor_calls import PROCESSOR_CALL, CallState, ProcessorCall, payment_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposePayment(Pay):
    """The amount becomes pending between the payer and the payee, and the call of the processor is due.

    It is judged as if it were paid now, too: what the payee may not hold is not asked for.
    """

    processor: str
    route: str | None = None
    routing: Mapping[str, Any] | None = None
    gone: DomainError | None = None
    """The processor is not here any more: refused so, unless its key was used for the same before."""

    def objections(self, book: Book) -> Iterator[DomainError]:
        if self.gone is not None:
            yield self.gone
            return
        yield from Pay.objections(self, book)

    def receiving(self) -> Parts:
        """Who is to get how much of it."""
        return ((self.payee_id, self.money),)

    def proposal(self) -> JournalEntry:
        return posting_rules.proposal(self.payer_id, self.receiving(), self.money, self.id, self.effective_at)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        for objection in self.objections(book):
            raise objection
        entry = book.post(self.proposal(), self, posted_at, ResourceType.PAYMENT)
        key, payment = self.record()
        payment = replace(payment, status=PaymentStatus.PROCESSING, processor=self.processor)
        book.records[key] = payment
        call = ProcessorCall(
            id=PaymentId(self.id),
            ledger_id=self.ledger_id,
            processor=self.processor,
            route=self.route,
            routing=self.routing,
            type=self.type,
            money=self.money,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            state=CallState.PROPOSED,
            created_at=posted_at,
            next_at=posted_at,
            effective_at=None if self.effective_at is None else entry.effective_at,
        )
        book.records[RecordKey(self.ledger_id, PROCESSOR_CALL, self.id)] = call
        event = Event(self.id, EventType.PAYMENT_PROCESSING, ResourceType.PAYMENT)
        return Posted(self.ledger_id, (entry,), (event,), payment)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCallCommand(LedgerCommand):
    """About a payment that a processor was asked for: both are locked."""

    payment_id: PaymentId

    @property
    def payment_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, PAYMENT, self.payment_id)

    @property
    def call_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, PROCESSOR_CALL, self.payment_id)

    def needs(self) -> tuple[Need, ...]:
        own = (Need(self.payment_key), Need(self.call_key), Need(self.metadata_key, is_locked=False))
        return (*LedgerCommand.needs(self), *own)

    @property
    def metadata_key(self) -> RecordKey:
        """Of what the entry was given that began it: events tell it."""
        return RecordKey(self.ledger_id, ENTRY_METADATA, self.payment_id)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("what this posts depends on the payment: ask `objections` with a book")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlePayment(ProcessorCallCommand):
    """What the processor has said, or a person who has looked. `amount` None: all of it was approved.

    A call is settled once. Whoever says the same later finds it done; whoever says otherwise is refused.
    """

    payer_id: AccountId
    payee_id: AccountId
    is_approved: bool
    amount: Decimal | None = None
    processor_payment_id: str | None = None
    reason: str | None = None
    seen_at: str | None = None
    """Of a person: at which processor he has looked. None: at the one that has it."""
    by_person: Mapping[str, Any] | None = None
    """Of a person: what the security log tells of who it is (`address`, `request_id`)."""

    @property
    def resource_type(self) -> ResourceType:
        """What was asked for."""
        return ResourceType.PAYMENT

    @property
    def resource(self) -> str:
        return f"pay_{self.payment_id}"

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, self.payee_id)

    def point(self, objection: DomainError) -> DomainError:
        return self.named(objection).at("")

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            entry = self._ruling(book)
        except DomainError as refusal:
            yield refusal
            return
        for objection in book.objections(entry):
            yield self.point(objection)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        entry = self._ruling(book)
        call: ProcessorCall = book.records[self.call_key]
        payment: Payment = book.records[self.payment_key]
        posted = book.post(entry, self, posted_at, self.resource_type, str(call.id))
        approved = (self.amount or call.money.amount) if self.is_approved else None
        payment = self.settled_payment(payment, call, approved)
        call = replace(
            call,
            state=CallState.APPROVED if self.is_approved else CallState.DECLINED,
            next_at=None,
            processor_payment_id=self.processor_payment_id or call.processor_payment_id,
            reason=self.reason,
            approved=approved,
            entry_id=self.id,
            settled_at=posted_at,
        )
        book.records[self.payment_key] = payment
        book.records[self.call_key] = call
        done = Posted(self.ledger_id, (posted,), (self.event(payment, call, book),), call)
        if self.by_person is not None:
            self._tell(book, done, call, self.by_person, posted_at)
        return done

    def settled_payment(self, payment: Payment, call: ProcessorCall, approved: Decimal | None) -> Payment:  # noqa: ARG002
        """The payment, once so much of what was asked for is approved; None: it was declined."""
        return replace(
            payment,
            status=PaymentStatus.FAILED if approved is None else PaymentStatus.SUCCEEDED,
            approved=None if approved == payment.money.amount else approved,
        )

    def event(self, payment: Payment, call: ProcessorCall, book: Book) -> Event:
        kind = EventType.PAYMENT_SUCCEEDED if self.is_approved else EventType.PAYMENT_FAILED
        facts = payment_facts(payment, call, (payment.id, self.id), book.records.get(self.metadata_key, {}))
        return Event(self.id, kind, ResourceType.PAYMENT, payment.id, facts)

    def declining(self, call: ProcessorCall, book: Book) -> JournalEntry:
        promised = self.promised(call, book)
        return posting_rules.decline(call.payer_id, promised, call.money, call.id, call.effective_at)

    def approving(self, call: ProcessorCall, paid: Money, book: Book) -> JournalEntry:
        promised, parts = self.promised(call, book), self.paid_to(call, paid, book)
        return posting_rules.approval(call.payer_id, promised, call.money, parts, paid, call.id, call.effective_at)

    def promised(self, call: ProcessorCall, book: Book) -> Parts:  # noqa: ARG002 - there is one
        """Who has how much of it pending, beside the processor."""
        return ((call.payee_id, call.money),)

    def paid_to(self, call: ProcessorCall, paid: Money, book: Book) -> Parts:  # noqa: ARG002 - there is one
        """Who gets how much of what was carried out."""
        return ((call.payee_id, paid),)

    def _ruling(self, book: Book) -> JournalEntry:
        """What to post. Raises the first objection to the call."""
        call: ProcessorCall | None = book.records.get(self.call_key)
        if call is None:
            raise ProcessorCallNotFound("This ledger has no such processor call.")
        if call.is_settled:
            raise InvalidState(f"The processor call is {call.state.value}.", processor_call_state=call.state.value)
        is_elsewhere = self.seen_at not in (None, call.processor)
        if is_elsewhere or (call.payer_id, call.payee_id) != (self.payer_id, self.payee_id):
            raise ProcessorCallMoved("It is at another processor now; nothing was done.")
        money = call.money
        if not self.is_approved:
            return self.declining(call, book)
        if self.amount is not None and self.amount > money.amount:
            raise AmountExceedsPayment(
                f"The {self.resource_type.value} was of less.",
                pointer="/amount",
                amount=render_amount(money.amount),
                currency=money.currency.code,
            )
        paid = money if self.amount is None else Money(self.amount, money.currency)
        return self.approving(call, paid, book)

    def _tell(self, book: Book, done: Posted, call: ProcessorCall, person: Mapping[str, Any], now: datetime) -> None:
        audit = AuditRecord(
            ledger_id=self.ledger_id,
            id=self.further_id(1),
            recorded_at=now,
            type=AuditType.PROCESSOR_CALL_SETTLED,
            actor=self.actor,
            address=person.get("address"),
            request_id=person.get("request_id"),
            resource=self.resource,
            reason=self.reason,
            facts={"outcome": call.state.value, "processor": call.processor},
        )
        book.records[RecordKey(self.ledger_id, AUDIT_RECORD, audit.id)] = audit
        done.told = (audit,)
