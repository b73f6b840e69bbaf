"""Exchanges: one currency is sold for another, at a rate that the caller gives, through the ledger's exchange accounts.

The exchange account of a currency holds the ledger's open position in it. What the exact product of amount and rate
has beyond the places of the bought currency cannot be posted: it stays there, and the exchange says how much it is.
Where it is said what is to be bought, what is sold is rounded up, and may be worth whole units more: these are posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from zerosum.domain.errors import AmountTooLarge, AmountTooSmall, DomainError, EffectiveInFuture, ValidationFailed
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import EFFECTIVE_FIRST, JournalEntry, is_timely
from zerosum.domain.ledger.outcome import Event, Posted
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import (
    BALANCE_LIMIT,
    EXACT,
    Currency,
    Money,
    RoundingMode,
    divided_up,
    percentage,
    rounded,
    subtract,
)
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.payment import NO_TEXTS, PARTY_POINTERS, PaymentTexts

_HUNDRED = Decimal(100)

EXCHANGE = "exchange"
"""Of which kind exchanges are among the records."""


def exchange_code(currency_code: str) -> str:
    """The account of the ledger's open position in a currency: what it was sold of it, less what it has given."""
    return f"zerosum:exchange:{currency_code}"


def margin_code(currency_code: str) -> str:
    """The account of what was earned by exchanging into a currency."""
    return f"zerosum:exchange-margin:{currency_code}"


def rounding_code(currency_code: str) -> str:
    """The account of what was earned by rounding up what is sold, in whole units of what is bought."""
    return f"zerosum:exchange-rounding:{currency_code}"


class Terms(NamedTuple):
    """At what rate, and by whose word: how much of the bought currency one of the sold is worth.

    `margin_percent` is kept of what was bought. `rounding` says what becomes of what is finer than the currency.
    """

    rate: Decimal
    source: str
    rate_at: datetime
    margin_percent: Decimal | None = None
    rounding: RoundingMode = RoundingMode.HALF_EVEN


class Conversion(NamedTuple):
    """What comes of it: all that was posted is exactly `exact` with its `difference`, which is less than a unit.

    Posted are `bought`, `margin` and, where it was said what is to be bought, the `gain` of rounding up what is sold.
    """

    exact: Decimal
    difference: Decimal
    margin: Decimal
    bought: Decimal
    gain: Decimal | None = None


def convert(sold: Money, terms: Terms, currency: Currency) -> Conversion:
    """Raises AmountTooLarge, and AmountTooSmall where nothing would be bought."""
    exact = EXACT.multiply(sold.amount, terms.rate)
    if exact >= subtract(BALANCE_LIMIT, Decimal(1)):
        raise AmountTooLarge("What is bought has more than 20 integer digits.", pointer="/amount")
    whole = rounded(exact, currency, terms.rounding)
    margin = currency.scaled(Decimal(0))
    if terms.margin_percent is not None:
        margin = rounded(percentage(whole, terms.margin_percent), currency, terms.rounding)
    bought = subtract(whole, margin)
    if bought <= 0:
        raise AmountTooSmall(
            "Nothing would be bought for it.", pointer="/amount", currency=currency.code, places=currency.exponent
        )
    return Conversion(exact, subtract(whole, exact), margin, bought)


def convert_back(bought: Money, terms: Terms, currency: Currency) -> tuple[Money, Conversion]:
    """What is to be sold of `currency`, so that with the margin just enough comes of it. All is rounded up.

    Raises AmountTooLarge, and ValidationFailed where all of it would be kept.
    """
    margin = bought.currency.scaled(Decimal(0))
    if terms.margin_percent is not None:
        rest = subtract(_HUNDRED, terms.margin_percent)
        if not rest:
            raise ValidationFailed("Where all is kept, nothing can be bought.", pointer="/margin_percent")
        margin = divided_up(EXACT.multiply(bought.amount, terms.margin_percent), rest, bought.currency)
    whole = EXACT.add(bought.amount, margin)
    sold = divided_up(whole, terms.rate, currency)
    limit = subtract(BALANCE_LIMIT, Decimal(1))
    exact = limit if sold >= limit else EXACT.multiply(sold, terms.rate)
    if exact >= limit:
        raise AmountTooLarge("What is sold, or what it is worth, has more than 20 integer digits.", pointer="/bought")
    gain = rounded(EXACT.subtract(exact, whole), bought.currency, RoundingMode.DOWN)
    difference = EXACT.subtract(EXACT.add(whole, gain), exact)
    return Money(sold, currency), Conversion(exact, difference, margin, bought.amount, gain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """It bears the UUID of its journal entry, which holds its times, metadata, actor and key."""

    id: UUID
    ledger_id: LedgerId
    payer_id: AccountId
    payee_id: AccountId
    sold: Money
    bought: Money
    terms: Terms
    conversion: Conversion
    texts: PaymentTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeExchange(LedgerCommand):
    """`payer_id` sells, `payee_id` gets what is bought. The others are the ledger's own accounts of both currencies."""

    payer_id: AccountId
    payee_id: AccountId
    sold_id: AccountId
    bought_id: AccountId
    margin_id: AccountId
    rounding_id: AccountId | None = None
    sold: Money
    bought: Money
    terms: Terms
    conversion: Conversion
    texts: PaymentTexts = NO_TEXTS
    effective_at: datetime | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        own = (self.payer_id, self.payee_id, self.sold_id, self.bought_id)
        earned = ((self.margin_id, self.conversion.margin), (self.rounding_id, self.conversion.gain))
        return (*own, *(account_id for account_id, amount in earned if account_id is not None and amount))

    def journal_entry(self) -> JournalEntry:
        margin, gain, currency = self.conversion.margin, self.conversion.gain, self.bought.currency
        return posting_rules.exchange(
            self.payer_id,
            self.payee_id,
            self.sold_id,
            self.bought_id,
            self.margin_id,
            self.rounding_id or self.margin_id,
            self.sold,
            self.bought,
            Money(margin, currency) if margin else None,
            Money(gain, currency) if gain else None,
            self.effective_at,
        )

    def point(self, objection: DomainError) -> DomainError:
        places = {**PARTY_POINTERS, **{f"/postings/{place}/account": "" for place in (1, 2, 4, 5)}}
        places["/postings/3/account"] = "/to"
        return self.named(objection).at(places.get(objection.pointer or "", objection.pointer or ""))

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        _check_rate_time(self.terms.rate_at, posted_at)
        posted = book.post(self.journal_entry(), self, posted_at, ResourceType.EXCHANGE)
        made = Exchange(
            id=self.id,
            ledger_id=self.ledger_id,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            sold=self.sold,
            bought=self.bought,
            terms=self.terms,
            conversion=self.conversion,
            texts=self.texts,
        )
        book.records[RecordKey(self.ledger_id, EXCHANGE, self.id)] = made
        event = Event(self.id, EventType.EXCHANGE_SUCCEEDED, ResourceType.EXCHANGE)
        return Posted(self.ledger_id, (posted,), (event,), made)


def _check_rate_time(rate_at: datetime, posted_at: datetime) -> None:
    if is_timely(rate_at, posted_at):
        return
    if rate_at < EFFECTIVE_FIRST:
        raise ValidationFailed("The time lies before 1970-01-01T00:00:00Z.", pointer="/rate_at")
    raise EffectiveInFuture("A rate is known when it is used: at most five minutes ahead.", pointer="/rate_at")
