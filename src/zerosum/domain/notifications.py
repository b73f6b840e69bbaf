"""Notifications: which mails are tried again and when, and what becomes of events beyond the limit. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class NotificationStatus(StrEnum):
    """Whether a notification mails anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"


DELETED = "deleted"
"""How the row of a notification is kept until its mails are taken away."""


class MailKind(StrEnum):
    """What a mail is about: one event; those that were too many for a mail each; nothing, for it was asked for."""

    EVENT = "event"
    DIGEST = "digest"
    TEST = "test"


class MailStatus(StrEnum):
    """How far a mail to one recipient has come."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


RETRIES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=8),
)
"""After each attempt that the mail server has put off: a day in all."""

JITTER_PERCENT = 20

LIMIT_SPAN = timedelta(hours=1)
"""Over which mails are limited; and how long what is held back waits for its digest."""

FIRST_PAUSE = timedelta(seconds=5)
PAUSE_MAX = timedelta(minutes=5)
"""Between two attempts to reach a mail server that is away."""


def mail_status(answer_code: int | None, attempts: int) -> MailStatus:
    """After so many attempts, by the last answer; None: there was none, and nobody knows whether it arrived."""
    if answer_code is not None and 200 <= answer_code < 400:
        return MailStatus.SENT
    is_final = answer_code is not None and answer_code >= 500
    return MailStatus.FAILED if is_final or attempts > len(RETRIES) else MailStatus.PENDING


def mail_delay(attempts: int, percent: int) -> timedelta:
    """`percent` is 100 give or take the jitter."""
    return RETRIES[min(attempts, len(RETRIES)) - 1] * percent // 100


def server_pause(failures: int) -> timedelta:
    doubled: int = 2 ** min(failures - 1, 16)
    return min(FIRST_PAUSE * doubled, PAUSE_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Events beyond the limit. They get no mail of their own: a digest tells how many of each type there were."""

    types: Mapping[str, int]
    since: datetime
    """When the first of them was held back."""

    @property
    def events(self) -> int:
        return sum(self.types.values())

    def is_due(self, now: datetime) -> bool:
        return now - self.since >= LIMIT_SPAN


def held_back(before: HeldBack | None, types: Iterable[str], now: datetime) -> HeldBack | None:
    """With those of these types too."""
    counted = Counter(types)
    if before is not None:
        counted.update(before.types)
    return HeldBack(types=counted, since=now if before is None else before.since) if counted else None
