"""What is done with a hold, under rules: an increment, or a capture of more than is held, is a greater promise.

How much that is is known with the hold locked, so it is judged there. Those outside are asked before, about the hold as
it is then: where it has become another meanwhile, and they would have to be asked about more, it is to be judged anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from zerosum.domain.errors import DomainError, JudgementNeeded
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.records import Need
from zerosum.domain.ledger.velocity import Direction, Window
from zerosum.domain.money import Money, subtract
from zerosum.domain.payments.book_checks import Velocity
from zerosum.domain.payments.hold_commands import CaptureHold, IncrementHold
from zerosum.domain.payments.holds import Hold
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.review_commands import Ruling
from zerosum.domain.payments.rules import AmountLimit, Finding, Judged, RuleAction, StaticRule, findings, refusal
from zerosum.domain.payments.split_commands import CaptureInParts

PROMISED = "A hold cannot wait for a review."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paid:
    """What a capture pays, for the checks of the books."""

    id: UUID
    ledger_id: LedgerId
    type: PaymentType
    money: Money
    payer_id: AccountId
    payee_id: AccountId


@dataclass(frozen=True, slots=True)
class SaidOutside:
    """What those outside have said of a promise of so much, before the hold was locked."""

    amount: Decimal
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedHoldChange(LedgerCommand):
    """Refused by the rules of one version, or done as it would be without.

    Whatever was promised is kept: a capture within what is held is asked about for its parties alone, and not for how
    much it is, or how often.
    """

    change: CaptureHold | IncrementHold
    version: str
    static: tuple[StaticRule, ...]
    limits: tuple[Velocity, ...]
    asks_outside: bool = False
    asked: SaidOutside | None = None
    """None: nobody outside was asked."""

    def account_ids(self) -> tuple[AccountId, ...]:
        return self.change.account_ids()

    def needs(self) -> tuple[Need, ...]:
        return self.change.needs()

    def counted(self) -> Iterator[tuple[UUID, Window]]:
        for limit in self.limits:
            window = limit.limit.window
            yield (self.change.payer_id if window.direction is Direction.OUT else self.change.payee_id), window

    def journal_entry(self) -> JournalEntry:
        return self.change.journal_entry()

    def point(self, objection: DomainError) -> DomainError:
        return self.change.point(objection)

    def objections(self, book: Book) -> Iterator[DomainError]:
        return self.change.objections(book)

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        """What the hold itself has to say comes first."""
        before: Hold | None = book.records.get(self.change.record_key)
        after = self.change.after(book, posted_at)
        if before is not None:
            self._judge(book, before, after, posted_at)
        return self.change.decide(book, posted_at)

    def _judge(self, book: Book, before: Hold, after: Hold, now: datetime) -> None:
        """Raises RuleRefused, JudgementNeeded."""
        was_promised = _was_promised(self.change, before, after)
        judged = judged_as(self.change, before, after)
        applied = [one for one in self.static if not (was_promised and isinstance(one, AmountLimit))]
        found = findings(applied, judged)
        if self.asks_outside and is_to_be_asked(self.change, before, after) and not _refuses(found):
            found += self._said_outside(judged)
        if not was_promised:
            found += self._exceeded(book, before, after, judged, now)
        refusing, _ = Ruling(
            version=self.version, judged=judged, findings=tuple(found), cannot_wait=PROMISED
        ).objections(book, self._paid(after.money), now)
        if refusing:
            error = refusal(refusing[0], self.version)
            raise error if error.pointer in self._named else error.at("")

    def _said_outside(self, judged: Judged) -> Sequence[Finding]:
        """Raises JudgementNeeded."""
        if self.asked is None or self.asked.amount < judged.amount:
            raise JudgementNeeded("The hold has become another while it was judged; send the request again.")
        return self.asked.findings

    def _exceeded(self, book: Book, before: Hold, after: Hold, judged: Judged, now: datetime) -> Iterator[Finding]:
        """What is more than was held leaves the payer now; whoever is paid gets all of a capture now."""
        reached = subtract(after.captured, before.captured)
        left = subtract(after.captured, max(before.money.amount, before.captured))
        if not isinstance(self.change, CaptureHold):
            left = reached = subtract(after.money.amount, before.money.amount)
        for limit in self.limits:
            if limit.rule.scope.holds(judged):
                amount = left if limit.limit.window.direction is Direction.OUT else reached
                finding = limit.finding(book, self._paid(after.money), replace(judged, amount=amount), now)
                if finding is not None:
                    yield finding

    def _paid(self, money: Money) -> _Paid:
        return _Paid(
            id=self.id,
            ledger_id=self.ledger_id,
            type=self.change.type,
            money=money,
            payer_id=self.change.payer_id,
            payee_id=self.change.payee_id,
        )

    @property
    def _named(self) -> frozenset[str | None]:
        """Which members the caller has: he has named a hold, and not whom it is between."""
        amount = {"/amount"} if self.change.names_amount else set()
        return frozenset({None, "/splits", *amount} if isinstance(self.change, CaptureInParts) else {None, *amount})


def is_to_be_asked(change: CaptureHold | IncrementHold, before: Hold, after: Hold) -> bool:
    """Whether those outside were never asked about as much, or about who gets a part of it."""
    return isinstance(change, CaptureInParts) or not _was_promised(change, before, after)


def judged_as(change: CaptureHold | IncrementHold, hold: Hold, after: Hold) -> Judged:
    """By all that is promised or taken then: or a limit would be gone round in steps."""
    amount = after.captured if isinstance(change, CaptureHold) else after.money.amount
    codes = change.codes or {}
    asked = change.asked if isinstance(change, CaptureInParts) else ()
    return Judged(
        type=change.type,
        amount=amount,
        currency=hold.money.currency.code,
        payer=codes[hold.payer_id],
        payee=codes[hold.payee_id],
        receivers=tuple(codes[one.account_id] for one in asked),
        metadata=hold.metadata,
        reference=hold.texts.reference,
        description=hold.texts.description,
        actor=change.actor,
    )


def _was_promised(change: CaptureHold | IncrementHold, before: Hold, after: Hold) -> bool:
    return isinstance(change, CaptureHold) and after.captured <= before.money.amount


def _refuses(found: Sequence[Finding]) -> bool:
    return any(one.action is RuleAction.REFUSE for one in found)
