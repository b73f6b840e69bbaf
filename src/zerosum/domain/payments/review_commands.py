"""The commands around a review: a payment that rules have judged, and what people say of one that is held.

A judgement is a part of the command, so a key that was used before is answered what it was answered then: whatever the
rules would say today. Whoever approves, refuses or is second locks the review behind the accounts: it ends once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.domain.audit import AuditRecord, AuditType
from zerosum.domain.errors import (
    DomainError,
    FourEyesRequired,
    InvalidState,
    JudgementNeeded,
    ReviewNotFound,
)
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, ReviewId
from zerosum.domain.ledger.account_commands import AUDIT_RECORD
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import RECORDED_ID, Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.velocity import Window
from zerosum.domain.payments.book_checks import BookCheck, Paying
from zerosum.domain.payments.hold_commands import PlaceHold
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.reviews import REVIEW, Decision, Review, ReviewStatus, review_facts
from zerosum.domain.payments.rules import Finding, Judged, RuleAction, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the rules of one version have said of a payment, and `checks`: what they will ask of the books.

    `cannot_wait` says why nobody can review it, where that is so: what would be held is refused then.
    """

    version: str
    judged: Judged
    findings: tuple[Finding, ...] = ()
    checks: tuple[BookCheck, ...] = ()
    cannot_wait: str | None = None

    @property
    def is_clear(self) -> bool:
        return not self.findings and not self.checks

    def objections(self, book: Book, payment: Paying, now: datetime) -> tuple[list[Finding], list[Finding]]:
        """Those that refuse and those that hold it, each in the order of the file."""
        found = list(self.findings)
        for check in self.checks:
            finding = check.finding(book, payment, self.judged, now)
            if finding is not None:
                found.append(finding)
        found.sort(key=lambda one: one.place)
        refusing = [one for one in found if one.action is RuleAction.REFUSE]
        holding = [one for one in found if one.action is RuleAction.REVIEW]
        if holding and self.cannot_wait is not None:
            refusing += [self._unheld(one) for one in holding]
            holding = []
        return refusing, holding

    def _unheld(self, finding: Finding) -> Finding:
        facts = {**(finding.facts or {}), "action": RuleAction.REVIEW.value}
        return finding._replace(detail=f"{finding.detail} {self.cannot_wait}", facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPayment(LedgerCommand):
    """A payment under a ruling: refused by it, held for review, or made as it would be without. Or a hold.

    No `ruling`: its key was used when it was looked at, so nobody has judged it. Should that key be free by now, it is
    to be sent again.
    """

    payment: Pay | PlaceHold
    ruling: Ruling | None
    ordered: Mapping[str, Any]

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.payment.account_ids()

    def needs(self) -> tuple[Need, ...]:
        further = [need for check in self._checks for need in check.needs(self.payment)]
        return (Need(self._key, is_locked=False), *self.payment.needs(), *further)

    def counted(self) -> Iterator[tuple[UUID, Window]]:
        for check in self._checks:
            yield from check.counted(self.payment)

    def journal_entry(self) -> JournalEntry:
        return self.payment.journal_entry()

    def point(self, objection: DomainError) -> DomainError:
        return self.payment.point(objection)

    def objections(self, book: Book) -> Iterator[DomainError]:
        return self.payment.objections(book)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        if self.ruling is None:
            raise JudgementNeeded("The key has become free meanwhile; send the request again.")
        return carried_out(self.payment, self.ruling, book, posted_at, self.ordered)

    @property
    def _checks(self) -> Sequence[BookCheck]:
        return () if self.ruling is None else self.ruling.checks

    @property
    def _key(self) -> RecordKey:
        return RecordKey(self.ledger_id, REVIEW, self.id)


def carried_out(
    payment: Pay | PlaceHold,
    ruling: Ruling,
    book: Book,
    posted_at: datetime,
    ordered: Mapping[str, Any] | None = None,
) -> Posted:
    """Raises RuleRefused, and what the books object to: what they refuse now is not held for anybody."""
    refusing, holding = ruling.objections(book, payment, posted_at)
    if refusing:
        raise refusal(refusing[0], ruling.version)
    if holding:
        for objection in payment.objections(book):
            raise objection
        if not isinstance(payment, Pay):
            raise TypeError("a hold waits for nobody: its ruling says why it cannot")
        posted = _held(payment, ruling, holding, book, posted_at, ordered or {})
    else:
        posted = payment.decide(book, posted_at)
    for check in ruling.checks:
        check.passed(book, payment, is_held=bool(holding))
    return posted


def _held(
    payment: Pay, ruling: Ruling, holding: Sequence[Finding], book: Book, now: datetime, ordered: Mapping[str, Any]
) -> Posted:
    review = Review(
        id=ReviewId(payment.id),
        ledger_id=payment.ledger_id,
        type=payment.type,
        money=payment.money,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        ordered=ordered,
        fingerprint=payment.fingerprint,
        idempotency_key=payment.idempotency_key,
        actor=payment.actor,
        created_at=now,
        rule=holding[0].rule,
        rules_version=ruling.version,
        detail=holding[0].detail,
        approvals_needed=max(one.approvals for one in holding),
        texts=payment.texts,
        metadata=payment.metadata,
    )
    book.records[RecordKey(payment.ledger_id, REVIEW, review.id)] = review
    event = Event(review.id, EventType.PAYMENT_IN_REVIEW, ResourceType.REVIEW, None, review_facts(review))
    return Posted(payment.ledger_id, (), (event,), review, _remembered(review, review.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideReview(LedgerCommand):
    """`payer_id` and `payee_id` are the accounts of the payment, which never change. `address` and `request_id` are
    for the security log."""

    review_id: ReviewId
    payer_id: AccountId
    payee_id: AccountId
    reason: str
    address: str | None = None
    request_id: str | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, self.payee_id)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.review_key),)

    @property
    def review_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, REVIEW, self.review_id)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("this posts nothing, or what was ordered before: ask `objections` with a book")

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            self._open(book)
        except DomainError as objection:
            yield objection

    def _open(self, book: Book) -> Review:
        found: Review | None = book.records.get(self.review_key)
        if found is None:
            raise ReviewNotFound("This ledger has no such review.")
        if found.status is not ReviewStatus.IN_REVIEW:
            raise InvalidState(f"The payment is {found.status.value}.", review_status=found.status.value)
        return found

    def _decision(self, now: datetime) -> Decision:
        return Decision(id=self.id, actor=self.actor, reason=self.reason, decided_at=now)

    def _done(self, after: Review, book: Book, now: datetime, told: EventType, paid: Posted | None = None) -> Posted:
        book.records[self.review_key] = after
        type_ = AuditType.REVIEW_REFUSED if after.status is ReviewStatus.REFUSED else AuditType.REVIEW_APPROVED
        audit = AuditRecord(
            ledger_id=self.ledger_id,
            id=self.further_id(2),
            recorded_at=now,
            type=type_,
            actor=self.actor,
            address=self.address,
            request_id=self.request_id,
            resource=f"rev_{self.review_id}",
            reason=self.reason,
            facts={"approvals": after.approvals, "approvals_needed": after.approvals_needed},
        )
        book.records[RecordKey(self.ledger_id, AUDIT_RECORD, audit.id)] = audit
        event = Event(self.further_id(1), told, ResourceType.REVIEW, after.id, review_facts(after))
        entries, events = ((), ()) if paid is None else (paid.entries, paid.events)
        done = Posted(self.ledger_id, entries, (*events, event), after, _remembered(after, self.id))
        done.told = (audit,)
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseReview(DecideReview):
    """Whoever has made the payment may take it back so, too."""

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        after = replace(self._open(book), status=ReviewStatus.REFUSED, last=self._decision(posted_at))
        return self._done(after, book, posted_at, EventType.PAYMENT_REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveReview(DecideReview):
    """`payment` is what was ordered, made a command anew: it bears this command's id, and a key that is the review's.

    Where two have to approve, the first approval posts nothing. With the last one the payment is made, by all that the
    books want of it at that moment, or the approval is refused. `person` stands behind the credential of who approves,
    `maker_person` behind that of who has ordered: another credential of the same person is no second pair of eyes.
    """

    payment: Pay
    person: str
    maker_person: str

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.payment.account_ids()

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.review_key), *self.payment.needs())

    def point(self, objection: DomainError) -> DomainError:
        return self.payment.named(objection).at("")

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            review = self._approvable(book)
        except DomainError as objection:
            yield objection
            return
        if review.approvals + 1 >= review.approvals_needed:
            for against in self.payment.objections(book):
                yield against.at("")

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        review = replace(self._approvable(book), maker_person=self.maker_person)
        decision = replace(self._decision(posted_at), person=self.person)
        if review.approvals + 1 < review.approvals_needed:
            after = replace(review, first=decision)
            return self._done(after, book, posted_at, EventType.PAYMENT_REVIEW_APPROVED)
        try:
            paid = self.payment.decide(book, posted_at)
        except DomainError as objection:
            raise objection.at("") from None
        after = replace(review, status=ReviewStatus.APPROVED, last=decision)
        return self._done(after, book, posted_at, EventType.PAYMENT_REVIEW_APPROVED, paid)

    def _approvable(self, book: Book) -> Review:
        review = self._open(book)
        if review.fingerprint != self.payment.fingerprint or _own_parties(review) != _own_parties(self.payment):
            raise InvalidState("What was ordered means something else by now: refuse it, and order it anew.")
        if self.actor == review.actor or self.person == self.maker_person:
            raise FourEyesRequired("Whoever has made the payment does not approve it, with whatever key.")
        first = review.first
        if first is not None and (first.actor == self.actor or (first.person or first.actor) == self.person):
            raise FourEyesRequired("Another person has to approve it, too.")
        return review


def _own_parties(ordered: Review | Pay) -> tuple[AccountId | None, AccountId | None]:
    """Without the clearing account, which goes by whoever carries it out: that may be another one by now."""
    payer = None if ordered.type is PaymentType.DEPOSIT else ordered.payer_id
    return payer, None if ordered.type is PaymentType.WITHDRAWAL else ordered.payee_id


def _remembered(review: Review, said_by: UUID) -> Remembered:
    """Under the id of the command: each is answered again as it was then."""
    return Remembered(ResourceType.REVIEW, review.id, {RECORDED_ID: str(said_by)})
