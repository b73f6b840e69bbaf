"""How what rooms have counted in plain numbers becomes readings of metrics, for whichever process has these rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from zerosum.db.engine import Database
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.metrics.declaration import PREFIX
from zerosum.metrics.declared import ALL, BY_NAME, committer, gateway, outside, payments, postgres
from zerosum.metrics.declared.committer import HOT_ACCOUNTS_MAX
from zerosum.metrics.metrics import Readings
from zerosum.metrics.snapshot import Labels
from zerosum.services.background.completer import ProcessorTally
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.committing.measured import REFUSED
from zerosum.services.tallies import Counts, Hottest

COOLED_EVERY = 30
"""Readings: what an account was waited for halves as often, so that of a minute ago a quarter is left."""

SECONDS_MIN = 0.005
TIMES_MIN = 0.5


class CommitterReader:
    """Of one process. Asked once a second, or seldomer."""

    def __init__(self, of: Committer, stats: CommitterStats) -> None:
        self._committer = of
        self._stats = stats
        self._asked = 0

    def read(self) -> Readings:
        stats, tally = self._stats, self._stats.tally
        self._asked += 1
        if self._asked % COOLED_EVERY == 0:
            tally.waited_for.cool(SECONDS_MIN)
            tally.found_held.cool(TIMES_MIN)
        return {
            committer.BATCHES: stats.batches,
            committer.COMMANDS: stats.commands,
            committer.RETRIES: stats.retries,
            committer.SHED: stats.shed,
            committer.EXPIRED: stats.expired,
            committer.UNKNOWN: stats.unknown,
            committer.LANES_LOST: stats.lanes_lost,
            committer.QUEUED: self._committer.queued_commands,
            committer.HELD_UP: self._committer.held_up_works,
            committer.BATCH_COMMANDS: tally.batch_commands,
            committer.QUEUE_DEPTH: tally.queue_depth,
            committer.QUEUE_WAIT: tally.queue_wait,
            committer.LOCK_WAIT: tally.lock_wait,
            committer.COMMIT: tally.commit,
            committer.BATCH_SECONDS: tally.batch,
            committer.HOT_LOCK_WAIT: _hot(tally.waited_for),
            committer.HOT_HELD_UP: _hot(tally.found_held),
            payments.PAYMENTS: _by(tally.payments, lambda key: (key[0], key[1], key[2])),
            payments.PAYMENT_REFUSALS: _by(tally.payments, lambda key: (key[0], key[3]) if key[2] == REFUSED else None),
            payments.PAYMENT_AMOUNT: tally.amounts,
            payments.ANSWERS: _by(tally.answers, lambda key: (key[0], key[1])),
            payments.COMMAND_REFUSALS: _by(tally.answers, lambda key: (key[0], key[2]) if key[1] == REFUSED else None),
        }


def _by(counts: Counts, labels_of: Callable[[Labels], Labels | None]) -> dict[Labels, float]:
    """Added up under fewer labels; None: not among them."""
    found: dict[Labels, float] = {}
    for key, number in counts.read().items():
        labels = labels_of(key)
        if labels is not None:
            found[labels] = found.get(labels, 0.0) + number
    return found


def _hot(hottest: Hottest) -> dict[Labels, float]:
    return {(render_id(Prefix.ACCOUNT, one),): number for one, number in hottest.top(HOT_ACCOUNTS_MAX)}


def pools(process: str, databases: Iterable[Database]) -> Readings:
    each = list(databases)
    return {
        gateway.POOL_IN_USE: {(process,): float(sum(one.in_use for one in each))},
        gateway.POOL_WAITING: {(process,): float(sum(one.waiting for one in each))},
        gateway.POOL_SIZE: {(process,): float(sum(one.connections_max for one in each))},
    }


class Budgets(Protocol):
    """What a rate limiter has decided."""

    name: str
    limit: Any
    allowed: int
    refused: int


def rate_limits(limiters: Iterable[Budgets]) -> Readings:
    """Of budgets that are set."""
    decisions: dict[Labels, float] = {}
    for limiter in limiters:
        if limiter.limit is not None:
            decisions[limiter.name, "allowed"] = limiter.allowed
            decisions[limiter.name, "refused"] = limiter.refused
    return {gateway.RATE_LIMITS: decisions}


def processor_calls(tally: ProcessorTally) -> Readings:
    return {outside.PROCESSOR_CALLS: tally.calls, outside.PROCESSOR_SECONDS: tally.seconds}


def named(numbers: Mapping[str, float], *, is_total: bool) -> Readings:
    """By names without what all of them begin and counters end with. Raises KeyError for one that is not declared."""
    return {BY_NAME[f"{PREFIX}{name}{'_total' if is_total else ''}"]: number for name, number in numbers.items()}


def database_readings(told: Mapping[str, Mapping[Labels, float]], failures: Counts) -> Readings:
    """What was read of the database; of what was not, that there is nothing to tell."""
    from_database = {metric: told.get(metric.name.removeprefix(PREFIX)) for metric in ALL if metric.is_read}
    return {**from_database, postgres.READINGS_FAILED: failures}


class Exporter(Protocol):
    @property
    def exported(self) -> int: ...

    @property
    def lost(self) -> int: ...


def exported_spans(exporter: Exporter) -> Readings:
    return {gateway.SPANS_EXPORTED: exporter.exported, gateway.SPANS_LOST: exporter.lost}
