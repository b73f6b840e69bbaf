"""What became of each item of a bulk call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zerosum.client.decoding import decode
from zerosum.client.models.journal import JournalEntry
from zerosum.client.models.model import Model
from zerosum.client.models.payments import BalanceAfter, Payment, Review
from zerosum.client.refusals import Refused, refusal

IN_REVIEW_STATUS = 202


@dataclass(frozen=True, kw_only=True)
class ItemResult(Model):
    """`index` is that of the item. One that was `refused` and is `retryable` may be sent again under the same key."""

    index: int
    status: int
    problem: Mapping[str, Any] | None = None
    replayed: bool = False

    @property
    def refused(self) -> Refused | None:
        return None if self.problem is None else refusal(self.problem, self.status)


@dataclass(frozen=True, kw_only=True)
class PaymentResult(ItemResult):
    """A `payment`, a `review` where a rule has held it, or what it was `refused` for."""

    data: Mapping[str, Any] | None = None

    @property
    def payment(self) -> Payment | None:
        is_made = self.data is not None and self.status != IN_REVIEW_STATUS
        return decode(Payment, self.data) if is_made else None

    @property
    def review(self) -> Review | None:
        return decode(Review, self.data) if self.data is not None and self.status == IN_REVIEW_STATUS else None


@dataclass(frozen=True, kw_only=True)
class EntryResult(ItemResult):
    """An entry, or what it was `refused` for."""

    data: JournalEntry | None = None


@dataclass(frozen=True, kw_only=True)
class PaymentResults(Model):
    """In the order of the items."""

    results: tuple[PaymentResult, ...]
    dry_run: bool = False
    balances: tuple[BalanceAfter, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EntryResults(Model):
    """In the order of the items."""

    results: tuple[EntryResult, ...]
    dry_run: bool = False
    balances: tuple[BalanceAfter, ...] = ()
