"""Background work: what metrics tell of the database is read by one worker at a time, seldom and within bounds.

All readings of a turn are on one connection, in one transaction that holds the lead. One that fails is told as failed,
and what it had told is forgotten: no number is better than an old one that looks new. When it last succeeded stays
told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zerosum.db.advisory_locks import try_lock_until_commit
from zerosum.db.engine import Connection, Database
from zerosum.db.queries import metric_readings as queries
from zerosum.db.queries.ledgers import every_ledger
from zerosum.services.tallies import Counts

OFTEN_SECONDS = 15.0
SELDOM_SECONDS = 300.0

LEDGERS_AT_ONCE = 20
"""Each row is held against the list of ledgers that a unit of work may see: a short one is soon gone through."""

READING_SECONDS_MAX = 20.0
"""Of one reading over all ledgers. There may be more of them than can be read so often."""

LEAD = "metric readings"

SUCCEEDED = "reading_timestamp_seconds"

Found = dict[str, dict[tuple[str, ...], float]]
"""By the name of the metric, without its prefix, and its labels."""

_KNOWN = {
    "disputes_undecided": ("overdue", "day", "week", "later", "none"),
    "reconciliation_breaks": ("1d", "7d", "30d", "older"),
    "webhook_undelivered": ("pending", "failed", "parked"),
    "webhook_endpoints": ("enabled", "failing", "given_up", "disabled"),
    "publications": ("moving", "obstructed"),
    "dead_letters": ("dead", "retrying", "waiting"),
    "postgres_connections": ("active", "idle", "idle_in_transaction", "other"),
}
"""Of these there may be none: that is told, too."""

_WAITING = tuple(name for name in _KNOWN if name != "postgres_connections")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    name: str
    every_seconds: float
    read: Callable[[Connection], Awaitable[Found]]


class MetricReadings:
    """`found` is what there is to tell, by reading; `clock` is monotonic, in seconds."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._ledgers: list[UUID] = []
        self._due: dict[str, float] = {}
        self._horizon = 0
        self._horizon_since = 0.0
        self.found: dict[str, Found] = {}
        self.failures = Counts()
        self._readings = (
            Reading("waiting", OFTEN_SECONDS, self._waiting),
            Reading("processors", OFTEN_SECONDS, self._processors),
            Reading("postgres", OFTEN_SECONDS, self._server),
            Reading("sizes", SELDOM_SECONDS, self._sizes),
            Reading("trial_balance", SELDOM_SECONDS, self._trial_balance),
        )

    async def run_once(self) -> int:
        """How many readings were made: those that are due, where nobody else has the lead."""
        due = [one for one in self._readings if self._clock() >= self._due.get(one.name, 0.0)]
        try:
            return await self._read(due)
        except Exception:  # The database is away: nothing of it is known.
            for one in self._readings:
                self._forget(one)
            raise

    async def _read(self, due: Sequence[Reading]) -> int:
        self._ledgers = [ledger.id async for ledger in every_ledger(self._database)]
        async with self._database.operator_work() as connection:
            if not await try_lock_until_commit(connection, LEAD):
                self.found.clear()
                self._due.clear()
                return 0
            for one in due:
                await self._make(one, connection)
        return len(due)

    def _forget(self, one: Reading) -> None:
        """All but when it last succeeded, by which one sees that it does not; 0 where it never has."""
        succeeded = self.found.get(one.name, {}).get(SUCCEEDED, {(one.name,): 0.0})
        self.found[one.name] = {SUCCEEDED: succeeded}

    def told(self) -> Found:
        """All that was found."""
        told: Found = {}
        for found in self.found.values():
            for name, series in found.items():
                told.setdefault(name, {}).update(series)
        return told

    async def _make(self, one: Reading, connection: Connection) -> None:
        begun = self._clock()
        self._due[one.name] = begun + one.every_seconds
        try:
            async with connection.begin_nested():
                found = await one.read(connection)
        except Exception as error:
            self._forget(one)
            self.failures.add((one.name,))
            _log.warning("what metrics tell of the database could not be read (%s): %s", one.name, error)
            if connection.closed or connection.invalidated:
                raise
            return
        if not found:  # Nothing is there yet: whoever begins is not to wait for long.
            self._due[one.name] = begun + OFTEN_SECONDS
        found["reading_seconds"] = {(one.name,): self._clock() - begun}
        found[SUCCEEDED] = {(one.name,): self._now().timestamp()}
        self.found[one.name] = found

    async def _over_ledgers(self, read: Callable[[list[UUID]], Awaitable[queries.Rows]]) -> queries.Rows:
        """Raises TimeoutError where there are too many of them."""
        rows: queries.Rows = []
        ends_at = self._clock() + READING_SECONDS_MAX
        for first in range(0, max(1, len(self._ledgers)), LEDGERS_AT_ONCE):
            if self._clock() > ends_at:
                raise TimeoutError("there are more ledgers than can be read in time")
            rows += await read(self._ledgers[first : first + LEDGERS_AT_ONCE])
        return rows

    async def _waiting(self, connection: Connection) -> Found:
        now = self._now()

        async def count(ledgers: list[UUID]) -> queries.Rows:
            await queries.look_at(connection, ledgers, queries.STATEMENT_SECONDS_MAX)
            return await queries.waiting(connection, ledgers, now)

        async def age(ledgers: list[UUID]) -> queries.Rows:
            await queries.look_at(connection, ledgers, queries.STATEMENT_SECONDS_MAX)
            return await queries.oldest(connection, ledgers, now)

        found = _with_none(await self._over_ledgers(count), *_WAITING)
        found |= _put_together(await self._over_ledgers(age), max)
        return found

    async def _trial_balance(self, connection: Connection) -> Found:
        async def read(ledgers: list[UUID]) -> queries.Rows:
            await queries.look_at(connection, ledgers, queries.WHOLE_TABLE_SECONDS_MAX)
            return await queries.trial_balance(connection, ledgers)

        return _put_together(await self._over_ledgers(read), lambda one, other: one + other)

    async def _processors(self, connection: Connection) -> Found:
        await queries.look_at(connection, queries.SERVICE_LEDGERS, queries.STATEMENT_SECONDS_MAX)
        return _put_together(await queries.processors(connection, self._now()), max)

    async def _server(self, connection: Connection) -> Found:
        await queries.look_at(connection, (), queries.STATEMENT_SECONDS_MAX)
        found = _with_none(await queries.server(connection), "postgres_connections")
        found["events_lag_seconds"] = {(): self._events_lag(*await queries.horizon(connection))}
        return found

    async def _sizes(self, connection: Connection) -> Found:
        await queries.look_at(connection, (), queries.STATEMENT_SECONDS_MAX)
        return _put_together(await queries.sizes(connection), max)

    def _events_lag(self, oldest: int, following: int) -> float:
        """For how long the same transaction has been the oldest that may still write: no event behind it is shown."""
        if oldest != self._horizon or oldest == following:
            self._horizon, self._horizon_since = oldest, self._clock()
        return self._clock() - self._horizon_since


def _with_none(rows: queries.Rows, *names: str) -> Found:
    """Added up, and 0 where there is none of a kind that is known."""
    none: queries.Rows = [(name, (word,), 0.0) for name in names for word in _KNOWN[name]]
    return _put_together(none + rows, lambda one, other: one + other)


def _put_together(rows: queries.Rows, add: Callable[[float, float], float]) -> Found:
    found: Found = {}
    for name, labels, number in rows:
        series = found.setdefault(name, {})
        series[labels] = add(series[labels], number) if labels in series else number
    return found
