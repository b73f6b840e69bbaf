"""What is good, degraded or bad about the service. Each check says in words what it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from zerosum.services.background.audit_positions import AUDIT_AGE_SECONDS_MAX
from zerosum.services.status.found import COUNTED_MAX, Found

LAG_SECONDS_MAX: Final = 60.0
"""That events may wait on their way out before it is told as a lag."""

UNSETTLED_SECONDS_MAX: Final = 10.0
"""That a committed event may be held back by a transaction that still runs."""

QUEUE_MAX: Final = 5_000
CONNECTIONS_SHARE_MAX: Final = 0.9
TRANSACTION_SECONDS_MAX: Final = 300.0


class State(StrEnum):
    """Good: nothing to do. Degraded: payments go on, and somebody should look. Bad: look now."""

    GOOD = "good"
    DEGRADED = "degraded"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """`name` is stable, for programs; `detail` is for people."""

    name: str
    state: State
    detail: str


def worst(checks: Sequence[Check]) -> State:
    return max((check.state for check in checks), key=list(State).index, default=State.GOOD)


def checks_of(found: Found) -> list[Check]:
    ready = Check(
        "ready", State.GOOD if found.is_ready else State.BAD, "takes payments" if found.is_ready else "cannot"
    )
    redis = Check("redis", _degraded_if(found.load.redis == "away"), found.load.redis)
    if found.server is None:
        return [ready, Check("postgresql", State.BAD, "away"), redis]
    return [
        ready,
        *_proof(found),
        _postgresql(found),
        *_log_archive(found),
        redis,
        _queue(found),
        *_lags(found),
        _endpoints(found),
        *_work(found),
    ]


def _degraded_if(is_degraded: bool) -> State:
    return State.DEGRADED if is_degraded else State.GOOD


def _proof(found: Found) -> list[Check]:
    checks = []
    balance = found.trial_balance
    if balance is not None and balance.differences is not None:
        told = ", ".join(f"{amount} {currency}" for currency, amount in balance.differences.items())
        state = State.BAD if told else State.GOOD
        checks.append(Check("trial_balance", state, told or f"zero, over {balance.accounts} accounts"))
    elif balance is not None:
        checks.append(Check("trial_balance", State.GOOD, "left to the self-audit: too many accounts to add up here"))
    audit = found.audit
    if audit is None:
        return [*checks, Check("self_audit", State.DEGRADED, "has not begun: is a worker running?")]
    if audit.differences:
        return [*checks, Check("self_audit", State.BAD, f"{audit.differences} differences")]
    since = audit.completed_at or audit.begun_at
    age = found.seconds_since(since)
    what = "proved whole" if audit.completed_at else "first pass begun"
    return [*checks, Check("self_audit", _degraded_if(age > AUDIT_AGE_SECONDS_MAX), f"{what} {_ago(age)}")]


def _postgresql(found: Found) -> Check:
    server = found.server
    if server is None:
        return Check("postgresql", State.BAD, "away")
    detail = f"{server.version.split()[0]}, {server.connections} of {server.connections_max} connections"
    is_full = server.connections > CONNECTIONS_SHARE_MAX * server.connections_max
    is_old = server.oldest_transaction_seconds > TRANSACTION_SECONDS_MAX
    if is_old:
        detail += f", a transaction runs since {_span(server.oldest_transaction_seconds)}"
    if not server.sees_all:
        detail += "; other roles' transactions are not seen (grant pg_read_all_stats)"
    if server.is_standby:
        return Check("postgresql", State.BAD, "a standby: it takes no payments")
    return Check("postgresql", _degraded_if(is_full or is_old), detail)


def _log_archive(found: Found) -> list[Check]:
    """Where the log is archived at all, which nobody has to."""
    state = found.server.log_archive if found.server else None
    details = {
        "followed": "the log is fetched",
        "left": "nobody fetches the log: what happens now is in no backup",
        "lost": "log that nobody had fetched is gone: begin a new backup folder with a new copy",
    }
    return [Check("log_archive", _degraded_if(state != "followed"), details[state])] if state is not None else []


def _queue(found: Found) -> Check:
    queued = found.load.queued_commands
    return Check("queue", _degraded_if((queued or 0) > QUEUE_MAX), "-" if queued is None else f"{queued} commands wait")


def _lags(found: Found) -> list[Check]:
    waiting = found.waiting
    return [
        _lag(found, "events", waiting and waiting.event_since, UNSETTLED_SECONDS_MAX),
        _lag(found, "webhooks", found.webhooks_since, LAG_SECONDS_MAX),
        _publications(found),
        _lag(found, "ingest", waiting and waiting.message_since, LAG_SECONDS_MAX),
    ]


def _lag(found: Found, name: str, since: datetime | None, seconds_max: float) -> Check:
    seconds = found.seconds_since(since)
    return Check(name, _degraded_if(seconds > seconds_max), f"{_span(seconds)} behind" if since else "nothing waits")


def _publications(found: Found) -> Check:
    if not found.publications:
        return Check("publications", State.GOOD, "none")
    oldest = min((one.waiting_since for one in found.publications if one.waiting_since), default=None)
    lag = _lag(found, "publications", oldest, LAG_SECONDS_MAX)
    obstacles = sorted({one.record.obstacle for one in found.publications if one.record.obstacle})
    return Check(lag.name, State.DEGRADED, obstacles[0]) if obstacles else lag


def _endpoints(found: Found) -> Check:
    """Webhook endpoints that take nothing: their events wait for three days, then nobody gets them by themselves."""
    waiting = found.waiting
    failing = waiting.counts.get("endpoints_failing", 0) if waiting else 0
    if waiting is None or not failing:
        return Check("webhook_endpoints", State.GOOD, "none fails for long")
    since = waiting.failing_since
    told = f"{_number(failing)} {'fails' if failing == 1 else 'fail'}"
    if since is not None:
        told += (
            f" for {_span(found.seconds_since(since))}"
            if failing == 1
            else f", one for {_span(found.seconds_since(since))}"
        )
    return Check("webhook_endpoints", State.DEGRADED, f"{told}: {_MEND_ENDPOINT}")


_MEND_ENDPOINT: Final = (
    "have the receiver mended, then enable and replay, or delete it; GET /v1/webhook-endpoints tells which"
)


def _work(found: Found) -> list[Check]:
    """What waits for people. A review and a break are their daily work, the others should not be there."""
    counts = found.waiting.counts if found.waiting else {}
    should_not_be = ("dead_letters", "parked_calls", "webhooks_not_sent")
    return [
        Check(name, _degraded_if(bool(counts.get(name)) and name in should_not_be), _number(counts.get(name, 0)))
        for name in (*should_not_be, "reviews_waiting", "breaks_open")
    ]


def _number(count: int) -> str:
    return f"{count} or more" if count >= COUNTED_MAX else str(count)


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"
