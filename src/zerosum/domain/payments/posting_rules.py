"""Posting rules: every business fact and the journal entry it becomes. This file reads like an account book."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from uuid import UUID

from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.entry import JournalEntry, Nature, Posting, credit, debit, placed, released
from zerosum.domain.money import Currency, Money, add
from zerosum.domain.payments.payment import PaymentType

PaymentRule = Callable[[AccountId, AccountId, Money, datetime | None], JournalEntry]
"""From the payer, the payee, what is paid and when it happened."""

Parts = Sequence[tuple[AccountId, Money]]
"""Who gets, or gives back, how much of what is paid."""

_SOME_PAYER, _SOME_PAYEE = AccountId(UUID(int=1)), AccountId(UUID(int=2))
_SOME_MONEY = Money(Decimal(1), Currency("XXX", 0))

PAYMENT_RULES: dict[PaymentType, PaymentRule] = {}
_PAIRS: set[PaymentType] = set()


def _rule_of(type_: PaymentType, *, is_pair: bool = False) -> Callable[[PaymentRule], PaymentRule]:
    """Which payments the rule posts.

    `is_pair`: whatever is paid, its entry is one debit of the payer and one credit of the payee, for the same reason.
    """

    def register(rule: PaymentRule) -> PaymentRule:
        PAYMENT_RULES[type_] = rule
        if is_pair:
            _PAIRS.add(type_)
        return rule

    return register


@_rule_of(PaymentType.TRANSFER, is_pair=True)
def transfer(payer: AccountId, payee: AccountId, money: Money, effective_at: datetime | None) -> JournalEntry:
    """We owe the payer less and the payee more."""
    return JournalEntry("transfer", (debit(payer, money), credit(payee, money)), effective_at)


@_rule_of(PaymentType.DEPOSIT, is_pair=True)
def deposit(clearing: AccountId, payee: AccountId, money: Money, effective_at: datetime | None) -> JournalEntry:
    """The processor now owes us; we owe the payee."""
    return JournalEntry("deposit", (debit(clearing, money), credit(payee, money)), effective_at)


@_rule_of(PaymentType.WITHDRAWAL, is_pair=True)
def withdrawal(payer: AccountId, clearing: AccountId, money: Money, effective_at: datetime | None) -> JournalEntry:
    """We owe the payer less; the processor pays it out, so it is owed that much more."""
    return JournalEntry("withdrawal", (debit(payer, money), credit(clearing, money)), effective_at)


@cache
def straight_reason(type_: PaymentType) -> str | None:
    """The reason of entries that are pairs. None: its rule may post more than that, and goes the Book's own way."""
    return PAYMENT_RULES[type_](_SOME_PAYER, _SOME_PAYEE, _SOME_MONEY, None).reason if type_ in _PAIRS else None


def payment_in_parts(
    type_: PaymentType, payer: AccountId, parts: Parts, money: Money, effective_at: datetime | None
) -> JournalEntry:
    """As the payment of its type, but what is paid goes to several: each gets its part, which come to the whole."""
    received = [credit(account, part) for account, part in parts]
    return JournalEntry(type_.value, (debit(payer, money), *received), effective_at)


def refund(payer: AccountId, payee: AccountId, money: Money) -> JournalEntry:
    """The payee gives back what he was paid, or a part of it; of a deposit or withdrawal through the processor."""
    return JournalEntry("refund", (debit(payee, money), credit(payer, money)), gives_back=True)


@cache
def straight_refund_reason() -> str:
    """Of the pair that gives back, whatever is refunded."""
    return refund(_SOME_PAYER, _SOME_PAYEE, _SOME_MONEY).reason


def refund_in_parts(payer: AccountId, parts: Parts, money: Money) -> JournalEntry:
    """Each who got a part of the payment gives back its part of what is refunded."""
    given = (debit(account, part) for account, part in parts)
    return JournalEntry("refund", (credit(payer, money), *given), gives_back=True)


def exchange(
    payer: AccountId,
    payee: AccountId,
    sold_position: AccountId,
    bought_position: AccountId,
    margin_account: AccountId,
    rounding_account: AccountId,
    sold: Money,
    bought: Money,
    margin: Money | None,
    gain: Money | None,
    effective_at: datetime | None,
) -> JournalEntry:
    """The payer's money is our position in the sold currency; that in the bought one pays the payee and our gains."""
    earned = ((margin_account, margin), (rounding_account, gain))
    kept = [credit(account, money) for account, money in earned if money is not None]
    given = bought.amount
    for line in kept:
        given = add(given, line.money.amount)
    lines = (
        debit(payer, sold),
        credit(sold_position, sold),
        debit(bought_position, Money(given, bought.currency)),
        credit(payee, bought),
    )
    return JournalEntry("exchange", (*lines, *kept), effective_at)


def hold(payer: AccountId, payee: AccountId, money: Money, id_: UUID) -> JournalEntry:
    """The payer has promised it to the payee: it cannot be spent otherwise, and it is not paid yet."""
    return JournalEntry("hold", (placed(debit(payer, money), id_), placed(credit(payee, money), id_)))


@cache
def straight_hold_reason() -> str:
    """Of the pair that places a hold, whatever is held."""
    return hold(_SOME_PAYER, _SOME_PAYEE, _SOME_MONEY, _SOME_PAYER).reason


def increment(payer: AccountId, payee: AccountId, money: Money, id_: UUID) -> JournalEntry:
    """The payer has promised so much more."""
    return JournalEntry("hold increment", (placed(debit(payer, money), id_), placed(credit(payee, money), id_)))


def capture(payer: AccountId, payee: AccountId, freed: Money, taken: Money, id_: UUID) -> JournalEntry:
    """What was promised is set free, and paid as far as it is wanted; within what was agreed also more than that."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    return JournalEntry("capture", (*promised, debit(payer, taken), credit(payee, taken)))


@cache
def straight_capture_reason() -> str:
    """Of what frees and pays, whatever is captured."""
    return capture(_SOME_PAYER, _SOME_PAYEE, _SOME_MONEY, _SOME_MONEY, _SOME_PAYER).reason


def capture_in_parts(
    payer: AccountId, payee: AccountId, freed: Money, parts: Parts, taken: Money, id_: UUID
) -> JournalEntry:
    """What was promised is set free, and what is paid of it goes to several: each gets its part."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    received = [credit(account, part) for account, part in parts]
    return JournalEntry("capture", (*promised, debit(payer, taken), *received))


def void(payer: AccountId, payee: AccountId, freed: Money, id_: UUID) -> JournalEntry:
    """Nothing more is wanted of what was promised: the payer may spend it again."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    return JournalEntry("void", promised, nature=Nature.RELEASE)


def expiry(payer: AccountId, payee: AccountId, freed: Money, id_: UUID) -> JournalEntry:
    """The time of the promise is over: the payer may spend it again."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    return JournalEntry("hold expiry", promised, nature=Nature.RELEASE)


def proposal(payer: AccountId, promised: Parts, money: Money, id_: UUID, effective_at: datetime | None) -> JournalEntry:
    """A processor is to carry it out: it is pending between them until that has said what became of it."""
    pending = [placed(credit(account, part), id_) for account, part in promised]
    return JournalEntry("payment proposed", (placed(debit(payer, money), id_), *pending), effective_at)


def payment_moved(
    payer: AccountId,
    payee: AccountId,
    new_payer: AccountId,
    new_payee: AccountId,
    money: Money,
    id_: UUID,
    effective_at: datetime | None,
) -> JournalEntry:
    """One processor has not carried it out and another is to: it is pending at that one's clearing account now."""
    # What goes to several is pending for each as before: the payee has as much afterwards as he had.
    freed = (released(debit(payer, money), id_), released(credit(payee, money), id_))
    promised = (placed(debit(new_payer, money), id_), placed(credit(new_payee, money), id_))
    return JournalEntry("payment moved", (*freed, *promised), effective_at, nature=Nature.OUTSIDE)


def approval(
    payer: AccountId,
    promised: Parts,
    freed: Money,
    paid_to: Parts,
    taken: Money,
    id_: UUID,
    effective_at: datetime | None,
) -> JournalEntry:
    """The processor has carried it out, or a part of it: that much is paid, and nothing of it is pending any more."""
    paid = (debit(payer, taken), *(credit(account, part) for account, part in paid_to))
    lines = (*_freed(payer, promised, freed, id_), *paid)
    return JournalEntry("payment approved", lines, effective_at, nature=Nature.OUTSIDE)


def decline(payer: AccountId, promised: Parts, freed: Money, id_: UUID, effective_at: datetime | None) -> JournalEntry:
    """The processor does not carry it out: what was pending is the payer's again."""
    lines = _freed(payer, promised, freed, id_)
    return JournalEntry("payment declined", lines, effective_at, nature=Nature.RELEASE)


def _freed(payer: AccountId, promised: Parts, freed: Money, id_: UUID) -> tuple[Posting, ...]:
    """Nothing of what a processor was asked for is pending any more."""
    return (released(debit(payer, freed), id_), *(released(credit(account, part), id_) for account, part in promised))


def refund_proposal(payer: AccountId, payee: AccountId, money: Money, id_: UUID) -> JournalEntry:
    """The processor is to give it back: it is pending between the two until that has said what became of it."""
    lines = (placed(debit(payee, money), id_), placed(credit(payer, money), id_))
    return JournalEntry("refund proposed", lines, gives_back=True)


def refund_proposal_in_parts(payer: AccountId, parts: Parts, money: Money, id_: UUID) -> JournalEntry:
    """Each who got a part of the payment is to give back its part of what the processor is asked for."""
    given = (placed(debit(account, part), id_) for account, part in parts)
    return JournalEntry("refund proposed", (placed(credit(payer, money), id_), *given), gives_back=True)


def refund_approval(
    payer: AccountId, promised: Parts, freed: Money, paid_to: Parts, taken: Money, id_: UUID
) -> JournalEntry:
    """The processor has taken it back, or a part of it; nothing of it is pending any more."""
    paid_back = (*(debit(account, part) for account, part in paid_to), credit(payer, taken))
    lines = (*_freed_refund(payer, promised, freed, id_), *paid_back)
    return JournalEntry("refund approved", lines, nature=Nature.OUTSIDE)


def refund_decline(payer: AccountId, promised: Parts, freed: Money, id_: UUID) -> JournalEntry:
    """The processor does not give it back: what was pending is theirs again who were paid."""
    return JournalEntry("refund declined", _freed_refund(payer, promised, freed, id_), nature=Nature.RELEASE)


def _freed_refund(payer: AccountId, promised: Parts, freed: Money, id_: UUID) -> tuple[Posting, ...]:
    return (*(released(debit(account, part), id_) for account, part in promised), released(credit(payer, freed), id_))


def dispute(
    payee: AccountId, clearing: AccountId, money: Money, hold: UUID, effective_at: datetime | None
) -> JournalEntry:
    """The payer's bank questions a deposit: what the payee got is held, even where he has spent it."""
    held = (placed(debit(payee, money), hold), placed(credit(clearing, money), hold))
    return JournalEntry("dispute", held, effective_at, nature=Nature.OUTSIDE)


def resolve(
    payee: AccountId, clearing: AccountId, money: Money, hold: UUID, effective_at: datetime | None
) -> JournalEntry:
    """The dispute ends for the payee: what was held is his again."""
    freed = (released(debit(payee, money), hold), released(credit(clearing, money), hold))
    return JournalEntry("resolve", freed, effective_at, nature=Nature.RELEASE)


def escalation(payee: AccountId, clearing: AccountId, money: Money, hold: UUID) -> JournalEntry:
    """A dispute that the payee had won goes to the next stage: what he got is held again."""
    held = (placed(debit(payee, money), hold), placed(credit(clearing, money), hold))
    return JournalEntry("dispute escalation", held, nature=Nature.OUTSIDE)


def chargeback(
    payee: AccountId, clearing: AccountId, money: Money, hold: UUID, effective_at: datetime | None
) -> JournalEntry:
    """The dispute ends against the payee: the hold is released and the money goes back, though he may owe it then."""
    freed = (released(debit(payee, money), hold), released(credit(clearing, money), hold))
    taken = (debit(payee, money), credit(clearing, money))
    return JournalEntry("chargeback", (*freed, *taken), effective_at, nature=Nature.OUTSIDE)


def chargeback_with_fee(
    payee: AccountId, clearing: AccountId, earner: AccountId, money: Money, fee: Money, hold: UUID
) -> JournalEntry:
    """Losing the dispute costs the payee a fee besides, which goes to whoever has paid it to the network."""
    lost = chargeback(payee, clearing, money, hold, None)
    return replace(lost, postings=(*lost.postings, debit(payee, fee), credit(earner, fee)))
