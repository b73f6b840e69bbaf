"""The commands of payments through an outside processor that go to several, and of their refunds.

Who gets which part is fixed when the payment is accepted: so much is pending for each. What the processor carries out
is divided by the same rules, whatever it comes to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, allot, subtract
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.payment import Payment, plus
from zerosum.domain.payments.posting_rules import Parts
from zerosum.domain.payments.processor_calls import PROCESSOR_CALL, ProcessorCall
from zerosum.domain.payments.processor_commands import ProposePayment, SettlePayment
from zerosum.domain.payments.processor_refunds import ProposeRefund, SettleRefund
from zerosum.domain.payments.refunds import Refund
from zerosum.domain.payments.split_commands import (
    PayInParts,
    against_receivers,
    entry_in_parts,
    needed_splits,
    parts_of,
    pointed_at_split,
    receivers_of,
    splits_in,
)
from zerosum.domain.payments.splits import Split, SplitPayment, divide_less, given_back, moved, put_splits

OUTSIDE_SPLITS_MAX = 48
"""Of one payment. Its settlement sets free what is pending for each, and pays each: both fit into one journal entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeInParts(ProposePayment):
    """`splits` are of its own id and money, in their order; `payee_id` takes the rest."""

    splits: tuple[Split, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.with_conditioned((self.payer_id, *receivers_of(self.splits)))

    def journal_entry(self) -> JournalEntry:
        return entry_in_parts(self, self.splits)

    def point(self, objection: DomainError) -> DomainError:
        return pointed_at_split(self, self.splits, objection)

    def receiving(self) -> Parts:
        return parts_of(self.splits, self.money)

    def objections(self, book: Book) -> Iterator[DomainError]:
        yield from ProposePayment.objections(self, book)
        if self.gone is None:
            yield from against_receivers(self, self.splits, book)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = ProposePayment.decide(self, book, posted_at)
        put_splits(book, [replace(split, pending=True) for split in self.splits])
        posted.resource = SplitPayment(posted.resource, self.splits)
        return posted


def splits_of(command: object) -> tuple[Split, ...]:
    """Of a payment that goes to several; else none."""
    return command.splits if isinstance(command, PayInParts | ProposeInParts) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleInParts(SettlePayment):
    """`receivers` are those of the payment's splits, in their order."""

    receivers: tuple[AccountId, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple(dict.fromkeys((self.payer_id, self.payee_id, *self.receivers)))

    def needs(self) -> tuple[Need, ...]:
        return (*SettlePayment.needs(self), *needed_splits(self.ledger_id, self.payment_id, self.receivers))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = SettlePayment.decide(self, book, posted_at)
        call: ProcessorCall = posted.resource
        splits = [replace(split, pending=False) for split in self._splits(book)]
        if call.approved is not None:
            paid = _carried_out(splits, call, Money(call.approved, call.money.currency))
            splits = [
                split if amount == split.amount else replace(split, approved=amount)
                for split, amount in zip(splits, paid, strict=True)
            ]
        put_splits(book, splits)
        return posted

    def promised(self, call: ProcessorCall, book: Book) -> Parts:
        return parts_of(self._splits(book), call.money)

    def paid_to(self, call: ProcessorCall, paid: Money, book: Book) -> Parts:
        splits = self._splits(book)
        return list(moved(splits, _carried_out(splits, call, paid), paid))

    def _splits(self, book: Book) -> list[Split]:
        return splits_in(book, self.ledger_id, self.payment_id, self.receivers)


def _carried_out(splits: Sequence[Split], call: ProcessorCall, paid: Money) -> tuple[Decimal, ...]:
    if paid.amount == call.money.amount:
        return tuple(split.amount for split in splits)
    return divide_less(splits, paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRefundInParts(ProposeRefund):
    """Each receiver has its part of what is asked back pending. `receivers` are those of the payment's splits."""

    receivers: tuple[AccountId, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, *self.receivers)

    def needs(self) -> tuple[Need, ...]:
        return (*ProposeRefund.needs(self), *needed_splits(self.ledger_id, self.payment_id, self.receivers))

    def ruling(self, book: Book) -> tuple[JournalEntry, Payment, Refund]:
        _, after, refund = ProposeRefund.ruling(self, book)
        splits, amounts = self._asked_back(book, after, refund.money)
        parts = list(moved(splits, amounts, refund.money))
        entry = posting_rules.refund_proposal_in_parts(self.payer_id, parts, refund.money, self.id)
        return entry, after, refund

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = ProposeRefund.decide(self, book, posted_at)
        refund: Refund = posted.resource
        splits, amounts = self._asked_back(book, book.records[self.payment_key], refund.money)
        put_splits(
            book,
            [
                replace(split, refunding=plus(split.refunding, amount))
                for split, amount in zip(splits, amounts, strict=True)
                if amount
            ],
        )
        key = RecordKey(self.ledger_id, PROCESSOR_CALL, self.id)
        book.records[key] = replace(book.records[key], parts=tuple(amounts))
        return posted

    def _asked_back(self, book: Book, payment: Payment, money: Money) -> tuple[list[Split], Sequence[Decimal]]:
        splits = splits_in(book, self.ledger_id, self.payment_id, self.receivers)
        return splits, given_back(payment, splits, money)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefundInParts(SettleRefund):
    """What the processor gives back less than was asked for is divided as that was, by the largest remainder."""

    receivers: tuple[AccountId, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return tuple(dict.fromkeys((self.payer_id, self.payee_id, *self.receivers)))

    def needs(self) -> tuple[Need, ...]:
        return (*SettleRefund.needs(self), *needed_splits(self.ledger_id, self.payment_id, self.receivers))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = SettleRefund.decide(self, book, posted_at)
        call: ProcessorCall = posted.resource
        nothing = [Decimal(0)] * len(self.receivers)
        paid = nothing if call.approved is None else _given(call, Money(call.approved, call.money.currency))
        splits = splits_in(book, self.ledger_id, self.payment_id, self.receivers)
        put_splits(
            book,
            [
                replace(
                    split,
                    refunding=subtract(split.refunding or Decimal(0), asked) or None,
                    refunded=plus(split.refunded, given) if given else split.refunded,
                )
                for split, asked, given in zip(splits, call.parts or (), paid, strict=True)
                if asked
            ],
        )
        return posted

    def promised(self, call: ProcessorCall, book: Book) -> Parts:
        splits = splits_in(book, self.ledger_id, self.payment_id, self.receivers)
        return list(moved(splits, call.parts or (), call.money))

    def paid_to(self, call: ProcessorCall, paid: Money, book: Book) -> Parts:
        splits = splits_in(book, self.ledger_id, self.payment_id, self.receivers)
        return list(moved(splits, _given(call, paid), paid))


def _given(call: ProcessorCall, paid: Money) -> Sequence[Decimal]:
    parts = call.parts or ()
    return parts if paid.amount == call.money.amount else allot(paid.amount, parts, paid.currency.minor_unit)
