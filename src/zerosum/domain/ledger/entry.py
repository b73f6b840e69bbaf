"""Journal entries: immutable records of one business fact each, balanced by construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from zerosum.domain.commands import NO_METADATA
from zerosum.domain.errors import EffectiveInFuture, Unbalanced, ValidationFailed
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId, JournalEntryId, LedgerId
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.conditions import Condition
from zerosum.domain.money import Money, add, render_amount, subtract

if TYPE_CHECKING:
    from zerosum.domain.ledger.periods import LateEntry

POSTINGS_MIN = 2
POSTINGS_MAX = 100

ENTRY_METADATA = "entry_metadata"
"""The kind of record that tells what an entry was given besides. It is written as a part of that entry."""

EFFECTIVE_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
EFFECTIVE_AHEAD_MAX = timedelta(minutes=5)
"""How far the clocks of callers may go before ours. What lies further ahead has not happened."""


class Nature(StrEnum):
    """What kind of fact an entry records, and so what may stand in its way."""

    INTENTION = "intention"
    """Somebody wants it: refused where an account is frozen or closed, or would leave its limits."""
    RELEASE = "release"
    """A hold ends and money is somebody's again. It was decided when the hold was placed, and nothing refuses it."""
    OUTSIDE = "outside"
    """It has happened elsewhere (a dispute, a chargeback): it is recorded, whatever the account is meant to hold."""


class Posting(NamedTuple):
    """One line of a journal entry. A tuple: every payment makes two, and a frozen dataclass costs four times as much.

    `releases` marks a pending posting that takes back an earlier one (the end of a hold). `hold` is the id of the hold
    that a pending posting places or releases.
    """

    account_id: AccountId
    side: Side
    money: Money
    layer: Layer = Layer.POSTED
    releases: bool = False
    hold: UUID | None = None


def debit(account_id: AccountId, money: Money) -> Posting:
    return Posting(account_id, Side.DEBIT, money)


def credit(account_id: AccountId, money: Money) -> Posting:
    return Posting(account_id, Side.CREDIT, money)


def placed(posting: Posting, hold: UUID) -> Posting:
    """The same line in the pending layer: the beginning of a hold."""
    return Posting(posting.account_id, posting.side, posting.money, Layer.PENDING, releases=False, hold=hold)


def released(posting: Posting, hold: UUID) -> Posting:
    """The end of the hold that `placed` the same line. It has the same side, so that the two can be matched."""
    return Posting(posting.account_id, posting.side, posting.money, Layer.PENDING, releases=True, hold=hold)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One balanced business fact. An unbalanced entry cannot exist: debits equal credits in each currency and layer.

    Releases balance by themselves: they take back what placements put, so neither can make up for the other.
    """

    reason: str
    postings: tuple[Posting, ...]
    effective_at: datetime | None = None
    """When it happened in the world; None means when it is posted."""
    reverses: JournalEntryId | None = None
    nature: Nature = Nature.INTENTION
    gives_back: bool = False
    """It takes back what was paid: no velocity limit refuses it."""
    conditions: tuple[Condition, ...] = ()
    """Under which alone it is to be posted: they are judged with it, and are no part of it."""

    def __post_init__(self) -> None:
        if not POSTINGS_MIN <= len(self.postings) <= POSTINGS_MAX:
            raise ValidationFailed(
                f"A journal entry has {POSTINGS_MIN} to {POSTINGS_MAX} postings.", pointer="/postings"
            )
        if _balances_at_sight(self.postings):
            return
        unbalanced = [(key, difference) for key, difference in differences(self.postings).items() if difference]
        if unbalanced:
            (currency, layer, _), difference = unbalanced[0]
            raise Unbalanced(
                "In each currency the debits must equal the credits.",
                pointer="/postings",
                currency=currency,
                layer=layer.value,
                difference=render_amount(difference),
                differences=[
                    {"currency": currency, "difference": render_amount(one)} for (currency, _, _), one in unbalanced
                ],
            )

    @property
    def is_plain_pair(self) -> bool:
        """Whether it moves one amount from one account to another and nothing else, as nearly every entry does."""
        if len(self.postings) != POSTINGS_MIN or self.nature is not Nature.INTENTION:
            return False
        first, second = self.postings
        return (
            first.side is Side.DEBIT
            and first.layer is Layer.POSTED
            and second.layer is Layer.POSTED
            and first.account_id != second.account_id
        )

    @property
    def keeps_a_promise(self) -> bool:
        """Whether it pays no more than what it sets free of holds: that was decided when they were placed."""
        freed = paid = Decimal(0)
        for posting in self.postings:
            if posting.side is Side.DEBIT and posting.releases:
                freed = add(freed, posting.money.amount)
            elif posting.side is Side.DEBIT and posting.layer is Layer.POSTED:
                paid = add(paid, posting.money.amount)
        return 0 < paid <= freed

    def check_time(self, posted_at: datetime) -> None:
        """Whether it can have happened when it is posted. Raises EffectiveInFuture, ValidationFailed."""
        if self.effective_at is None or is_timely(self.effective_at, posted_at):
            return
        if self.effective_at < EFFECTIVE_FIRST:
            raise ValidationFailed("The time lies before 1970-01-01T00:00:00Z.", pointer="/effective_at")
        raise EffectiveInFuture(
            "What is posted has happened: its time lies at most five minutes ahead.", pointer="/effective_at"
        )


def is_timely(effective_at: datetime, posted_at: datetime) -> bool:
    """Whether `check_time` lets it pass."""
    return EFFECTIVE_FIRST <= effective_at <= posted_at + EFFECTIVE_AHEAD_MAX


def _balances_at_sight(postings: tuple[Posting, ...]) -> bool:
    """Whether it is a debit and a credit of the same money, or several such pairs: nearly every entry is.

    It needs no sums then.
    """
    if len(postings) % POSTINGS_MIN:
        return False
    for first, second in zip(postings[::2], postings[1::2], strict=True):
        is_pair = (
            first.side is not second.side
            and first.layer is second.layer
            and first.releases is second.releases
            and (first.money is second.money or first.money == second.money)
        )
        if not is_pair:
            return False
    return True


def differences(postings: Iterable[Posting]) -> dict[tuple[str, Layer, bool], Decimal]:
    """Debits minus credits by currency, layer and whether they release; all zero in a balanced entry."""
    sums: dict[tuple[str, Layer, bool], Decimal] = {}
    for posting in postings:
        key = (posting.money.currency.code, posting.layer, posting.releases)
        so_far = sums.get(key, Decimal(0))
        combine = add if posting.side is Side.DEBIT else subtract
        sums[key] = combine(so_far, posting.money.amount)
    return sums


@dataclass(slots=True)
class PostedPosting:
    """A posting as it lies in its account for good.

    `place` is its place in the entry, from 0. `account_version` numbers the account's postings from 1 without a gap;
    `balance_after` and `held_after` are the account's posted balance and held amount after this one; `hash` chains it
    to the posting before (`chain.py`).
    """

    posting: Posting
    place: int
    account_version: int
    balance_after: Decimal
    held_after: Decimal
    hash: bytes

    @property
    def account_id(self) -> AccountId:
        return self.posting.account_id


@dataclass(slots=True, kw_only=True)
class PostedEntry:
    """A journal entry as it was written: with its id, both clocks, its actor and its numbered postings."""

    id: JournalEntryId
    ledger_id: LedgerId
    entry: JournalEntry
    effective_at: datetime
    posted_at: datetime
    actor: str
    idempotency_key: str | None
    """None: a further entry of a command, whose first entry bears the key."""
    fingerprint: bytes
    resource_type: ResourceType
    resource_id: str | None = None
    """What it was posted for, where that has another id than the entry itself."""
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    postings: tuple[PostedPosting, ...] = ()
    late: LateEntry | None = None
    """What it was dated to, where that was in a closed period."""

    @property
    def account_versions(self) -> dict[UUID, int]:
        """The newest version this entry gave each account it touched."""
        return {line.posting.account_id: line.account_version for line in self.postings}
