"""When a call is tried again, and when it is over. No network and no clock: both runners ask the same questions.

    an answer that is retryable        again, after Retry-After where it says so
    504, or a connection that breaks   again, under the same key: it may have been carried out
    5xx in words that are not ours     the same
    all else                           the answer

After an attempt that may have been carried out, only an answer that looks the key up says what became of it: a 401, 429
or 503 that comes then leaves the outcome unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import SystemRandom
from typing import Any

from zerosum.client.errors import OutcomeUnknown, UnexpectedAnswer, Unreachable, ZerosumError
from zerosum.client.refusals import Refused, refusal

OUTCOME_UNKNOWN_STATUS = 504
BEFORE_THE_KEY = frozenset({401, 403, 408, 429, 500, 503})
"""Statuses that say nothing about what was done under a key before."""
IN_PROGRESS = "idempotency_in_progress"
"""Another request under the key is at work: what comes of it is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Pauses grow by two from the first to the longest, each shortened by chance down to half."""

    attempts_max: int = 8
    seconds_max: float = 60.0
    """From the first attempt on: none begins later."""
    first_pause_seconds: float = 0.1
    pause_seconds_max: float = 8.0


NO_RETRIES = Retries(attempts_max=1)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Numbers with a point become Decimal. Raises ValueError."""
        return json.loads(self.content, parse_float=Decimal)

    def problem(self) -> dict[str, Any] | None:
        """None where somebody else has answered."""
        try:
            found = self.json()
        except ValueError:
            return None
        return found if isinstance(found, dict) and isinstance(found.get("code"), str) else None


_chance = SystemRandom().random


class Attempts:
    """Of one call. `after_answer` and `after_failure` give the seconds to wait before the next, or raise the end."""

    def __init__(
        self,
        retries: Retries,
        *,
        key: str | None,
        is_repeatable: bool,
        is_writing: bool,
        clock: Callable[[], float],
        chance: Callable[[], float] = _chance,
    ) -> None:
        self._retries = retries
        self._key = key
        self._is_repeatable = is_repeatable
        self._is_writing = is_writing
        self._clock = clock
        self._chance = chance
        self._begun_at = clock()
        self._made = 0
        self._may_be_done = False

    def after_answer(self, answer: Answer) -> float | None:
        """None: it was carried out. Raises Refused, OutcomeUnknown, Unreachable, UnexpectedAnswer."""
        if 200 <= answer.status < 300:
            return None
        problem = answer.problem()
        if problem is None:
            strange = UnexpectedAnswer(f"{answer.status} without a problem: this service does not answer so")
            if answer.status >= 500:  # Whatever stands between us and the service may have passed the call on.
                return self._again(strange, may_be_done=True)
            raise self.ended_by(strange)
        refused = refusal(problem, answer.status, self._key)
        if refused.retryable:
            return self._again(
                refused,
                may_be_done=answer.status == OUTCOME_UNKNOWN_STATUS or refused.code == IN_PROGRESS,
                wanted=_seconds(answer.headers.get("retry-after")),
            )
        raise self.ended_by(refused) if answer.status in BEFORE_THE_KEY else refused

    def after_failure(self, error: Exception, *, may_have_arrived: bool) -> float:
        """Raises OutcomeUnknown, Unreachable."""
        return self._again(error, may_be_done=may_have_arrived)

    def ended_by(self, error: ZerosumError) -> ZerosumError:
        """What to raise where something ends the call that says nothing about the attempts before it."""
        return self._unknown(error) if self._may_be_done else error

    def _again(self, error: Exception, *, may_be_done: bool, wanted: float | None = None) -> float:
        self._made += 1
        self._may_be_done = (self._may_be_done or may_be_done) and self._is_writing
        longest = min(self._retries.pause_seconds_max, self._retries.first_pause_seconds * 2 ** (self._made - 1))
        pause = longest * (1 + self._chance()) / 2 if wanted is None else wanted
        left = self._retries.seconds_max - (self._clock() - self._begun_at)
        # What was not carried out for certain may be asked again by anyone.
        is_safe = self._is_repeatable or not self._may_be_done
        if is_safe and self._made < self._retries.attempts_max and pause <= left:
            return pause
        if self._may_be_done:
            raise self._unknown(error)
        if isinstance(error, Refused):
            raise error
        raise Unreachable(f"the service does not answer ({_words(error)})") from error

    def _unknown(self, error: Exception) -> ZerosumError:
        return outcome_unknown(error, self._key)


def outcome_unknown(error: Exception, key: str | None) -> OutcomeUnknown:
    """Told of `error`, which is its cause."""
    under = "" if key is None else f"; ask again under the key {key}"
    unknown = OutcomeUnknown(f"nobody can say yet whether this was done ({_words(error)}){under}", key)
    unknown.__cause__ = error
    return unknown


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, ZerosumError) else type(error).__name__


def _seconds(text: str | None) -> float | None:
    """Of Retry-After, as this service gives it."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
