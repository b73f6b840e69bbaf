"""How well a processor answers: a breaker that leaves it alone for a while, and the share of what it approves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

WINDOW = timedelta(minutes=5)
"""The rate is of this one and the one before it."""

JUDGED_FROM = 20
"""Of fewer attempts no rate is told."""

PAUSE_DOUBLINGS_MAX = 6


class Reply(StrEnum):
    """What came of asking once."""

    APPROVED = "approved"
    DECLINED = "declined"
    UNDECIDED = "undecided"
    """It has answered, and decided nothing."""
    MISSING = "missing"
    """No reply, an error, or one that says nothing that is known."""


class Attempt(NamedTuple):
    """What came of asking once, and for what."""

    reply: Reply
    is_look_up: bool = False
    """Not to carry something out: that it answers says nothing of whether it would."""
    is_technical: bool = False
    """It has declined because it cannot now, and not for what it was asked."""

    @property
    def is_rated(self) -> bool:
        """Whether it says how well the processor does: a payee's wrong number is the order's fault."""
        return self.reply in (Reply.APPROVED, Reply.MISSING) or (self.reply is Reply.DECLINED and self.is_technical)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """`failures` 0: there is no breaker; `success_percent_min` 0: no rate is asked for. `pause` is the first one."""

    failures: int = 5
    pause: timedelta = timedelta(seconds=5)
    success_percent_min: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorHealth:
    """Of one processor, as all processes share it. `attempts` are those that are rated."""

    consecutive_failures: int = 0
    paused_until: datetime | None = None
    """It is not asked before; then once, by which it is judged."""
    window_at: datetime
    approved: int = 0
    attempts: int = 0
    approved_before: int = 0
    attempts_before: int = 0

    @property
    def success_percent(self) -> int | None:
        """None: it was asked too seldom."""
        attempts = self.attempts + self.attempts_before
        return 100 * (self.approved + self.approved_before) // attempts if attempts >= JUDGED_FROM else None

    def after(self, attempts: Iterable[Attempt], rules: BreakerRules, now: datetime) -> ProcessorHealth:
        health = self._in_window(now)
        for attempt in attempts:
            health = health.after_one(attempt, rules, now)
        return health

    def trouble(self, rules: BreakerRules, now: datetime) -> str | None:
        """Why nothing new should go to it, in words for who asks. None: nothing stands against it."""
        if self.paused_until is not None and now < self.paused_until:
            return f"{self.consecutive_failures} attempts in a row had no reply"
        percent = self._in_window(now).success_percent
        if percent is not None and percent < rules.success_percent_min:
            return f"it has approved {percent} % of late"
        return None

    def may_be_asked(self, rules: BreakerRules, now: datetime, at_once: int) -> int:
        """How many calls at a time: none while it is left alone, and one to judge it by after that."""
        if not rules.failures or self.consecutive_failures < rules.failures:
            return at_once
        return 0 if self.paused_until is not None and now < self.paused_until else 1

    def after_one(self, attempt: Attempt, rules: BreakerRules, now: datetime) -> ProcessorHealth:
        """In the window as it is."""
        if attempt.reply is Reply.MISSING:
            return replace(self._failed(rules, now), attempts=self.attempts + 1)
        rated = replace(
            self,
            approved=self.approved + (attempt.reply is Reply.APPROVED),
            attempts=self.attempts + attempt.is_rated,
        )
        return rated if attempt.is_look_up else replace(rated, consecutive_failures=0, paused_until=None)

    def _failed(self, rules: BreakerRules, now: datetime) -> ProcessorHealth:
        if self.paused_until is not None and now < self.paused_until:
            return self  # It was under way already when the pause began: one mishap is judged once.
        failures = self.consecutive_failures + 1
        over = failures - rules.failures
        is_open = rules.failures > 0 and over >= 0
        pause = rules.pause * 2 ** min(over, PAUSE_DOUBLINGS_MAX) if is_open else None
        return replace(self, consecutive_failures=failures, paused_until=None if pause is None else now + pause)

    def _in_window(self, now: datetime) -> ProcessorHealth:
        passed = now - self.window_at
        if passed < WINDOW:
            return self
        is_next = passed < 2 * WINDOW
        return replace(
            self,
            window_at=now,
            approved=0,
            attempts=0,
            approved_before=self.approved if is_next else 0,
            attempts_before=self.attempts if is_next else 0,
        )
