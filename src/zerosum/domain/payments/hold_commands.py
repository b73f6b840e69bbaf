"""The commands of a hold: it is placed, may grow and be captured in parts, and ends exactly once.

Whoever changes a hold locks its record, behind the accounts: of two that would end it one finds it ended.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from zerosum.domain.commands import NO_METADATA
from zerosum.domain.errors import (
    OF_BALANCES,
    AmountExceedsHold,
    AmountTooLarge,
    DomainError,
    HoldNotFound,
    InvalidState,
    SameAccount,
)
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import PaymentId, Prefix, render_id
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import RECORDED_ID, Event, PlainPair, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, add, render_amount
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.hold_steps import HoldCommand, objection_to_payee
from zerosum.domain.payments.holds import (
    LASTS_BY_DEFAULT,
    Hold,
    HoldStatus,
    HoldVerb,
    changed,
    check_changes,
    check_expiry,
    hold_facts,
    may_expire,
)
from zerosum.domain.payments.house_rules import newest_in, newest_key
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(HoldCommand):
    """`expires_at` None: after the usual time."""

    verb = HoldVerb.PLACED

    money: Money
    expires_at: datetime | None = None
    capture_max: Decimal | None = None
    texts: PaymentTexts = NO_TEXTS

    def __post_init__(self) -> None:
        if self.payer_id == self.payee_id:
            wire_id = render_id(Prefix.ACCOUNT, self.payee_id)
            raise self.point(SameAccount("A hold needs two different accounts.", pointer="/to", account=wire_id))

    def journal_entry(self) -> JournalEntry:
        return posting_rules.hold(self.payer_id, self.payee_id, self.money, self.hold_id)

    def point(self, objection: DomainError) -> DomainError:
        return self.named(objection).at(PARTY_POINTERS.get(objection.pointer or "", objection.pointer or ""))

    def needs(self) -> tuple[Need, ...]:
        own = LedgerCommand.needs(self)
        return own if self.capture_max is not None else (*own, Need(newest_key(self.ledger_id), is_locked=False))

    def _capture_max(self, book: Book) -> tuple[Decimal | None, int | None]:
        """Its own, or what the house rules give, and their version."""
        if self.capture_max is not None:
            return self.capture_max, None
        rules = newest_in(book, self.ledger_id)
        given = rules.capture_max(self.money)
        return given, None if given is None else rules.version

    def objections(self, book: Book) -> Iterator[DomainError]:
        yield from LedgerCommand.objections(self, book)
        full = objection_to_payee(book, self.payee_id, self.money)
        if full is not None:
            yield self.point(full.at("/postings/1/account"))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        if objection_to_payee(book, self.payee_id, self.money) is not None:
            for objection in self.objections(book):
                raise objection
        hold = self._placed(book, posted_at)
        check_expiry(hold.expires_at, posted_at)
        entry = book.post(self.journal_entry(), self, posted_at, ResourceType.HOLD)
        return self.conclude(book, hold, Posted(self.ledger_id, (entry,), ()), posted_at)

    def pair(self, book: Book, posted_at: datetime) -> PlainPair | None:
        if self.hold_id != self.id or self.dating is not None or self.conditions is not None:
            return None
        if self.expires_at is not None and not may_expire(self.expires_at, posted_at):
            return None
        if objection_to_payee(book, self.payee_id, self.money) is not None:
            return None
        hold = self._placed(book, posted_at)
        return PlainPair(
            posting_rules.straight_hold_reason(),
            self.payer_id,
            self.payee_id,
            self.money,
            ResourceType.HOLD,
            EventType.HOLD_PLACED,
            records=self.recorded(hold, posted_at),
            hold=self.hold_id,
            facts=hold_facts(hold),
        )

    def _placed(self, book: Book, now: datetime) -> Hold:
        """Bears the id of the entry that is to be posted."""
        capture_max, version = self._capture_max(book)
        return Hold(
            id=self.hold_id,
            ledger_id=self.ledger_id,
            status=HoldStatus.OPEN,
            money=self.money,
            captured=self.money.currency.scaled(Decimal(0)),
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            expires_at=self.expires_at or now + LASTS_BY_DEFAULT,
            created_at=now,
            texts=self.texts,
            metadata=self.metadata or NO_METADATA,
            capture_max=capture_max,
            house_rules=version,
            entry_ids=(self.id,),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHold(HoldCommand):
    """What is done with a hold that was placed before."""

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.record_key),)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("what this posts depends on the hold: ask `objections` with a book")

    def point(self, objection: DomainError) -> DomainError:
        """The caller has named a hold and no accounts: an amount, or else the request as a whole is what is wrong."""
        return self.named(objection).at("/amount" if self.names_amount and isinstance(objection, OF_BALANCES) else "")

    @property
    def names_amount(self) -> bool:
        """Whether its caller has said how much."""
        return False

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            entry, after = self._ruled(book, None)
        except DomainError as refusal:
            yield refusal
            return
        if entry is not None:
            for objection in book.objections(entry):
                yield self.point(objection)
        yield from map(self.point, self._against_payee(book, after))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        entry, after = self._ruled(book, posted_at)
        if next(self._against_payee(book, after), None) is not None:
            for objection in self.objections(book):
                raise objection
        if entry is None:
            content = {RECORDED_ID: str(self.id)}
            posted = Posted(self.ledger_id, (), (), None, Remembered(ResourceType.HOLD, self.hold_id, content))
        else:
            made = book.post(entry, self, posted_at, ResourceType.HOLD, str(self.hold_id))
            posted = Posted(self.ledger_id, (made,), ())
        return self.conclude(book, after, posted, posted_at)

    def _ruled(self, book: Book, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        """What the hold itself has to say, before its accounts are asked. Raises the first objection."""
        hold = self._found(book)
        entry, after = self._ruling(hold, now)
        check_changes(hold, after)
        return entry, after

    def _found(self, book: Book) -> Hold:
        hold: Hold | None = book.records.get(self.record_key)
        if hold is None:
            raise HoldNotFound("This ledger has no such hold.")
        return hold

    def after(self, book: Book, now: datetime | None) -> Hold:
        """The hold as it would be then, or at whatever time. Raises its own first objection."""
        return self._ruled(book, now)[1]

    def _against_payee(self, book: Book, after: Hold) -> Iterator[DomainError]:  # noqa: ARG002 - most promise no more
        """What would keep the payee from getting all that is promised then."""
        return iter(())

    @abstractmethod
    def _ruling(self, hold: Hold, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        """What to post, and the hold as it is afterwards. Without a time it is not asked whether the hold has expired.

        Raises the first objection to the hold.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHold(ChangeHold):
    """`money` None: all that remains. `is_final` sets free what is left."""

    verb = HoldVerb.CAPTURED

    money: Money | None = None
    is_final: bool = False

    def pair(self, book: Book, posted_at: datetime) -> PlainPair | None:
        if self.dating is not None or self.conditions is not None:
            return None
        try:
            hold = self._found(book)
            freed, taken, after = self._taking(hold, posted_at)
            check_changes(hold, after)
        except DomainError:
            return None  # Told by the Book.
        own, step = self.recorded(after, posted_at)
        return PlainPair(
            posting_rules.straight_capture_reason(),
            hold.payer_id,
            hold.payee_id,
            taken,
            ResourceType.HOLD,
            EventType.HOLD_CAPTURED,
            records=(self._payment(hold, taken),),
            hold=hold.id,
            facts=hold_facts(after),
            freed=freed,
            resource_id=str(hold.id),
            told_of=(ResourceType.HOLD, hold.id),
            further=self._told(),
            changes=(own, step),
            shown=step[1],
        )

    def entry_of(self, pair: PlainPair) -> JournalEntry:
        freed, hold_id = pair.freed, pair.hold
        if freed is None or hold_id is None:
            raise LookupError("a capture sets free what the hold has kept")
        return posting_rules.capture(pair.debit_id, pair.credit_id, freed, pair.money, hold_id)

    def _ruling(self, hold: Hold, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        freed, taken, after = self._taking(hold, now)
        return self._entry(hold, freed, taken), after

    def _taking(self, hold: Hold, now: datetime | None) -> tuple[Money, Money, Hold]:
        """What is set free, what of it is paid, and the hold as it is afterwards. Raises its own first objection."""
        hold.check_open(now or hold.created_at)
        currency, remaining = hold.money.currency, hold.remaining
        all_left = hold.money if remaining == hold.money.amount else None
        money = self.money or all_left or Money(remaining, currency)
        if money.amount > remaining and money.amount > hold.capturable:
            raise AmountExceedsHold(
                "The hold has less left.",
                pointer="/amount",
                remaining=render_amount(remaining),
                capturable=render_amount(hold.capturable),
                currency=currency.code,
            )
        ends = self.is_final or self.money is None or money.amount >= remaining
        after = changed(
            hold,
            self.id,
            captured=add(hold.captured, money.amount),
            status=HoldStatus.CAPTURED if ends else HoldStatus.OPEN,
            payment_ids=(*hold.payment_ids, self.id),
        )
        return (all_left or Money(remaining, currency)) if ends else money, money, after

    @property
    def names_amount(self) -> bool:
        return self.money is not None

    def _entry(self, hold: Hold, freed: Money, taken: Money) -> JournalEntry:
        return posting_rules.capture(hold.payer_id, hold.payee_id, freed, taken, hold.id)

    def taken(self, posted: Posted) -> Money:
        """What the payer has paid, out of what was posted: behind the two lines that set free what was promised."""
        return posted.entry.entry.postings[2].money

    def conclude(self, book: Book, hold: Hold, posted: Posted, now: datetime) -> Posted:
        """It is a payment too: what was captured can be given back."""
        done = ChangeHold.conclude(self, book, hold, posted, now)
        key, payment = self._payment(hold, self.taken(posted))
        book.records[key] = payment
        done.events = (*done.events, self._told())
        return done

    def _payment(self, hold: Hold, paid: Money) -> tuple[RecordKey, Payment]:
        payment = Payment(
            id=PaymentId(self.id),
            ledger_id=self.ledger_id,
            type=PaymentType.TRANSFER,
            status=STATUS_WHEN_MADE,
            money=paid,
            payer_id=hold.payer_id,
            payee_id=hold.payee_id,
            processor=INTERNAL_PROCESSOR,
            texts=hold.texts,
        )
        return RecordKey(self.ledger_id, PAYMENT, self.id), payment

    def _told(self) -> Event:
        """Beside what is told of the hold."""
        return Event(self.further_id(1), EventType.PAYMENT_SUCCEEDED, ResourceType.PAYMENT, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementHold(ChangeHold):
    """More is held. Judged as if it were placed anew."""

    verb = HoldVerb.INCREMENTED

    money: Money

    @property
    def names_amount(self) -> bool:
        return True

    def _ruling(self, hold: Hold, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        hold.check_open(now or hold.created_at)
        entry = posting_rules.increment(hold.payer_id, hold.payee_id, self.money, hold.id)
        capture_max = None if hold.capture_max is None else self._grown(hold.capture_max).amount
        return entry, changed(hold, self.id, money=self._grown(hold.money.amount), capture_max=capture_max)

    def _against_payee(self, book: Book, after: Hold) -> Iterator[DomainError]:
        full = objection_to_payee(book, self.payee_id, Money(after.remaining, after.money.currency))
        if full is not None:
            yield full

    def _grown(self, amount: Decimal) -> Money:
        try:
            return Money(add(amount, self.money.amount), self.money.currency)
        except AmountTooLarge as refusal:
            raise refusal.at("/amount") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendHold(ChangeHold):
    """It may not end earlier than was said before."""

    verb = HoldVerb.EXTENDED

    expires_at: datetime

    def _ruling(self, hold: Hold, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        hold.check_open(now or hold.created_at)
        if now is not None:
            check_expiry(self.expires_at, now)
        if self.expires_at < hold.expires_at:
            raise InvalidState("The hold lasts longer than that.", pointer="/expires_at", hold_status=hold.status.value)
        return None, changed(hold, None, expires_at=self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidHold(ChangeHold):
    verb = HoldVerb.VOIDED

    def _ruling(self, hold: Hold, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        hold.check_open(now or hold.created_at)
        freed = Money(hold.remaining, hold.money.currency)
        entry = posting_rules.void(hold.payer_id, hold.payee_id, freed, hold.id)
        return entry, changed(hold, self.id, status=HoldStatus.VOIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHold(ChangeHold):
    """Of the worker. Refused where somebody was faster, or has made the hold last longer."""

    verb = HoldVerb.EXPIRED

    def _ruling(self, hold: Hold, now: datetime | None) -> tuple[JournalEntry | None, Hold]:
        if hold.status is not HoldStatus.OPEN or (now is not None and now < hold.expires_at):
            raise InvalidState("The hold does not end now.", hold_status=hold.status.value)
        freed = Money(hold.remaining, hold.money.currency)
        entry = posting_rules.expiry(hold.payer_id, hold.payee_id, freed, hold.id)
        return entry, changed(hold, self.id, status=HoldStatus.EXPIRED)
