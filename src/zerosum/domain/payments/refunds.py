"""A refund: money of a payment that is given back, by our decision. All of them are never more than the payment was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from zerosum.domain.errors import OF_BALANCES, AmountExceedsPayment, DomainError, PaymentNotFound
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Event, PlainPair, Posted
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.payment import PAYMENT, Payment, plus, with_status

REFUND = "refund"
"""Of which kind refunds are among the records."""


class RefundStatus(StrEnum):
    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    """The payment's processor was asked for it and has not said yet what became of it: its amount is pending."""
    FAILED = "failed"
    """The processor has declined it, and nothing was given back."""


@dataclass(slots=True, kw_only=True)
class Refund:
    """It bears the UUID of the entry that began it, which holds its time, metadata, actor and key.

    Not frozen, as its payment is not.
    """

    id: UUID
    ledger_id: LedgerId
    payment_id: PaymentId
    money: Money
    reason: str | None
    status: RefundStatus = RefundStatus.SUCCEEDED
    """As it was made: what becomes of one that is asked for, its processor call says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment(LedgerCommand):
    """`payer_id` and `payee_id` are those of the payment, which never change. `money` None: all that is left of it.

    The payment is locked while it is decided: of two refunds the second finds what the first has left.
    """

    payment_id: PaymentId
    payer_id: AccountId
    payee_id: AccountId
    money: Money | None = None
    reason: str | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, self.payee_id)

    @property
    def payment_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, PAYMENT, self.payment_id)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.payment_key),)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("what this posts depends on the payment: ask `objections` with a book")

    def point(self, objection: DomainError) -> DomainError:
        """The caller has named no accounts: an amount, or else the request as a whole is what is wrong."""
        is_amount = self.money is not None and isinstance(objection, OF_BALANCES)
        return self.named(objection).at("/amount" if is_amount else "")

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            entry, _, _ = self.ruling(book)
        except DomainError as refusal:
            yield refusal
            return
        for objection in book.objections(entry):
            yield self.point(objection)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        entry, payment, refund = self.ruling(book)
        posted = book.post(entry, self, posted_at, ResourceType.REFUND)
        book.records[self.payment_key] = payment
        book.records[RecordKey(self.ledger_id, REFUND, self.id)] = refund
        event = Event(
            self.id,
            EventType.PAYMENT_REFUNDED,
            ResourceType.PAYMENT,
            self.payment_id,
            refund_facts(refund, payment, self.metadata),
        )
        return Posted(self.ledger_id, (posted,), (event,), refund)

    def pair(self, book: Book, posted_at: datetime) -> PlainPair | None:  # noqa: ARG002 - it has no times of its own
        if self.dating is not None or self.conditions is not None:
            return None
        try:
            payment, money = self.wanted(book)
        except DomainError:
            return None  # Told by the Book.
        after, refund = refunded(payment, money), self.refund_of(money)
        return PlainPair(
            posting_rules.straight_refund_reason(),
            payment.payee_id,
            payment.payer_id,
            money,
            ResourceType.REFUND,
            EventType.PAYMENT_REFUNDED,
            records=((RecordKey(self.ledger_id, REFUND, self.id), refund),),
            facts=refund_facts(refund, after, self.metadata),
            told_of=(ResourceType.PAYMENT, self.payment_id),
            changes=((self.payment_key, after),),
        )

    def entry_of(self, pair: PlainPair) -> JournalEntry:
        return posting_rules.refund(pair.credit_id, pair.debit_id, pair.money)

    def ruling(self, book: Book) -> tuple[JournalEntry, Payment, Refund]:
        """What to post, the payment as it is afterwards, and the refund. Raises the first objection to the payment."""
        payment, money = self.wanted(book)
        entry = posting_rules.refund(payment.payer_id, payment.payee_id, money)
        return entry, refunded(payment, money), self.refund_of(money)

    def refund_of(self, money: Money) -> Refund:
        return Refund(id=self.id, ledger_id=self.ledger_id, payment_id=self.payment_id, money=money, reason=self.reason)

    def wanted(self, book: Book) -> tuple[Payment, Money]:
        """The payment as it is, and what of it is to be given back. Raises the first objection to the payment."""
        payment: Payment | None = book.records.get(self.payment_key)
        if payment is None:
            raise PaymentNotFound("This ledger has no such payment.")
        payment.check_paid()
        left = payment.left
        money = self.money
        if not left or (money is not None and money.amount > left):
            raise AmountExceedsPayment(
                "The payment has less left to give back.",
                pointer="/amount",
                refundable=render_amount(left),
                currency=payment.money.currency.code,
            )
        return payment, money or Money(left, payment.money.currency)


def refunded(payment: Payment, money: Money) -> Payment:
    """The payment once so much more of it was given back."""
    return with_status(payment, refunded=plus(payment.refunded, money.amount))


def refund_facts(refund: Refund, payment: Payment, metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What the event tells: the refund, and the payment as it left it."""
    return {
        "refund": f"ref_{refund.id}",
        "amount": render_amount(refund.money.amount),
        "currency": refund.money.currency.code,
        "reason": refund.reason,
        "payment_status": payment.status._value_,
        "payment_refunded": render_amount(payment.refunded or payment.money.amount),
        "journal_entry_ids": [f"je_{refund.id}"],
        "metadata": dict(metadata),
    }
