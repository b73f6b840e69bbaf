"""Webhooks: when a delivery is tried again, and what becomes of an endpoint that only fails. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class EndpointStatus(StrEnum):
    """Whether events are delivered to an endpoint."""

    ENABLED = "enabled"
    DISABLED = "disabled"


DELETED = "deleted"
"""How the row of an endpoint is kept that is shown to nobody any more."""


class DisabledReason(StrEnum):
    """Why an endpoint is disabled."""

    BY_REQUEST = "by_request"
    ONLY_FAILURES = "only_failures"
    GONE = "gone"


class DeliveryStatus(StrEnum):
    """How far the delivery of an event to an endpoint has come. The last three are ends, until it is replayed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    PARKED = "parked"


RETRIES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=20),
)
"""After each failed attempt: three days in all."""

JITTER_PERCENT = 20
"""By so much, up or down, the times differ: what failed together does not come again together."""

RETRY_AFTER_MAX = timedelta(hours=1)
"""What a receiver may ask for beyond the schedule."""

BREAKER_FAILURES = 5
"""So many attempts in a row have failed when an endpoint is left alone for a while."""

FIRST_PAUSE = timedelta(seconds=5)
"""Shorter than the first retry, which is promised within ten seconds; doubled with each failure."""

PAUSE_MAX = timedelta(minutes=5)

FAILING_LONG = timedelta(minutes=10)
"""With nothing but failures for so long, which is more than two tries, somebody should look. People are told by status
and metrics long before integrators are by an event."""

FAILING_AFTER = timedelta(days=1)
DISABLED_AFTER = timedelta(days=5)


def retry_delay(attempts: int, percent: int, asked: timedelta | None) -> timedelta | None:
    """How long to wait after so many attempts have failed; None: it was tried often enough.

    `percent` is 100 give or take the jitter; `asked` is what the receiver asks for.
    """
    if attempts > len(RETRIES):
        return None
    delay = RETRIES[attempts - 1] * percent // 100
    return delay if asked is None else max(delay, min(asked, RETRY_AFTER_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """What the last attempts say of an endpoint, whichever deliveries they were of."""

    consecutive_failures: int = 0
    paused_until: datetime | None = None
    """Nothing is sent before; then one attempt, by which it is judged."""
    failing_since: datetime | None = None
    """The first failure with nothing but failures behind it."""
    is_told: bool = False
    """Whether an event has told that it only fails."""

    def succeeded(self) -> EndpointHealth:
        return HEALTHY

    def failed(self, now: datetime) -> EndpointHealth:
        if self.paused_until is not None and now < self.paused_until:
            return self  # It was under way already when the pause began: one mishap is judged once.
        failures = self.consecutive_failures + 1
        over = failures - BREAKER_FAILURES
        pause = None if over < 0 else min(FIRST_PAUSE * 2 ** min(over, 16), PAUSE_MAX)
        return replace(
            self,
            consecutive_failures=failures,
            paused_until=None if pause is None else now + pause,
            failing_since=self.failing_since or now,
        )

    def is_to_be_told(self, now: datetime) -> bool:
        return not self.is_told and self.failing_since is not None and now - self.failing_since >= FAILING_AFTER

    def is_to_be_disabled(self, now: datetime) -> bool:
        return self.failing_since is not None and now - self.failing_since >= DISABLED_AFTER


HEALTHY = EndpointHealth()
