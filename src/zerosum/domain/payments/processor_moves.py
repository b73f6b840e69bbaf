"""The command that moves a payment to the next processor of its route, once the one before it has surely not done it.

What is pending goes to the clearing account of the next one, which is asked under a key of its own. Whoever moves one
says on which attempt he stands: where another claim, a settlement or a move came first, nothing is moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.domain.errors import DomainError, InvalidState, ProcessorCallNotFound
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Event, Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.payment import Payment
from zerosum.domain.payments.processor_calls import (
    CallState,
    MoveReason,
    ProcessorCall,
    onward,
    payment_facts,
)
from zerosum.domain.payments.processor_commands import ProcessorCallCommand

CALL_MOVE = "call_move"
"""Of which kind moves are among the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMove:
    """A processor that was left, and how far the call had come there. It bears the id of the entry that moved it.

    `number` is that of the call that was left: the next one has the next. `told` are the processor's own words, or what
    went wrong.
    """

    id: UUID
    ledger_id: LedgerId
    payment_id: PaymentId
    number: int
    processor: str
    to_processor: str
    payer_id: AccountId
    payee_id: AccountId
    to_payer_id: AccountId
    to_payee_id: AccountId
    why: MoveReason
    told: str | None
    attempts: int
    sent_at: datetime | None
    processor_payment_id: str | None
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePayment(ProcessorCallCommand):
    """`payer_id` and `payee_id` are those of the call as it is; the others, those that it has at the next processor."""

    payer_id: AccountId
    payee_id: AccountId
    to_processor: str
    to_payer_id: AccountId
    to_payee_id: AccountId
    number: int
    attempts: int
    """How often the processor was asked: none, and it is known that nobody is asking it now."""
    why: MoveReason
    told: str | None = None
    processor_payment_id: str | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple(dict.fromkeys((self.payer_id, self.payee_id, self.to_payer_id, self.to_payee_id)))

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            call = self._ruling(book)
        except DomainError as refusal:
            yield refusal
            return
        yield from book.objections(self._entry(call))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        left = self._ruling(book)
        payment: Payment = book.records[self.payment_key]
        posted = book.post(self._entry(left), self, posted_at, ResourceType.PAYMENT, str(left.id))
        parties: dict[str, Any] = {
            "processor": self.to_processor,
            "payer_id": self.to_payer_id,
            "payee_id": self.to_payee_id,
        }
        payment = replace(payment, **parties)
        call = replace(
            left,
            **parties,
            number=left.number + 1,
            state=CallState.PROPOSED,
            next_at=posted_at,
            attempts=0,
            sent_at=None,
            last_error=None,
            processor_payment_id=None,
        )
        move = self._move(left, posted_at)
        book.records[self.payment_key] = payment
        book.records[self.call_key] = call
        book.records[RecordKey(self.ledger_id, CALL_MOVE, self.id)] = move
        facts = {
            **payment_facts(payment, call, (payment.id, self.id), book.records.get(self.metadata_key, {})),
            "left": move.processor,
            "why": move.why.value,
            "told": move.told,
        }
        event = Event(self.id, EventType.PAYMENT_MOVED, ResourceType.PAYMENT, payment.id, facts)
        return Posted(self.ledger_id, (posted,), (event,), call)

    def _move(self, left: ProcessorCall, moved_at: datetime) -> CallMove:
        return CallMove(
            id=self.id,
            ledger_id=self.ledger_id,
            payment_id=self.payment_id,
            number=left.number,
            processor=left.processor,
            to_processor=self.to_processor,
            payer_id=left.payer_id,
            payee_id=left.payee_id,
            to_payer_id=self.to_payer_id,
            to_payee_id=self.to_payee_id,
            why=self.why,
            told=self.told,
            attempts=left.attempts,
            sent_at=left.sent_at,
            processor_payment_id=self.processor_payment_id or left.processor_payment_id,
            moved_at=moved_at,
        )

    def _entry(self, call: ProcessorCall) -> JournalEntry:
        return posting_rules.payment_moved(
            call.payer_id,
            call.payee_id,
            self.to_payer_id,
            self.to_payee_id,
            call.money,
            call.id,
            call.effective_at,
        )

    def _ruling(self, book: Book) -> ProcessorCall:
        """The call as it is left. Raises the first objection to it."""
        call: ProcessorCall | None = book.records.get(self.call_key)
        if call is None or call.refunded_payment_id is not None:
            raise ProcessorCallNotFound("This ledger has no such processor call.")
        stands = CallState.PROPOSED if self.attempts == 0 else CallState.SENT
        if (call.state, call.number, call.attempts) != (stands, self.number, self.attempts):
            raise InvalidState(f"The processor call is {call.state.value}.", processor_call_state=call.state.value)
        if self.to_processor not in onward(call.routing, call.processor):
            raise InvalidState("Its route does not lead on to this processor.", processor_call_state=call.state.value)
        return call
