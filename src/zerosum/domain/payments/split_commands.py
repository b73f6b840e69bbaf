"""The commands of payments with several receivers: each is the plain command with its money in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId
from zerosum.domain.ledger.account_change import objections_to_account
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import JournalEntry, credit
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import Need
from zerosum.domain.money import Money
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.hold_commands import CaptureHold, ChangeHold
from zerosum.domain.payments.holds import Hold
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import Payment, plus
from zerosum.domain.payments.refunds import Refund, RefundPayment
from zerosum.domain.payments.splits import (
    AskedSplit,
    Split,
    SplitPayment,
    called_as_asked,
    divided,
    given_back,
    moved,
    pointer_to,
    put_splits,
    split_key,
)


def receivers_of(splits: Iterable[Split]) -> tuple[AccountId, ...]:
    return tuple(split.asked.account_id for split in splits)


def parts_of(splits: Sequence[Split], money: Money) -> list[tuple[AccountId, Money]]:
    """Who gets how much of the whole, without those who get nothing."""
    return list(moved(splits, (split.amount for split in splits), money))


def entry_in_parts(pay: Pay, splits: Sequence[Split]) -> JournalEntry:
    """What is posted when it is paid."""
    parts = parts_of(splits, pay.money)
    return pay.conditioned(posting_rules.payment_in_parts(pay.type, pay.payer_id, parts, pay.money, pay.effective_at))


def pointed_at_split(pay: Pay, splits: Sequence[Split], objection: DomainError) -> DomainError:
    pointer = pointer_to(objection, [split.asked for split in splits])
    pointed = Pay.point(pay, objection)
    if pointer is None and (pointed.pointer or "").startswith("/postings/"):
        pointer = "/to"
    return pointed if pointer is None else pointed.at(pointer)


def against_receivers(pay: Pay, splits: Sequence[Split], book: Book) -> Iterator[DomainError]:
    """Of those whose part comes to nothing. To the others the entry itself is judged."""
    asked = [split.asked for split in splits]
    empty = [split.asked for split in splits if not split.amount]
    for objection in _objections_to_receivers(book, empty, pay.money):
        pointer = pointer_to(objection, asked)
        yield called_as_asked(pay.named(objection), asked).at(pointer or "/to")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayInParts(Pay):
    """`splits` are of its own id and money, in the order in which they are posted; `payee_id` takes the rest."""

    splits: tuple[Split, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.with_conditioned((self.payer_id, *receivers_of(self.splits)))

    def journal_entry(self) -> JournalEntry:
        return entry_in_parts(self, self.splits)

    def point(self, objection: DomainError) -> DomainError:
        return pointed_at_split(self, self.splits, objection)

    def objections(self, book: Book) -> Iterator[DomainError]:
        yield from Pay.objections(self, book)
        yield from against_receivers(self, self.splits, book)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        for objection in against_receivers(self, self.splits, book):
            raise objection
        posted = Pay.decide(self, book, posted_at)
        put_splits(book, self.splits)
        posted.resource = SplitPayment(posted.resource, self.splits)
        return posted


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureInParts(CaptureHold):
    """The hold's payee keeps what the splits leave, and is one of `asked`."""

    asked: tuple[AskedSplit, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, *(one.account_id for one in self.asked))

    def point(self, objection: DomainError) -> DomainError:
        pointer = pointer_to(objection, self.asked)
        pointed = called_as_asked(ChangeHold.point(self, objection), self.asked)
        return pointed if pointer is None else pointed.at(pointer)

    def objections(self, book: Book) -> Iterator[DomainError]:
        yield from CaptureHold.objections(self, book)
        yield from map(self.point, self._against_receivers(book))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        for objection in self._against_receivers(book):
            raise self.point(objection)
        return CaptureHold.decide(self, book, posted_at)

    def _against_receivers(self, book: Book) -> Iterator[DomainError]:
        hold: Hold | None = book.records.get(self.record_key)
        return iter(()) if hold is None else _objections_to_receivers(book, self.asked, hold.money)

    def _entry(self, hold: Hold, freed: Money, taken: Money) -> JournalEntry:
        splits = self._splits(taken)
        parts = list(moved(splits, (split.amount for split in splits), taken))
        return posting_rules.capture_in_parts(hold.payer_id, hold.payee_id, freed, parts, taken, hold.id)

    def _splits(self, taken: Money) -> tuple[Split, ...]:
        return divided(self.ledger_id, PaymentId(self.id), taken, self.asked)

    def conclude(self, book: Book, hold: Hold, posted: Posted, now: datetime) -> Posted:
        put_splits(book, self._splits(self.taken(posted)))
        return CaptureHold.conclude(self, book, hold, posted, now)


def needed_splits(ledger_id: LedgerId, payment_id: PaymentId, receivers: Sequence[AccountId]) -> Iterator[Need]:
    for place in range(len(receivers)):
        yield Need(split_key(ledger_id, payment_id, place))


def splits_in(book: Book, ledger_id: LedgerId, payment_id: PaymentId, receivers: Sequence[AccountId]) -> list[Split]:
    return [book.records[split_key(ledger_id, payment_id, place)] for place in range(len(receivers))]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundInParts(RefundPayment):
    """`receivers` are those of the payment's splits, in their order. Each gives back its part of what is refunded."""

    receivers: tuple[AccountId, ...]

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, *self.receivers)

    def needs(self) -> tuple[Need, ...]:
        return (*RefundPayment.needs(self), *needed_splits(self.ledger_id, self.payment_id, self.receivers))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        posted = RefundPayment.decide(self, book, posted_at)
        refund: Refund = posted.resource
        splits, amounts = self._parts(book, book.records[self.payment_key], refund.money)
        put_splits(
            book,
            [
                replace(split, refunded=plus(split.refunded, amount))
                for split, amount in zip(splits, amounts, strict=True)
                if amount
            ],
        )
        return posted

    def ruling(self, book: Book) -> tuple[JournalEntry, Payment, Refund]:
        _, after, refund = RefundPayment.ruling(self, book)
        splits, amounts = self._parts(book, after, refund.money)
        parts = list(moved(splits, amounts, refund.money))
        return posting_rules.refund_in_parts(self.payer_id, parts, refund.money), after, refund

    def _parts(self, book: Book, payment: Payment, money: Money) -> tuple[Sequence[Split], Sequence[Decimal]]:
        splits = splits_in(book, self.ledger_id, self.payment_id, self.receivers)
        return splits, given_back(payment, splits, money)


def _objections_to_receivers(book: Book, asked: Iterable[AskedSplit], money: Money) -> Iterator[DomainError]:
    """A payment is not to who could not be paid, though his part may come to nothing: he could be disputed later."""
    for one in asked:
        account = book.accounts.get(one.account_id)
        yield from objections_to_account(account, credit(one.account_id, money), is_intention=True)
