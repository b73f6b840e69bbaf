"""The command to make a payment through the internal processor, which settles at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from zerosum.domain.errors import DomainError, SameAccount
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, PaymentId, Prefix, render_id
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Event, PlainPair, Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money
from zerosum.domain.payments.payment import (
    INTERNAL_PROCESSOR,
    NO_TEXTS,
    PARTY_POINTERS,
    PAYMENT,
    STATUS_WHEN_MADE,
    Payment,
    PaymentTexts,
    PaymentType,
)
from zerosum.domain.payments.posting_rules import PAYMENT_RULES, straight_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay(LedgerCommand):
    """`payer_id` is debited, `payee_id` credited; of a deposit or withdrawal one of them is the clearing account."""

    type: PaymentType
    money: Money
    payer_id: AccountId
    payee_id: AccountId
    texts: PaymentTexts = NO_TEXTS
    effective_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.payer_id == self.payee_id:
            wire_id = render_id(Prefix.ACCOUNT, self.payee_id)
            text = "A payment needs two different accounts."
            raise self.point(SameAccount(text, pointer="/postings/1/account", account=wire_id))

    def account_ids(self) -> tuple[AccountId, ...]:
        parties = self.payer_id, self.payee_id
        return parties if self.conditions is None else self.with_conditioned(parties)

    def journal_entry(self) -> JournalEntry:
        return self.conditioned(PAYMENT_RULES[self.type](self.payer_id, self.payee_id, self.money, self.effective_at))

    def point(self, objection: DomainError) -> DomainError:
        return self.named(objection).at(PARTY_POINTERS.get(objection.pointer or "", objection.pointer or ""))

    def pair(self, book: Book, posted_at: datetime) -> PlainPair | None:  # noqa: ARG002 - it stands on nothing else
        reason = straight_reason(self.type)
        if reason is None or self.dating is not None or self.conditions is not None or self.personal is not None:
            return None
        resource, event = ResourceType.PAYMENT, EventType.PAYMENT_SUCCEEDED
        records = (self.record(),)
        return PlainPair(reason, self.payer_id, self.payee_id, self.money, resource, event, self.effective_at, records)

    def record(self) -> tuple[RecordKey, Payment]:
        payment = Payment(
            id=PaymentId(self.id),
            ledger_id=self.ledger_id,
            type=self.type,
            status=STATUS_WHEN_MADE,
            money=self.money,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            processor=INTERNAL_PROCESSOR,
            texts=self.texts,
        )
        return RecordKey(self.ledger_id, PAYMENT, self.id), payment

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = book.post(self.journal_entry(), self, posted_at, ResourceType.PAYMENT)
        key, payment = self.record()
        book.records[key] = payment
        return Posted(
            self.ledger_id, (posted,), (Event(self.id, EventType.PAYMENT_SUCCEEDED, ResourceType.PAYMENT),), payment
        )
