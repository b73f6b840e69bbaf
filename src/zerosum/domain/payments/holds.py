"""A hold: money that is promised to somebody and not paid yet. What is captured of it is paid, the rest is set free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from zerosum.domain.errors import InvalidState, ValidationFailed
from zerosum.domain.events import told_time
from zerosum.domain.identifiers import AccountId, HoldId, LedgerId
from zerosum.domain.ledger.records import replaced
from zerosum.domain.moments import render_time
from zerosum.domain.money import Money, render_amount, subtract
from zerosum.domain.payments.payment import PaymentTexts

HOLD = "hold"
"""Of which kind holds are among the records."""

HOLD_CHANGE = "hold_change"
"""And the steps of their lives, each known by the command that made it."""

LASTS_MIN = timedelta(seconds=1)
LASTS_MAX = timedelta(days=400)
"""How far ahead a hold may expire, from the moment in which that is said."""

LASTS_BY_DEFAULT = timedelta(days=7)
"""As card networks let an authorization last."""

CHANGES_MAX = 200
"""So often a hold changes; then it can only be ended. Each answer tells all entries of its hold."""


class HoldStatus(StrEnum):
    OPEN = "open"
    CAPTURED = "captured"
    """All that was wanted of it was taken."""
    VOIDED = "voided"
    """Its holder has set free what was left."""
    EXPIRED = "expired"
    """Its time was over, and what was left was set free."""


class HoldVerb(StrEnum):
    """What a step of a hold's life did."""

    PLACED = "placed"
    CAPTURED = "captured"
    INCREMENTED = "incremented"
    EXTENDED = "extended"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(slots=True, kw_only=True)
class Hold:
    """Not frozen only because one is made for every hold that is placed: whoever changes one puts another in its place.

    It bears the UUID of the journal entry that placed it. `money` is all that was held, with its increments.

    `payer_id` is debited and `payee_id` credited, in the pending layer while it is open. `capture_max` is what may be
    captured in all, where that is more than was held. `entry_ids` are the entries it stands on, the oldest first, and
    `changes` the steps of its life so far.
    """

    id: HoldId
    ledger_id: LedgerId
    status: HoldStatus
    money: Money
    captured: Decimal
    payer_id: AccountId
    payee_id: AccountId
    expires_at: datetime
    created_at: datetime
    texts: PaymentTexts
    metadata: Mapping[str, str]
    capture_max: Decimal | None
    entry_ids: tuple[UUID, ...]
    payment_ids: tuple[UUID, ...] = ()
    """What was paid by its captures: each is a payment of its own, and bears the UUID of the capture's entry."""
    changes: int = 1
    house_rules: int | None = None
    """The version by which `capture_max` is what it is, where the request has said none."""

    @property
    def remaining(self) -> Decimal:
        """What is still held. Nothing, once the hold has ended; nor where more was captured than was held."""
        if self.status is not HoldStatus.OPEN:
            return self.money.currency.scaled(Decimal(0))
        return subtract(self.money.amount, self.captured)

    @property
    def capturable(self) -> Decimal:
        """What may still be captured of an open hold."""
        return subtract(max(self.money.amount, self.capture_max or self.money.amount), self.captured)

    def check_open(self, now: datetime) -> None:
        """Raises InvalidState for one that has ended, or that only waits to be released since its time is over."""
        if self.status is not HoldStatus.OPEN:
            raise InvalidState(f"The hold is {self.status.value}.", hold_status=self.status.value)
        if now >= self.expires_at:
            raise InvalidState("The hold has expired.", hold_status=HoldStatus.EXPIRED.value)


@dataclass(slots=True, kw_only=True)
class HoldChange:
    """A step of a hold's life, and the hold as it left it. It bears the id of its command, and so of what it posted.

    Not frozen, as its hold is not.
    """

    id: UUID
    ledger_id: LedgerId
    verb: HoldVerb
    changed_at: datetime
    hold: Hold


def may_expire(expires_at: datetime, now: datetime) -> bool:
    """Whether `check_expiry` lets it pass."""
    return now + LASTS_MIN <= expires_at <= now + LASTS_MAX


def check_expiry(expires_at: datetime, now: datetime) -> None:
    """Raises ValidationFailed."""
    if not may_expire(expires_at, now):
        raise ValidationFailed(
            f"A hold expires at least a second and at most {LASTS_MAX.days} days from now.", pointer="/expires_at"
        )


def check_changes(hold: Hold, after: Hold) -> None:
    """Raises InvalidState for one that would go on though it has changed too often."""
    if after.status is HoldStatus.OPEN and hold.changes >= CHANGES_MAX:
        raise InvalidState(
            f"The hold has changed {CHANGES_MAX} times: it can only be ended.", hold_status=hold.status.value
        )


def changed(hold: Hold, entry_id: UUID | None, **members: Any) -> Hold:
    """The hold after one step more."""
    members["changes"] = hold.changes + 1
    if entry_id is not None:
        members["entry_ids"] = (*hold.entry_ids, entry_id)
    return replaced(hold, members)


def hold_facts(hold: Hold) -> dict[str, Any]:
    """What an event tells of a hold: as it was, amounts and times in their wire form."""
    amount = render_amount(hold.money.amount)
    is_whole = hold.status is HoldStatus.OPEN and not hold.captured
    return {
        "status": hold.status._value_,
        "amount": amount,
        "captured": render_amount(hold.captured),
        "remaining": amount if is_whole else render_amount(hold.remaining),
        "capture_max": None if hold.capture_max is None else render_amount(hold.capture_max),
        "currency": hold.money.currency.code,
        "from": f"acc_{hold.payer_id}",
        "to": f"acc_{hold.payee_id}",
        **hold.texts._asdict(),
        "expires_at": _told(hold.expires_at) if hold.expires_at.tzinfo is UTC else told_time(hold.expires_at),
        "journal_entry_ids": [f"je_{entry_id}" for entry_id in hold.entry_ids],
        "payment_ids": [f"pay_{payment_id}" for payment_id in hold.payment_ids],
        "created_at": render_time(hold.created_at),
        "metadata": dict(hold.metadata),
    }


_told = lru_cache(maxsize=1024)(told_time)
"""Of moments in UTC: what is placed together ends together."""
