"""What the commands of a hold have in common: each writes the hold and the step of its life, and tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from zerosum.domain.errors import DomainError
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, HoldId
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.account_change import objection_to_income
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import Event, Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.holds import HOLD, HOLD_CHANGE, Hold, HoldChange, HoldVerb, hold_facts
from zerosum.domain.payments.payment import PaymentType

_EVENTS = {
    HoldVerb.PLACED: EventType.HOLD_PLACED,
    HoldVerb.CAPTURED: EventType.HOLD_CAPTURED,
    HoldVerb.INCREMENTED: EventType.HOLD_INCREMENTED,
    HoldVerb.EXTENDED: EventType.HOLD_EXTENDED,
    HoldVerb.VOIDED: EventType.HOLD_VOIDED,
    HoldVerb.EXPIRED: EventType.HOLD_EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCommand(LedgerCommand):
    """`payer_id` and `payee_id` are the accounts of the hold, which never change."""

    verb: ClassVar[HoldVerb]

    hold_id: HoldId
    payer_id: AccountId
    payee_id: AccountId

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, self.payee_id)

    @property
    def type(self) -> PaymentType:
        """Of the payments that captures make."""
        return PaymentType.TRANSFER

    @property
    def record_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, HOLD, self.hold_id)

    def recorded(self, hold: Hold, now: datetime) -> tuple[tuple[RecordKey, Hold], tuple[RecordKey, HoldChange]]:
        """The hold, and the step of its life."""
        change = HoldChange(id=self.id, ledger_id=self.ledger_id, verb=self.verb, changed_at=now, hold=hold)
        return (self.record_key, hold), (RecordKey(self.ledger_id, HOLD_CHANGE, self.id), change)

    def conclude(self, book: Book, hold: Hold, posted: Posted, now: datetime) -> Posted:
        """Write both, and tell of it."""
        own, step = self.recorded(hold, now)
        book.records.update((own, step))
        posted.resource = step[1]
        told = None if self.hold_id == self.id else self.hold_id
        posted.events = (Event(self.id, _EVENTS[self.verb], ResourceType.HOLD, told, hold_facts(hold)),)
        return posted


def objection_to_payee(book: Book, payee_id: AccountId, money: Money) -> DomainError | None:
    """A promise that could not be kept as things are is not made. Whether it can be is asked again at the capture."""
    payee = book.accounts.get(payee_id)
    if payee is None or payee.normal_side is not Side.CREDIT or payee.currency != money.currency.code:
        return None
    return objection_to_income(payee, money)
