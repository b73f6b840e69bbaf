"""What one ledger may take up of everybody's: accounts, subjects, API keys, refusals a day.

A quota is there against growth for nothing, and is not exact: a count is remembered for a while, and several processes
open accounts at once. It may be overrun by as much as is opened meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from zerosum.domain.errors import QuotaExceeded, RateLimited

COUNT_SECONDS = 3600.0
"""A count far from the quota is good for so long."""

NEAR_SECONDS = 10.0
NEAR_SHARE = 0.9
"""From here on a quota is near."""

LEDGERS_MAX = 10_000
"""Remembered by one process; those counted first are forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    accounts: int = 1_000_000
    api_keys: int = 1_000
    refusals_a_day: int = 1_000_000


class CountThem(Protocol):
    async def __call__(self) -> int: ...


@dataclass(slots=True)
class _Count:
    number: int
    counted_at: float


class CountedQuota:
    """Of what is counted in the database and never becomes less. `clock` is monotonic."""

    def __init__(self, name: str, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._limit = limit
        self._clock = clock
        self._counts: dict[Hashable, _Count] = {}

    async def take(self, ledger_id: Hashable, number: int, count: CountThem) -> None:
        """Before so many are made. `count` asks the database. Raises QuotaExceeded."""
        known = self._counts.get(ledger_id)
        if known is None or self._is_stale(known, number):
            known = _Count(await count(), self._clock())
            self._counts.pop(ledger_id, None)
            while len(self._counts) >= LEDGERS_MAX:
                del self._counts[next(iter(self._counts))]
            self._counts[ledger_id] = known
        check_quota(self._name, known.number + number, self._limit)
        known.number += number

    def _is_stale(self, known: _Count, number: int) -> bool:
        is_near = known.number + number > self._limit * NEAR_SHARE
        return self._clock() - known.counted_at > (NEAR_SECONDS if is_near else COUNT_SECONDS)


def check_quota(name: str, wanted: int, limit: int) -> None:
    """Raises QuotaExceeded."""
    if wanted > limit:
        raise QuotaExceeded(f"This ledger may have {limit} {name.replace('_', ' ')}.", quota=name, quota_limit=limit)


class RefusalQuota:
    """Refusals that are recorded under their keys, by UTC day; each process counts its share of them.

    When it is used up, what would be refused is told so without a record, and may be tried again; what can be carried
    out still is.
    """

    def __init__(self, a_day: int, processes: int = 1) -> None:
        self._share = max(1, a_day // processes)
        self._day = datetime.min.replace(tzinfo=UTC).date()
        self._recorded: dict[Hashable, int] = {}

    def take(self, ledger_id: Hashable, now: datetime) -> RateLimited | None:
        """None, or what is to be answered in place of the refusal."""
        if now.date() != self._day:
            self._day, self._recorded = now.date(), {}
        recorded = self._recorded.get(ledger_id, 0)
        if recorded >= self._share:
            midnight = datetime.combine(self._day + timedelta(days=1), datetime.min.time(), now.tzinfo)
            seconds = max(1, int((midnight - now).total_seconds()))
            return RateLimited(
                "This ledger has had too many refusals today to record another.", limit="refusals", retry_after=seconds
            )
        self._recorded[ledger_id] = recorded + 1
        return None
