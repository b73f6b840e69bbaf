"""Posting rules: every business fact and the journal entry it becomes. This file reads like an account book."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from uuid import UUID

from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.entry import JournalEntry, Nature, credit, debit, placed, released
from zerosum.domain.money import Currency, Money
from zerosum.domain.payments.payment import PaymentType

PaymentRule = Callable[[AccountId, AccountId, Money, datetime | None], JournalEntry]
"""From the payer, the payee, what is paid and when it happened."""

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


def refund(payer: AccountId, payee: AccountId, money: Money) -> JournalEntry:
    """The payee gives back what he was paid, or a part of it; of a deposit or withdrawal through the processor."""
    return JournalEntry("refund", (debit(payee, money), credit(payer, money)), gives_back=True)


def hold(payer: AccountId, payee: AccountId, money: Money, id_: UUID) -> JournalEntry:
    """The payer has promised it to the payee: it cannot be spent otherwise, and it is not paid yet."""
    return JournalEntry("hold", (placed(debit(payer, money), id_), placed(credit(payee, money), id_)))


def increment(payer: AccountId, payee: AccountId, money: Money, id_: UUID) -> JournalEntry:
    """The payer has promised so much more."""
    return JournalEntry("hold increment", (placed(debit(payer, money), id_), placed(credit(payee, money), id_)))


def capture(payer: AccountId, payee: AccountId, freed: Money, taken: Money, id_: UUID) -> JournalEntry:
    """What was promised is set free, and paid as far as it is wanted; within what was agreed also more than that."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    return JournalEntry("capture", (*promised, debit(payer, taken), credit(payee, taken)))


def void(payer: AccountId, payee: AccountId, freed: Money, id_: UUID) -> JournalEntry:
    """Nothing more is wanted of what was promised: the payer may spend it again."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    return JournalEntry("void", promised, nature=Nature.RELEASE)


def expiry(payer: AccountId, payee: AccountId, freed: Money, id_: UUID) -> JournalEntry:
    """The time of the promise is over: the payer may spend it again."""
    promised = (released(debit(payer, freed), id_), released(credit(payee, freed), id_))
    return JournalEntry("hold expiry", promised, nature=Nature.RELEASE)


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


def chargeback(
    payee: AccountId, clearing: AccountId, money: Money, hold: UUID, effective_at: datetime | None
) -> JournalEntry:
    """The dispute ends against the payee: the hold is released and the money goes back, though he may owe it then."""
    freed = (released(debit(payee, money), hold), released(credit(clearing, money), hold))
    taken = (debit(payee, money), credit(clearing, money))
    return JournalEntry("chargeback", (*freed, *taken), effective_at, nature=Nature.OUTSIDE)
