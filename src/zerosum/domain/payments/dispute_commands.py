"""What can be done with disputes: opened, argued, taken further, won and lost, under the lock of their payment."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from zerosum.domain.errors import (
    AmountExceedsPayment,
    DisputeNotFound,
    DomainError,
    InvalidState,
    NotDisputable,
    PaymentNotFound,
    ValidationFailed,
)
from zerosum.domain.events import EventType, ResourceType, told_time
from zerosum.domain.identifiers import AccountId, DisputeId, PaymentId
from zerosum.domain.ledger.account_change import AccountChange, objections_to_account, wire_account_id
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry, PostedEntry, credit, debit
from zerosum.domain.ledger.outcome import RECORDED_ID, Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, render_amount, subtract
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.disputes import (
    DISPUTE,
    DISPUTE_CASE,
    DISPUTE_CHANGE,
    EVIDENCE_MAX,
    STAGES,
    Dispute,
    DisputeChange,
    DisputeStage,
    DisputeStatus,
    DisputeTexts,
    DisputeVerb,
    Evidence,
    dispute_facts,
)
from zerosum.domain.payments.payment import PAYMENT, Payment, PaymentType, plus, with_status

_EVENTS = {
    DisputeVerb.OPENED: EventType.DISPUTE_OPENED,
    DisputeVerb.EVIDENCE_ADDED: EventType.DISPUTE_EVIDENCE_ADDED,
    DisputeVerb.ESCALATED: EventType.DISPUTE_ESCALATED,
    DisputeVerb.WON: EventType.DISPUTE_WON,
    DisputeVerb.LOST: EventType.DISPUTE_LOST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeCommand(LedgerCommand):
    """`payer_id` and `payee_id` are those of the payment, which never change."""

    verb: ClassVar[DisputeVerb]

    payment_id: PaymentId
    payer_id: AccountId
    payee_id: AccountId

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.payer_id, self.payee_id)

    @property
    def payment_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, PAYMENT, self.payment_id)

    def journal_entry(self) -> JournalEntry:
        raise LookupError("what this posts depends on the payment: ask `objections` with a book")

    def point(self, objection: DomainError) -> DomainError:
        """The caller has named no accounts: what is wrong lies in the request as a whole."""
        return self.named(objection).at("")

    def _payment(self, book: Book) -> Payment:
        payment: Payment | None = book.records.get(self.payment_key)
        if payment is None:
            raise PaymentNotFound("This ledger has no such payment.")
        return payment

    def conclude(self, book: Book, dispute: Dispute, entry: JournalEntry | None, now: datetime) -> Posted:
        """Post, write the dispute and the step of its life, and tell of it."""
        entries: tuple[PostedEntry, ...] = ()
        remembered = None
        if entry is None:
            remembered = Remembered(ResourceType.DISPUTE, dispute.id, {RECORDED_ID: str(self.id)})
        else:
            own_id = None if dispute.id == self.id else str(dispute.id)
            entries = (book.post(entry, self, now, ResourceType.DISPUTE, own_id),)
        change = DisputeChange(id=self.id, verb=self.verb, changed_at=now, dispute=dispute)
        book.records[RecordKey(self.ledger_id, DISPUTE, dispute.id)] = dispute
        book.records[RecordKey(self.ledger_id, DISPUTE_CHANGE, self.id)] = change
        told = None if dispute.id == self.id else dispute.id
        event = Event(self.id, _EVENTS[self.verb], ResourceType.DISPUTE, told, dispute_facts(dispute))
        return Posted(self.ledger_id, entries, (event,), change, remembered)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDispute(DisputeCommand):
    """`money` None: all that is left of the payment. A case that is known is answered with its dispute as it is."""

    verb = DisputeVerb.OPENED

    texts: DisputeTexts
    money: Money | None = None

    @property
    def _case_key(self) -> RecordKey | None:
        case = self.texts.provider_case_id
        return None if case is None else RecordKey(self.ledger_id, DISPUTE_CASE, case)

    def needs(self) -> tuple[Need, ...]:
        """Who opens a dispute of this payment holds its accounts, so the case need only be read."""
        payment = Need(self.payment_key)
        return (payment,) if self._case_key is None else (payment, Need(self._case_key, is_locked=False))

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            if self._known(book) is None:
                self._ruling(self._payment(book))
        except DomainError as refusal:
            yield refusal

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        known = self._known(book)
        if known is not None:
            change = DisputeChange(id=known.last_change_id, verb=self.verb, changed_at=posted_at, dispute=known)
            content = {RECORDED_ID: str(known.last_change_id)}
            return Posted(self.ledger_id, (), (), change, Remembered(ResourceType.DISPUTE, known.id, content))
        payment = self._payment(book)
        money, after = self._ruling(payment)
        dispute = Dispute(
            id=DisputeId(self.id),
            ledger_id=self.ledger_id,
            payment_id=payment.id,
            status=DisputeStatus.OPEN,
            money=money,
            payer_id=payment.payer_id,
            payee_id=payment.payee_id,
            texts=self.texts,
            note=None,
            evidence=(),
            entry_ids=(self.id,),
            created_at=posted_at,
            last_change_id=self.id,
        )
        entry = posting_rules.dispute(payment.payee_id, payment.payer_id, money, self.id, None)
        done = self.conclude(book, dispute, entry, posted_at)
        book.records[self.payment_key] = after
        if self._case_key is not None:
            book.records[self._case_key] = dispute
        return done

    def _known(self, book: Book) -> Dispute | None:
        found: Dispute | None = None if self._case_key is None else book.records.get(self._case_key)
        if found is not None and found.payment_id != self.payment_id:
            raise ValidationFailed("The case is one about another payment.", pointer="/provider_case_id")
        return found

    def _ruling(self, payment: Payment) -> tuple[Money, Payment]:
        if payment.type is PaymentType.WITHDRAWAL:
            raise NotDisputable("A withdrawal is not disputed: it was paid out.", type=payment.type.value)
        payment.check_paid()
        left = payment.left
        if not left or (self.money is not None and self.money.amount > left):
            raise AmountExceedsPayment(
                "The payment has less left to dispute.",
                pointer="/amount",
                disputable=render_amount(left),
                currency=payment.money.currency.code,
            )
        money = self.money or Money(left, payment.money.currency)
        return money, with_status(payment, disputed=plus(payment.disputed, money.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDispute(DisputeCommand):
    """What becomes of a dispute that is there."""

    dispute_id: DisputeId

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.dispute_key), Need(self.payment_key))

    @property
    def dispute_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, DISPUTE, self.dispute_id)

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            self._found(book)
        except DomainError as refusal:
            yield refusal

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        dispute = self._found(book)
        entry, members = self._ruling(dispute, posted_at)
        entries = dispute.entry_ids if entry is None else (*dispute.entry_ids, self.id)
        after = replace(dispute, changes=dispute.changes + 1, last_change_id=self.id, entry_ids=entries, **members)
        done = self.conclude(book, after, entry, posted_at)
        payment = self._payment(book)
        settled = self._settled(payment, dispute)
        if settled is not payment:
            book.records[self.payment_key] = settled
        return done

    def _found(self, book: Book) -> Dispute:
        found: Dispute | None = book.records.get(self.dispute_key)
        if found is None:
            raise DisputeNotFound("This ledger has no such dispute.")
        self.check(found, book)
        return found

    def check(self, dispute: Dispute, book: Book) -> None:  # noqa: ARG002 - that of others depends on the payment
        """Raises what keeps this from being done with the dispute."""
        if dispute.is_decided:
            raise InvalidState(f"The dispute is {dispute.status.value}.", dispute_status=dispute.status.value)

    @abstractmethod
    def _ruling(self, dispute: Dispute, now: datetime) -> tuple[JournalEntry | None, Mapping[str, Any]]:
        """What to post, and what of the dispute is otherwise afterwards."""

    def _settled(self, payment: Payment, dispute: Dispute) -> Payment:  # noqa: ARG002 - most change nothing
        """The payment afterwards; `dispute` is as it was before."""
        return payment


@dataclass(frozen=True, slots=True, kw_only=True)
class AddEvidence(ChangeDispute):
    verb = DisputeVerb.EVIDENCE_ADDED

    text: str

    def _ruling(self, dispute: Dispute, now: datetime) -> tuple[JournalEntry | None, Mapping[str, Any]]:
        if len(dispute.evidence) >= EVIDENCE_MAX:
            raise InvalidState(
                f"A dispute takes {EVIDENCE_MAX} pieces of evidence.", dispute_status=dispute.status.value
            )
        piece = Evidence(self.text, told_time(now))
        return None, {"evidence": (*dispute.evidence, piece), "status": DisputeStatus.UNDER_REVIEW}


@dataclass(frozen=True, slots=True, kw_only=True)
class WinDispute(ChangeDispute):
    verb = DisputeVerb.WON

    note: str | None = None

    def _ruling(self, dispute: Dispute, now: datetime) -> tuple[JournalEntry | None, Mapping[str, Any]]:  # noqa: ARG002
        entry = posting_rules.resolve(dispute.payee_id, dispute.payer_id, dispute.money, dispute.id, None)
        return entry, {"status": DisputeStatus.WON, "note": self.note}

    def _settled(self, payment: Payment, dispute: Dispute) -> Payment:
        return with_status(payment, disputed=_less(payment.disputed, dispute.money.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalateDispute(ChangeDispute):
    """To a later stage. What was won is questioned once more then; what was lost is not."""

    verb = DisputeVerb.ESCALATED

    stage: DisputeStage
    respond_by: str | None = None
    note: str | None = None

    def check(self, dispute: Dispute, book: Book) -> None:
        if dispute.status is DisputeStatus.LOST:
            raise InvalidState("The dispute is lost.", dispute_status=dispute.status.value)
        if STAGES.index(self.stage) <= STAGES.index(dispute.stage):
            raise InvalidState("The dispute has come so far already.", dispute_stage=dispute.stage.value)
        payment = self._payment(book)
        if dispute.status is DisputeStatus.WON and dispute.money.amount > payment.left:
            raise AmountExceedsPayment(
                "The payment has less left to dispute.",
                disputable=render_amount(payment.left),
                currency=payment.money.currency.code,
            )

    def _ruling(self, dispute: Dispute, now: datetime) -> tuple[JournalEntry | None, Mapping[str, Any]]:  # noqa: ARG002
        entry = None
        if dispute.status is DisputeStatus.WON:
            entry = posting_rules.escalation(dispute.payee_id, dispute.payer_id, dispute.money, dispute.id)
        texts = dispute.texts._replace(respond_by=self.respond_by)
        return entry, {"status": DisputeStatus.OPEN, "stage": self.stage, "texts": texts, "note": self.note}

    def _settled(self, payment: Payment, dispute: Dispute) -> Payment:
        if dispute.status is not DisputeStatus.WON:
            return payment
        return with_status(payment, disputed=plus(payment.disputed, dispute.money.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseDispute(ChangeDispute):
    """`fee`, where there is one, goes from who was paid to `fee_account_id`: whoever has paid the network.

    That it was lost nothing refuses. A fee that the request names is its own word: who was paid must have it, unless
    it is forced, and who gets it must be able to. One of the house rules is not taken where that is not so: whoever
    tells that a dispute was lost has not asked for it.
    """

    verb = DisputeVerb.LOST

    note: str | None = None
    unfit_fee: DomainError | None = None
    """Why what its request names as a fee can be none, whatever the books hold: so its key keeps that."""

    fee_called: str | None = None
    """How its request has named the account of the fee."""

    fee: Money | None = None
    fee_account_id: AccountId | None = None
    is_forced: bool = False
    house_rules: int | None = None
    """The version of the house rules by which it costs that, where the request has not said it."""

    def check(self, dispute: Dispute, book: Book) -> None:
        if self.unfit_fee is not None:
            raise self.unfit_fee
        ChangeDispute.check(self, dispute, book)
        against = [] if self.house_rules is not None else list(self._against_fee(book))
        if against:
            against[0].others += against[1:]
            raise against[0]

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        is_left_out = self.house_rules is not None and next(self._against_fee(book), None) is not None
        asked = replace(self, fee=None, fee_account_id=None, house_rules=None) if is_left_out else self
        return ChangeDispute.decide(asked, book, posted_at)

    def _against_fee(self, book: Book) -> Iterator[DomainError]:
        if self.fee is None or self.fee_account_id is None:
            return
        fee, earner_id = self.fee, self.fee_account_id
        paid, earned = debit(self.payee_id, fee), credit(earner_id, fee)
        earner = book.accounts.get(earner_id)
        for refusal in objections_to_account(earner, earned, is_intention=True):
            yield self.named(refusal.at("/fee/to"))
        if earner is None:
            return
        payee = book.accounts[self.payee_id]
        for account, posting, member in ((payee, paid, "amount"), (earner, earned, "to")):
            change = AccountChange(account, 0)
            change.include(posting)
            for objection in change.objections(is_intention=account is earner or not self.is_forced):
                yield self.named(objection.at(f"/fee/{member}"))

    def account_ids(self) -> tuple[AccountId, ...]:
        parties = (self.payer_id, self.payee_id)
        if self.fee_account_id is None or self.fee_account_id in parties:
            return parties
        return (*parties, self.fee_account_id)

    def _ruling(self, dispute: Dispute, now: datetime) -> tuple[JournalEntry | None, Mapping[str, Any]]:  # noqa: ARG002
        payee, payer, money = dispute.payee_id, dispute.payer_id, dispute.money
        members = {"status": DisputeStatus.LOST, "note": self.note}
        if self.fee is None or self.fee_account_id is None:
            return posting_rules.chargeback(payee, payer, money, dispute.id, None), members
        entry = posting_rules.chargeback_with_fee(payee, payer, self.fee_account_id, money, self.fee, dispute.id)
        return entry, {
            **members,
            "fee": self.fee,
            "fee_account_id": self.fee_account_id,
            "fee_house_rules": self.house_rules,
        }

    def named(self, objection: DomainError) -> DomainError:
        """The account of the fee is the only one that its caller may have named."""
        named = ChangeDispute.named(self, objection)
        called, earner_id = self.fee_called, self.fee_account_id
        if called and earner_id and named.facts.get("account_id") == wire_account_id(earner_id):
            named.facts["account"] = called
        return named

    def _settled(self, payment: Payment, dispute: Dispute) -> Payment:
        amount = dispute.money.amount
        taken = plus(payment.charged_back, amount)
        return with_status(payment, disputed=_less(payment.disputed, amount), charged_back=taken)


def _less(so_far: Decimal | None, amount: Decimal) -> Decimal | None:
    """None once nothing is left."""
    left = subtract(so_far or amount, amount)
    return left or None
