"""Rules that are judged by the books, with the accounts locked: two payments at once cannot both be the last one.

What counts for velocity are the windows of velocity limits (`ledger/velocity.py`): whatever leaves (or enters) the
account counts, by whatever call. A duplicate is another payment of the same money between the same accounts, or an
order for one that is held for a review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from zerosum.domain.identifiers import AccountId, LedgerId
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.velocity import Direction, Used, VelocityLimit, Window, frees_at, is_exceeded, zone_of
from zerosum.domain.moments import render_time
from zerosum.domain.money import Money, render_amount
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.processor_splits import splits_of
from zerosum.domain.payments.rules import Finding, Judged, Rule
from zerosum.domain.payments.split_commands import parts_of

PAYMENT_TWIN = "payment_twin"
"""Of which kind earlier orders of the same are among the records."""


class Twin(NamedTuple):
    """An earlier order of the same: the payment, or the review it waits for."""

    id: UUID
    is_held: bool

    @property
    def name(self) -> str:
        return f"{'rev' if self.is_held else 'pay'}_{self.id}"


class Paying(Protocol):
    """A payment, or a hold, which is the promise of one."""

    @property
    def id(self) -> UUID: ...
    @property
    def ledger_id(self) -> LedgerId: ...
    @property
    def type(self) -> PaymentType: ...
    @property
    def money(self) -> Money: ...
    @property
    def payer_id(self) -> AccountId: ...
    @property
    def payee_id(self) -> AccountId: ...


class BookCheck(Protocol):
    @property
    def rule(self) -> Rule: ...

    def needs(self, payment: Paying) -> Iterator[Need]: ...

    def counted(self, payment: Paying) -> Iterator[tuple[UUID, Window]]: ...

    def finding(self, book: Book, payment: Paying, judged: Judged, now: datetime) -> Finding | None: ...

    def passed(self, book: Book, payment: Paying, *, is_held: bool = False) -> None:
        """It was posted, or is held for a review: what follows in the batch is to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """How much, and how often, leaves the payer (`out`) or reaches the payee (`in`) within a window."""

    rule: Rule
    limit: VelocityLimit

    def needs(self, payment: Paying) -> Iterator[Need]:  # noqa: ARG002 - it stands on the account alone
        return iter(())

    def counted(self, payment: Paying) -> Iterator[tuple[UUID, Window]]:
        for account_id, _ in self._moved(payment, payment.money.amount):
            yield account_id, self.limit.window

    def finding(self, book: Book, payment: Paying, judged: Judged, now: datetime) -> Finding | None:
        """By the amount that is `judged`. Of several who get a part of it the first that gets too much."""
        window, zone = self.limit.window, zone_of(payment.ledger_id)
        for account_id, amount in self._moved(payment, judged.amount):
            account = book.accounts.get(account_id)
            used = None if account is None else account.used.get(window)
            if used is None:  # It is opened by this very payment: nothing counts yet.
                used = Used(now, window.start(now, zone), window.end(now, zone), amount - amount, 0)
            if is_exceeded(self.limit, used, amount):
                return self._exceeded(judged, used, amount, self._pointer(payment, account_id))
        return None

    def _exceeded(self, judged: Judged, used: Used, amount: Decimal, pointer: str) -> Finding:
        frees = frees_at(self.limit, used, amount)
        return self.rule.caught(
            judged,
            f"The account would move more, or more often, than the rule `{self.rule.name}` allows.",
            pointer,
            limit=self.limit.content,
            used=render_amount(used.amount),
            used_count=used.number,
            frees_at=None if frees is None else render_time(frees),
        )

    def passed(self, book: Book, payment: Paying, *, is_held: bool = False) -> None:
        """The Book counts on by itself; what is held has moved nothing."""

    def _moved(self, payment: Paying, amount: Decimal) -> Iterator[tuple[AccountId, Decimal]]:
        """Whom it leaves, or reaches. Whose side is the processor's is nobody's."""
        if self.limit.window.direction is Direction.OUT:
            if payment.type is not PaymentType.DEPOSIT:
                yield payment.payer_id, amount
        elif splits := splits_of(payment):
            for account_id, part in parts_of(splits, payment.money):
                if payment.type is not PaymentType.WITHDRAWAL or account_id != payment.payee_id:
                    yield account_id, part.amount
        elif payment.type is not PaymentType.WITHDRAWAL:
            yield payment.payee_id, amount

    def _pointer(self, payment: Paying, account_id: AccountId) -> str:
        if self.limit.window.direction is Direction.OUT:
            return "/from"
        return "/to" if account_id == payment.payee_id else "/splits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    rule: Rule
    window_seconds: int

    def needs(self, payment: Paying) -> Iterator[Need]:
        yield Need(self._key(payment), is_locked=False)  # The accounts' locks keep it as it is.

    def counted(self, payment: Paying) -> Iterator[tuple[UUID, Window]]:  # noqa: ARG002 - it counts nothing
        return iter(())

    def finding(self, book: Book, payment: Paying, judged: Judged, now: datetime) -> Finding | None:  # noqa: ARG002
        earlier: Twin | None = book.records.get(self._key(payment))
        if earlier is None:
            return None
        if earlier.is_held:
            detail = f"The same was ordered within {self.window_seconds} seconds, and is held for a review."
            return self.rule.caught(judged, detail, review_id=earlier.name)
        detail = f"The same was paid between these accounts within {self.window_seconds} seconds."
        return self.rule.caught(judged, detail, payment_id=earlier.name)

    def passed(self, book: Book, payment: Paying, *, is_held: bool = False) -> None:
        key = self._key(payment)
        if key not in book.records:
            book.records[key] = Twin(payment.id, is_held=is_held)

    def _key(self, payment: Paying) -> RecordKey:
        """Looked for among the postings of the caller's own account, which are fewer than a clearing account's."""
        owner = payment.payee_id if payment.type is PaymentType.DEPOSIT else payment.payer_id
        money = payment.money
        words: tuple[Any, ...] = (owner, payment.payer_id, payment.payee_id, money.currency.code, _plain(money.amount))
        text = " ".join(str(word) for word in (*words, payment.type.value, self.window_seconds))
        return RecordKey(payment.ledger_id, PAYMENT_TWIN, text)


def _plain(amount: Decimal) -> str:
    return render_amount(amount)
