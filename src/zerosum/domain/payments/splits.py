"""Splits: a payment whose money goes to several receivers, each of whom gets a percentage, a fixed part or the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zerosum.domain.errors import DomainError, SplitsExceedAmount
from zerosum.domain.identifiers import AccountId, LedgerId, PaymentId, Prefix, render_id
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.records import RecordKey
from zerosum.domain.money import Money, add, allot, percentage, render_amount, render_number, subtract
from zerosum.domain.payments.payment import Payment

SPLIT = "split"
"""Of which kind splits are among the records."""

SPLITS_MAX = 50
"""Of one payment. With the rest of it, and what a capture releases, they fit into one journal entry."""


class SplitRule(StrEnum):
    """How much of a payment one receiver gets."""

    PERCENT = "percent"
    """So much of the whole amount."""
    AMOUNT = "amount"
    """A fixed part."""
    REMAINDER = "remainder"
    """What the others leave."""
    REST = "rest"
    """The same, for the payee that the payment itself names."""


class AskedSplit(NamedTuple):
    """Who is to get which part. `value` is the percentage or the amount; `called`, how the order has named him."""

    account_id: AccountId
    rule: SplitRule
    value: Decimal | None
    called: str

    @property
    def takes_rest(self) -> bool:
        return self.value is None

    @property
    def value_text(self) -> str | None:
        """In its one writing."""
        if self.value is None:
            return None
        return render_number(self.value) if self.rule is SplitRule.PERCENT else render_amount(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What one receiver got of a payment, which may be nothing. The ids of splits follow that of their payment."""

    id: UUID
    ledger_id: LedgerId
    payment_id: PaymentId
    place: int
    asked: AskedSplit
    currency: str
    amount: Decimal
    refunded: Decimal | None = None
    """What he has given back, in all; None: nothing."""
    approved: Decimal | None = None
    """What he got, where the payment's processor has carried out a part and that makes it another amount."""
    refunding: Decimal | None = None
    """What he is to give back by refunds that the processor was asked for and has not answered; None: nothing."""
    pending: bool = False
    """The payment's processor has not said yet what becomes of it: so much is pending for him."""

    @property
    def paid(self) -> Decimal:
        """What he got, once the payment has succeeded."""
        return self.amount if self.approved is None else self.approved


class SplitPayment(NamedTuple):
    """A payment with what each receiver got of it."""

    payment: Payment
    splits: tuple[Split, ...]


def split_id(payment_id: UUID, place: int) -> UUID:
    """As those of `Command.further_id`: who knows the payment knows its splits."""
    return UUID(int=payment_id.int + 1 + place)


def split_key(ledger_id: LedgerId, payment_id: UUID, place: int) -> RecordKey:
    return RecordKey(ledger_id, SPLIT, split_id(payment_id, place))


def put_splits(book: Book, splits: Iterable[Split]) -> None:
    for split in splits:
        book.records[split_key(split.ledger_id, split.payment_id, split.place)] = split


def divided(ledger_id: LedgerId, payment_id: PaymentId, money: Money, asked: Sequence[AskedSplit]) -> tuple[Split, ...]:
    """The splits of a payment of so much. Raises SplitsExceedAmount."""
    return tuple(
        Split(
            id=split_id(payment_id, place),
            ledger_id=ledger_id,
            payment_id=payment_id,
            place=place,
            asked=one,
            currency=money.currency.code,
            amount=amount,
        )
        for place, (one, amount) in enumerate(zip(asked, divide(money, asked), strict=True))
    )


def divide(money: Money, asked: Sequence[AskedSplit]) -> tuple[Decimal, ...]:
    """What each gets, in all exactly the money; one of them takes the rest. Raises SplitsExceedAmount.

    Fixed parts are what they are. Percentages are of the whole amount, and they and the rest are rounded together, by
    the largest remainder (`allot`): of equal fractions the first named comes first, and the rest comes last.
    """
    exact: dict[int, Decimal] = {}
    left = floating = money.amount
    for place, one in enumerate(asked):
        if one.value is None:
            continue
        exact[place] = percentage(money.amount, one.value) if one.rule is SplitRule.PERCENT else one.value
        left = subtract(left, exact[place])
        if one.rule is SplitRule.AMOUNT:
            floating = subtract(floating, one.value)
        if left < 0:
            raise SplitsExceedAmount(
                "The splits up to this one come to more than there is.",
                pointer=f"/splits/{place}/{one.rule.value}",
                amount=render_amount(money.amount),
                currency=money.currency.code,
            )
    places = [place for place in exact if asked[place].rule is SplitRule.PERCENT]
    places += [place for place in range(len(asked)) if place not in exact]
    shares = allot(floating, [exact.get(place, left) for place in places], money.currency.minor_unit)
    rounded = exact | dict(zip(places, shares, strict=True))
    return tuple(rounded[place] for place in range(len(asked)))


def divide_less(splits: Sequence[Split], money: Money) -> tuple[Decimal, ...]:
    """What each gets when only so much of a payment that was divided is carried out: in all exactly that.

    By the same rules. Where the fixed parts come to more than there is, or somebody would get something who was to get
    nothing, it is divided as the whole was, by the largest remainder.
    """
    amounts = [split.amount for split in splits]
    try:
        again = divide(money, [split.asked for split in splits])
    except SplitsExceedAmount:
        again = ()
    if again and not any(now and not before for now, before in zip(again, amounts, strict=True)):
        return again
    return allot(money.amount, amounts, money.currency.minor_unit)


def given_back(payment: Payment, splits: Sequence[Split], money: Money) -> tuple[Decimal, ...]:
    """What each receiver gives back when so much of the payment is refunded.

    By the largest remainder of what each has left: of all that is left each gives back exactly what it still has. The
    payee answers for disputes, so he has left what they leave him.
    """
    questioned = add(payment.disputed or Decimal(0), payment.charged_back or Decimal(0))
    lefts = []
    for split in splits:
        left = subtract(subtract(split.paid, split.refunded or Decimal(0)), split.refunding or Decimal(0))
        if split.asked.takes_rest:
            left = max(subtract(left, questioned), Decimal(0))
        lefts.append(left)
    return allot(money.amount, lefts, money.currency.minor_unit)


def moved(splits: Sequence[Split], amounts: Iterable[Decimal], money: Money) -> Iterator[tuple[AccountId, Money]]:
    """Who gets or gives so much, without those who get nothing."""
    for split, amount in zip(splits, amounts, strict=True):
        if amount:
            yield split.asked.account_id, Money(amount, money.currency)


def called_as_asked(objection: DomainError, asked: Sequence[AskedSplit]) -> DomainError:
    """Once it tells id and code of its account: that it is called as the order has called it."""
    wire_id = objection.facts.get("account_id")
    for one in asked:
        if wire_id == render_id(Prefix.ACCOUNT, one.account_id):
            objection.facts["account"] = one.called
    return objection


def pointer_to(objection: DomainError, asked: Sequence[AskedSplit]) -> str | None:
    """The member that names the account of this objection; None where no split does."""
    for place, one in enumerate(asked):
        if one.rule is not SplitRule.REST and objection.facts.get("account") == render_id(
            Prefix.ACCOUNT, one.account_id
        ):
            return f"/splits/{place}/to"
    return None
