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


def _rule_of(type_: PaymentType) -> Callable[[PaymentRule], PaymentRule]:
    """Which payments the rule posts."""

    def register(rule: PaymentRule) -> PaymentRule:
        PAYMENT_RULES[type_] = rule
        return rule

    return register


@_rule_of(PaymentType.TRANSFER)
def transfer(payer: AccountId, payee: AccountId, money: Money, effective_at: datetime | None) -> JournalEntry:
    """We owe the payer less and the payee more."""
    return JournalEntry("transfer", (debit(payer, money), credit(payee, money)), effective_at)


@_rule_of(PaymentType.DEPOSIT)
def deposit(clearing: AccountId, payee: AccountId, money: Money, effective_at: datetime | None) -> JournalEntry:
    """The processor now owes us; we owe the payee."""
    return JournalEntry("deposit", (debit(clearing, money), credit(payee, money)), effective_at)


@_rule_of(PaymentType.WITHDRAWAL)
def withdrawal(payer: AccountId, clearing: AccountId, money: Money, effective_at: datetime | None) -> JournalEntry:
    """We owe the payer less; the processor pays it out, so it is owed that much more."""
    return JournalEntry("withdrawal", (debit(payer, money), credit(clearing, money)), effective_at)


@cache
def straight_reason(type_: PaymentType) -> str | None:
    """The reason of entries that just take the money from the payer to the payee, as of every payment so far.

    Asked of the rule itself, once. None: its entries are more than that, and go the Book's own way.
    """
    entry = PAYMENT_RULES[type_](_SOME_PAYER, _SOME_PAYEE, _SOME_MONEY, None)
    ends = entry.postings[0].account_id, entry.postings[1].account_id
    return entry.reason if entry.is_plain_pair and ends == (_SOME_PAYER, _SOME_PAYEE) else None


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
