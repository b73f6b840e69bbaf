"""Velocity limits: how much, and how often, may leave or enter an account within a window of time.

They are judged by the Book under the account's lock, exact at both edges of a window. What counts is read from the
postings of the account: an entry counts once, with what it takes from (or brings to) what is available. So a hold
counts when it is placed, and its capture only with what goes beyond the hold. Whoever is paid by a capture has it
counted then; within the hold nothing refuses it, for it was decided when the hold was placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from zerosum.domain.identifiers import LedgerId
from zerosum.domain.money import add, render_amount, subtract

VELOCITY_LIMITS_MAX = 10
"""Of one account."""

ROLLING_SECONDS_MAX = 31 * 24 * 3600

_MICROSECOND = timedelta(microseconds=1)


class Direction(StrEnum):
    OUT = "out"
    IN = "in"


class WindowKind(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    ROLLING = "rolling"
    """The last so many seconds, whatever the clock says."""


class Window(NamedTuple):
    """What is added up. `seconds` belong to a rolling one."""

    direction: Direction
    kind: WindowKind
    seconds: int | None = None

    def start(self, at: datetime, zone: tzinfo) -> datetime:
        """The first instant that counts at this one."""
        if self.seconds is not None:
            return at - timedelta(seconds=self.seconds) + _MICROSECOND
        local = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        if self.kind is not WindowKind.HOUR:
            local = local.replace(hour=0, fold=0)
        if self.kind is WindowKind.MONTH:
            local = local.replace(day=1)
        return local.astimezone(UTC)

    def end(self, at: datetime, zone: tzinfo) -> datetime | None:
        """The first instant that belongs to the next one. A rolling window has none: it moves on."""
        if self.seconds is not None:
            return None
        if self.kind is WindowKind.HOUR:
            return self.start(at, zone) + timedelta(hours=1)
        local = self.start(at, zone).astimezone(zone)
        later = local.replace(tzinfo=None) + timedelta(days=32 if self.kind is WindowKind.MONTH else 1)
        later = later.replace(day=1) if self.kind is WindowKind.MONTH else later
        return later.replace(tzinfo=zone).astimezone(UTC)


class VelocityLimit(NamedTuple):
    """One at most for each window. An amount, or a number of entries, or both: whichever is reached first."""

    window: Window
    amount: Decimal | None = None
    number: int | None = None

    @property
    def content(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {
            "direction": self.window.direction.value,
            "window": self.window.kind.value,
            "seconds": self.window.seconds,
            "amount": None if self.amount is None else render_amount(self.amount),
            "count": self.number,
        }


def velocity_limit(content: Mapping[str, Any]) -> VelocityLimit:
    """What `content` has told."""
    window = Window(Direction(content["direction"]), WindowKind(content["window"]), content["seconds"])
    amount = content["amount"]
    return VelocityLimit(window, None if amount is None else Decimal(amount), content["count"])


class Use(NamedTuple):
    at: datetime
    amount: Decimal


class Used(NamedTuple):
    """What counts in a window at one instant. `uses` are told of rolling windows alone, the oldest first."""

    at: datetime
    start: datetime
    end: datetime | None
    amount: Decimal
    number: int
    uses: tuple[Use, ...] = ()

    def plus(self, amount: Decimal) -> Used:
        """With one more entry, posted at the same instant."""
        uses = (*self.uses, Use(self.at, amount)) if self.end is None else ()
        return self._replace(amount=add(self.amount, amount), number=self.number + 1, uses=uses)


UsedByWindow = Mapping[Window, Used]


def zone_of(ledger_id: LedgerId) -> tzinfo:  # noqa: ARG001 - all ledgers count by one clock yet
    """By which a ledger's hours, days and months begin."""
    return UTC


def is_exceeded(limit: VelocityLimit, used: Used, amount: Decimal) -> bool:
    """Whether one more entry of this amount is too much."""
    if limit.amount is not None and add(used.amount, amount) > limit.amount:
        return True
    return limit.number is not None and used.number + 1 > limit.number


def frees_at(limit: VelocityLimit, used: Used, amount: Decimal) -> datetime | None:
    """The first instant at which it would fit if nothing else happened. None: never, for it is too much by itself."""
    if is_exceeded(limit, used._replace(amount=amount - amount, number=0), amount):
        return None
    if limit.window.seconds is None:
        return used.end
    for use in used.uses:
        used = used._replace(amount=subtract(used.amount, use.amount), number=used.number - 1)
        if not is_exceeded(limit, used, amount):
            return use.at + timedelta(seconds=limit.window.seconds)
    return None
