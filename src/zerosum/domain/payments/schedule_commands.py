"""The commands of a scheduled payment: it is ordered, run as often as it falls due, and may be cancelled before.

Whoever runs or cancels one locks its record, behind the accounts: an occurrence is run once, or is cancelled before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.domain.errors import (
    AccountFrozen,
    BalanceOverflow,
    DomainError,
    InsufficientFunds,
    InvalidState,
    LimitExceeded,
    ScheduledPaymentNotFound,
    VelocityLimitExceeded,
)
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, PaymentId, ScheduledPaymentId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry, PostedEntry
from zerosum.domain.ledger.outcome import RECORDED_ID, Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.velocity import Window
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.review_commands import Ruling, carried_out
from zerosum.domain.payments.schedules import (
    SCHEDULED_PAYMENT,
    SCHEDULED_RUN,
    SKIPPED,
    Recurrence,
    RefusalPolicy,
    RunOutcome,
    ScheduledPayment,
    ScheduledRun,
    ScheduleStatus,
    after_run,
    check_first,
    schedule_facts,
)

_EVENTS = {
    RunOutcome.EXECUTED: EventType.SCHEDULED_PAYMENT_EXECUTED,
    RunOutcome.FAILED: EventType.SCHEDULED_PAYMENT_FAILED,
    RunOutcome.SKIPPED: EventType.SCHEDULED_PAYMENT_SKIPPED,
}

PASSING = (AccountFrozen, InsufficientFunds, LimitExceeded, VelocityLimitExceeded, BalanceOverflow)
"""What stands in the way of a payment now, and need not when it is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCommand(LedgerCommand):
    """`payer_id` and `payee_id` are the accounts of the payment, which never change."""

    schedule_id: ScheduledPaymentId
    payer_id: AccountId
    payee_id: AccountId

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, self.payee_id)

    @property
    def record_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, SCHEDULED_PAYMENT, self.schedule_id)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("this posts nothing, or what was ordered before: ask `objections` with a book")

    def _done(self, schedule: ScheduledPayment, type_: EventType) -> Posted:
        """What its key is answered with again."""
        told = None if schedule.id == self.id else schedule.id
        event = Event(self.id, type_, ResourceType.SCHEDULED_PAYMENT, told, schedule_facts(schedule))
        content = {RECORDED_ID: str(schedule.id)}
        remembered = Remembered(ResourceType.SCHEDULED_PAYMENT, schedule.id, content)
        return Posted(self.ledger_id, (), (event,), schedule, remembered)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePayment(ScheduleCommand):
    """`payment` is what will be paid. Refused is only what time cannot mend; money need not be there yet."""

    payment: Pay
    execute_at: datetime
    occurrences: int = 1
    recurrence: Recurrence | None = None
    policy: RefusalPolicy = SKIPPED

    def objections(self, book: Book) -> Iterator[DomainError]:
        for objection in self.payment.objections(book):
            if not isinstance(objection, PASSING):
                yield objection

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        check_first(self.execute_at, posted_at)
        for objection in self.objections(book):
            raise objection
        schedule = ScheduledPayment(
            id=self.schedule_id,
            ledger_id=self.ledger_id,
            type=self.payment.type,
            money=self.payment.money,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            execute_at=self.execute_at,
            recurrence=self.recurrence,
            occurrences=self.occurrences,
            policy=self.policy,
            actor=self.actor,
            fingerprint=self.payment.fingerprint,
            idempotency_key=self.idempotency_key,
            created_at=posted_at,
            due_at=self.execute_at,
            attempt_at=self.execute_at,
            texts=self.payment.texts,
            metadata=self.metadata,
        )
        book.records[self.record_key] = schedule
        return self._done(schedule, EventType.SCHEDULED_PAYMENT_CREATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSchedule(ScheduleCommand):
    """What is done with a scheduled payment that is there."""

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.record_key),)

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            self._waiting(book)
        except DomainError as refusal:
            yield refusal

    def _waiting(self, book: Book) -> ScheduledPayment:
        found: ScheduledPayment | None = book.records.get(self.record_key)
        if found is None:
            raise ScheduledPaymentNotFound("This ledger has no such scheduled payment.")
        if found.status is not ScheduleStatus.SCHEDULED:
            raise InvalidState(
                f"The scheduled payment is {found.status.value}.", scheduled_payment_status=found.status.value
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleCancellation(ChangeSchedule):
    """What was paid stays paid; nothing more is."""

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        waiting = self._waiting(book)
        after = replace(waiting, status=ScheduleStatus.CANCELLED, ended_at=posted_at, cancellation_id=self.id)
        book.records[self.record_key] = after
        return self._done(after, EventType.SCHEDULED_PAYMENT_CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScheduledPayment(ChangeSchedule):
    """Of the worker, for who has ordered it: its `actor` and `fingerprint` are those of the payment.

    The payment and what is remembered of the run are one transaction, so that neither can be without the other. A
    refusal by the books is what came of the run, and no refusal of the command. `next_due_at` is when the occurrence
    behind this one is due, if there is one.
    """

    occurrence: int
    attempt: int
    next_due_at: datetime | None = None
    payment: Pay | None = None
    """As it was judged, where rules have something to say: then `ruling` is that."""
    ruling: Ruling | None = None

    def needs(self) -> tuple[Need, ...]:
        own = ChangeSchedule.needs(self)
        if self.payment is None or self.ruling is None:
            return own
        return (*own, *[need for check in self.ruling.checks for need in check.needs(self.payment)])

    def counted(self) -> Iterator[tuple[UUID, Window]]:
        if self.payment is not None and self.ruling is not None:
            for check in self.ruling.checks:
                yield from check.counted(self.payment)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        waiting = self._waiting(book)
        is_next = (waiting.occurrence, waiting.attempt) == (self.occurrence, self.attempt)
        if not is_next or posted_at < waiting.attempt_at:
            raise InvalidState("This run is not due.", scheduled_payment_status=waiting.status.value)
        paid: Posted | DomainError
        try:
            paid = self._paid(self._payment(waiting), book, posted_at)
        except DomainError as refusal:
            paid = refusal
        refused = paid if isinstance(paid, DomainError) else None
        payment_id = None if refused is not None else PaymentId(self.id)
        after, run = after_run(waiting, self.further_id(1), payment_id, refused, self.next_due_at, posted_at)
        book.records[self.record_key] = after
        book.records[RecordKey(self.ledger_id, SCHEDULED_RUN, run.id)] = run
        entries: tuple[PostedEntry, ...] = () if isinstance(paid, DomainError) else paid.entries
        events: tuple[Event, ...] = () if isinstance(paid, DomainError) else paid.events
        return Posted(self.ledger_id, entries, (*events, *self._told(after, run)), run)

    def _paid(self, payment: Pay, book: Book, posted_at: datetime) -> Posted:
        if self.ruling is None:
            return payment.decide(book, posted_at)
        return carried_out(payment, self.ruling, book, posted_at)

    def _payment(self, schedule: ScheduledPayment) -> Pay:
        members: dict[str, Any] = {
            name: getattr(self, name) for name in ("id", "ledger_id", "idempotency_key", "codes")
        }
        return Pay(
            **members,
            fingerprint=schedule.fingerprint,
            actor=schedule.actor,
            metadata=schedule.metadata,
            type=schedule.type,
            money=schedule.money,
            payer_id=schedule.payer_id,
            payee_id=schedule.payee_id,
            texts=schedule.texts,
        )

    def _told(self, after: ScheduledPayment, run: ScheduledRun) -> Iterator[Event]:
        kind, facts = ResourceType.SCHEDULED_PAYMENT, schedule_facts(after, run)
        yield Event(run.id, _EVENTS[run.outcome], kind, after.id, facts)
        if run.completes:
            completed = EventType.SCHEDULED_PAYMENT_COMPLETED
            yield Event(self.further_id(2), completed, kind, after.id, schedule_facts(after))
