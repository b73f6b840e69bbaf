"""One child of the supervisor: started, noticed when it dies, started again after a short wait."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Protocol

from zerosum.embedded.child_processes import exit_text
from zerosum.embedded.errors import EmbeddedError, GaveUp, ServerDidNotStart
from zerosum.embedded.server import Notify

STEADY_SECONDS = 10.0
"""A child that has run so long is taken to be in order: its next end is a new matter."""

BACKOFF_SECONDS_FIRST = 0.1
BACKOFF_SECONDS_MAX = 5.0
"""With the time a start takes, whatever is killed is back within 10 s, however often."""

CRASHES_AT_START_MAX = 5
"""A child that is not proven and has ended by itself this often will not do better the next time."""

TOLD_AGAIN_AFTER_SECONDS = 60.0
FAILURES_TOLD_ONE_BY_ONE = 3


class Process(Protocol):
    """What can be supervised: EmbeddedServer and Worker."""

    @property
    def pid(self) -> int | None: ...
    @property
    def exit_status(self) -> int | None: ...
    def starting(self) -> Iterator[None]: ...
    def stopping(self) -> Iterator[None]: ...
    def hurry(self) -> None: ...
    def is_alive(self) -> bool: ...


class WatchedChild:
    """Moves on by `advance`, which never waits.

    A child is proven, and never given up again, once it has run steadily; or, if `is_proven_by_start`, once a start
    has come to its end: a server's does so only when the server takes connections.
    """

    def __init__(
        self,
        name: str,
        process: Process,
        *,
        notify: Notify,
        on_restart: Callable[[], None] | None = None,
        on_end: Callable[[int], None] | None = None,
        is_proven_by_start: bool = False,
    ) -> None:
        """`on_end` is told the number of each process that has ended and is to be followed by another."""
        self.name = name
        self.process = process
        self.due_at = 0.0
        self.is_up = False
        """Started, and not seen to have ended. A server is up once it takes connections."""
        self.has_been_up = False
        self._notify = notify
        self._on_restart = on_restart
        self._on_end = on_end
        self._is_proven_by_start = is_proven_by_start
        self._steps: Iterator[None] | None = None
        self._is_recycling = False
        self._up_since = 0.0
        self._failures = 0
        self._crashes_at_start = 0
        self._is_proven = False
        self._told = ""
        self._told_at = 0.0

    @property
    def is_moving(self) -> bool:
        """Whether a start or stop is under way."""
        return self._steps is not None

    def advance(self, now: float, *, counts_crashes: bool) -> None:
        """Do what is due. Raises GaveUp when crashes count and there were too many right after the first start."""
        if self._steps is not None:
            self._continue(now, counts_crashes)
        elif self.is_up:
            if not self.process.is_alive():
                self._fail(now, exit_text(self.process.exit_status), counts_crashes and not self._was_killed)
            elif not self._is_proven and now - self._up_since >= STEADY_SECONDS:
                self._is_proven = True
        elif now >= self.due_at:
            self._steps = self.process.starting()
            self._continue(now, counts_crashes)

    def recycle(self) -> None:
        """Stop it in good order and start it again."""
        if self.is_up and self._steps is None:
            self._is_recycling = True
            self._steps = self.process.stopping()

    def stopping(self) -> Iterator[None]:
        """Stop for good, also in the middle of a start."""
        self._abandon()
        self.is_up = False
        try:
            yield from self.process.stopping()
        except EmbeddedError as error:
            self._notify(str(error))

    @property
    def _was_killed(self) -> bool:
        """A signal that comes from outside says nothing about whether the next start will work."""
        return self.process.exit_status in (-signal.SIGKILL, -signal.SIGTERM)

    def _continue(self, now: float, counts_crashes: bool) -> None:
        assert self._steps is not None
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
            if self._is_recycling:
                self._has_ended()
                self._is_recycling, self.is_up, self.due_at = False, False, now
            else:
                self._has_started(now)
        except EmbeddedError as error:
            self._steps, self._is_recycling = None, False
            was_killed = isinstance(error, ServerDidNotStart) and self._was_killed
            self._fail(now, f"did not start: {str(error).rstrip('.')}", counts_crashes and not was_killed)

    def _has_started(self, now: float) -> None:
        is_restart = self.has_been_up
        self.is_up = self.has_been_up = True
        self._up_since = now
        self._is_proven = self._is_proven or self._is_proven_by_start
        if is_restart:
            self._notify(f"{self.name} runs again.")
            if self._on_restart is not None:
                self._on_restart()

    def _has_ended(self) -> None:
        if self._on_end is not None and self.process.pid is not None:
            self._on_end(self.process.pid)

    def _fail(self, now: float, words: str, counts_crashes: bool) -> None:
        if self.is_up:
            self._has_ended()
        if self.is_up and now - self._up_since >= STEADY_SECONDS:
            self._failures = 0
        was_told_to_stop = self.is_up and self.process.exit_status == -signal.SIGTERM
        self.is_up = False
        if counts_crashes and not self._is_proven:
            self._crashes_at_start += 1
            if self._crashes_at_start >= CRASHES_AT_START_MAX:
                raise GaveUp(f"{self.name} {words}. That was the {CRASHES_AT_START_MAX}th time: giving up.")
        if was_told_to_stop:
            self.due_at = now  # It ended in good order; meanwhile its callers wait.
        else:
            self.due_at = now + _backoff_seconds(self._failures)
            self._failures += 1
        self._tell(now, f"{self.name} {words}")

    def _tell(self, now: float, words: str) -> None:
        """A failure that goes on for hours, a full disk say, is not told every five seconds."""
        is_old_news = self._failures > FAILURES_TOLD_ONE_BY_ONE and words == self._told
        if is_old_news and now - self._told_at < TOLD_AGAIN_AFTER_SECONDS:
            return
        self._told, self._told_at = words, now
        self._notify(f"{words}; starting it again.")

    def _abandon(self) -> None:
        steps, self._steps = self._steps, None
        close = getattr(steps, "close", None)
        if close is not None:
            close()


def _backoff_seconds(failures: int) -> float:
    """The first restart is immediate; then 0.1, 0.2, 0.4 … 5 s."""
    if failures == 0:
        return 0.0
    return min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * 2.0 ** min(failures - 1, 10))
