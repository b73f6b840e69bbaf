"""What `zerosum top` shows at one moment, out of two looks at the metrics and one at the status.

A metric that the service does not tell is shown as `-`: never as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zerosum.adapters.metrics_text import MetricsPage
from zerosum.cli.status import SIGNS, plain

UNKNOWN = "-"
CODES_MAX = 6
ACCOUNTS_MAX = 5
CHARACTERS_MAX = 60

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    rows: Rows


@dataclass(frozen=True, slots=True)
class Problem:
    """A check that is not good, in full."""

    sign: str
    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`at` is monotonic, in seconds. None: it could not be read."""

    at: float
    metrics: MetricsPage | None
    status: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rates:
    """What has come to what was there before, a second."""

    before: MetricsPage | None
    now: MetricsPage | None
    seconds: float

    def of(self, *names: str, **labels: str) -> float | None:
        if self.before is None or self.now is None:
            return None
        last = self.now.sum(*names, **labels)
        if last is None:
            return None
        # A service that was started anew counts from zero.
        return max(0.0, last - (self.before.sum(*names, **labels) or 0.0)) / self.seconds

    def by(self, label: str, *names: str) -> dict[str, float]:
        """Only what has come to something."""
        return {key: rate for key, rate in self._by(label, *names).items() if rate > 0}

    def _by(self, label: str, *names: str) -> dict[str, float]:
        if self.before is None or self.now is None:
            return {}
        before = self.before.by(label, *names)
        return {key: (value - before.get(key, 0.0)) / self.seconds for key, value in self.now.by(label, *names).items()}

    def quantile(self, share: float, name: str) -> float | None:
        """Of a histogram, over all its labels, between the bounds of a bucket as if its values lay even."""
        risen = {float(bound): rate for bound, rate in self._by("le", f"{name}_bucket").items()}
        whole = risen.get(math.inf, 0.0)
        low, below = 0.0, 0.0
        for bound in sorted(risen):
            if whole > 0 and risen[bound] >= share * whole:
                if math.isinf(bound):
                    return low
                within = risen[bound] - below
                return low + (bound - low) * ((share * whole - below) / within if within else 1.0)
            low, below = bound, risen[bound]
        return None


def sections(before: Look | None, now: Look) -> list[Section]:
    seconds = 1.0 if before is None else max(now.at - before.at, 0.001)
    rates = Rates(None if before is None else before.metrics, now.metrics, seconds)
    return [
        Section("traffic", _traffic(rates, now)),
        Section("proof", _checks(now, "ready", "trial_balance", "self_audit", "postgresql", "redis")),
        Section(
            "waits for people",
            _checks(now, "dead_letters", "parked_calls", "webhooks_not_sent", "reviews_waiting", "breaks_open"),
        ),
        Section("lag", _checks(now, "events", "webhooks", "webhook_endpoints", "publications", "ingest")),
        Section("committer", _committer(rates, now)),
        Section("refusals a second", _refusals(rates)),
        Section("hot accounts (waited in the last minute)", _hot(now)),
    ]


def problems(now: Look) -> list[Problem]:
    """What somebody must look at."""
    checks = [] if now.status is None else now.status["checks"]
    return [
        Problem(
            sign=SIGNS.get(check["state"], "?"),
            name=plain(check["name"].replace("_", " ")),
            state=plain(check["state"]),
            detail=plain(check["detail"]),
        )
        for check in checks
        if check["state"] != "good"
    ]


def _traffic(rates: Rates, now: Look) -> Rows:
    failed = [rate for status, rate in rates.by("status", "zerosum_http_requests_total").items() if status[:1] == "5"]
    known = rates.of("zerosum_http_requests_total") is not None
    return [
        ("requests", _rate(rates.of("zerosum_http_requests_total"))),
        ("payments posted", _rate(rates.of("zerosum_payments_total", outcome="posted"))),
        ("latency p50", _milliseconds(rates.quantile(0.5, "zerosum_http_request_seconds"))),
        ("latency p99", _milliseconds(rates.quantile(0.99, "zerosum_http_request_seconds"))),
        ("failures (5xx)", _rate(sum(failed) if known else None)),
        ("in flight", _level(now, "zerosum_requests_in_flight")),
    ]


def _refusals(rates: Rates) -> Rows:
    found: dict[str, float] = {}
    for name in ("zerosum_command_refusals_total", "zerosum_http_refusals_total"):
        for code, rate in rates.by("code", name).items():
            found[code] = found.get(code, 0.0) + rate
    if not found:
        # A service that does not tell codes tells statuses.
        statuses = rates.by("status", "zerosum_http_requests_total")
        found = {status: rate for status, rate in statuses.items() if status[:1] == "4"}
    return [(_shown(code), _rate(rate)) for code, rate in _greatest(found, CODES_MAX)] or [("none", "")]


def _committer(rates: Rates, now: Look) -> Rows:
    batches, commands = rates.of("zerosum_batches_total"), rates.of("zerosum_commands_total")
    size = f"{commands / batches:,.1f}" if batches and commands is not None else UNKNOWN
    return [
        ("queued commands", _level(now, "zerosum_queued_commands")),
        ("batches", _rate(batches)),
        ("commands a batch", size),
        ("lock wait p99", _milliseconds(rates.quantile(0.99, "zerosum_batch_lock_wait_seconds"))),
        ("commit p99", _milliseconds(rates.quantile(0.99, "zerosum_batch_commit_seconds"))),
        ("retries", _rate(rates.of("zerosum_batch_retries_total"))),
    ]


def _hot(now: Look) -> Rows:
    waits = {} if now.metrics is None else now.metrics.by("account", "zerosum_hot_account_lock_wait_seconds")
    return [(_shown(account), f"{seconds:.2f} s") for account, seconds in _greatest(waits, ACCOUNTS_MAX)] or [
        ("none" if now.metrics is not None else UNKNOWN, "")
    ]


def _checks(now: Look, *names: str) -> Rows:
    checks = {} if now.status is None else {check["name"]: check for check in now.status["checks"]}
    rows = []
    for name in names:
        check = checks.get(name)
        sign = "" if check is None or check["state"] == "good" else f"{SIGNS.get(check['state'], '?')} "
        rows.append((name.replace("_", " "), UNKNOWN if check is None else f"{sign}{_shown(check['detail'])}"))
    return rows


def _greatest(found: Mapping[str, float], number: int) -> list[tuple[str, float]]:
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))[:number]


def _shown(text: str) -> str:
    return plain(text) if len(text) <= CHARACTERS_MAX else f"{plain(text[:CHARACTERS_MAX])}…"


def _rate(rate: float | None) -> str:
    return UNKNOWN if rate is None else f"{rate:,.1f}/s"


def _milliseconds(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds * 1000:,.1f} ms"


def _level(now: Look, name: str) -> str:
    level = None if now.metrics is None else now.metrics.sum(name)
    if level is None and now.status is not None:
        level = now.status.get({"zerosum_queued_commands": "queued_commands"}.get(name, "requests_in_flight"))
    return UNKNOWN if level is None else f"{level:,.0f}"
