"""What the service promises, and when that is in danger: recording rules and burn-rate alerts for Prometheus.

Each objective leaves a share of failures, its budget for 30 days. An alert fires when so much of it is being used up
that somebody must act: over a long window, so that one bad minute wakes nobody, and over a short one, so that it ends
when the trouble does.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

SECONDS = "zerosum_http_request_seconds"
PAYING = 'route="/v1/payments", method="POST"'
"""Lists of payments are read by the same address, and are quick."""


@dataclass(frozen=True, slots=True)
class Burn:
    """So many times as fast as the budget would last, over both windows."""

    times: float
    long: str
    short: str
    severity: str


BURNS = (
    Burn(14.4, "1h", "5m", "page"),
    Burn(6, "6h", "30m", "page"),
    Burn(3, "1d", "2h", "ticket"),
    Burn(1, "3d", "6h", "ticket"),
)
"""2 % of 30 days in an hour, 5 % in six; 10 % in a day, and all of it if three days go on like that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """`failing` and `all_` are rates of events with `[WINDOW]`; or `failing` alone is a share by itself."""

    name: str
    says: str
    target: float
    failing: str
    all_: str = ""

    @property
    def record(self) -> str:
        return f"zerosum:{self.name}_failing:share"

    def share(self, window: str) -> str:
        if not self.all_:
            return self.failing.replace("WINDOW", window)
        return f"({self.failing} or vector(0)) / {self.all_}".replace("WINDOW", window)


OBJECTIVES = (
    Objective(
        name="availability",
        says="99.9 % of the API's requests are answered, and not by a failure of ours (500 and above)",
        target=0.999,
        failing='sum(rate(zerosum_http_requests_total{route=~"/v1/.+", status=~"5.."}[WINDOW]))',
        all_='sum(rate(zerosum_http_requests_total{route=~"/v1/.+"}[WINDOW]))',
    ),
    Objective(
        name="latency",
        says="99 % of payments are answered within 250 ms",
        target=0.99,
        failing=f"(sum(rate({SECONDS}_count{{{PAYING}}}[WINDOW]))"
        f' - sum(rate({SECONDS}_bucket{{{PAYING}, le="0.25"}}[WINDOW])))',
        all_=f"sum(rate({SECONDS}_count{{{PAYING}}}[WINDOW]))",
    ),
    Objective(
        name="freshness",
        says="99 % of the time no event waits longer than 30 seconds to be sent on",
        target=0.99,
        failing="avg_over_time(zerosum:events_late:bool[WINDOW])",
    ),
)

EVENTS_LATE = 'max({__name__=~"zerosum_(events|webhook|publish)_lag_seconds"}) > bool 30 or vector(1)'
"""Where nobody tells it, they are: it is the worker that sends, and tells."""


def rules_text() -> str:
    """deploy/prometheus/rules/objectives.yml."""
    lines = [
        "# Written by `make dashboards` out of dashboards/objectives.py: what the service promises, and alerts when",
        "# the failures of 30 days are being used up too fast.",
        "groups:",
        "  - name: zerosum-objectives",
        "    rules:",
        *_record("zerosum:events_late:bool", EVENTS_LATE),
    ]
    for objective in OBJECTIVES:
        lines.append(f"      # {objective.says}.")
        for window in WINDOWS:
            lines += _record(f"{objective.record}{window}", objective.share(window))
    lines += ["", "  - name: zerosum-objectives-alerts", "    rules:"]
    for objective in OBJECTIVES:
        lines += _alert(objective, "page")
        lines += _alert(objective, "ticket")
    return "\n".join(lines) + "\n"


def _record(name: str, expr: str) -> list[str]:
    return [f"      - record: {name}", f"        expr: {expr}"]


def alert_name(objective: Objective, severity: str) -> str:
    return f"Zerosum{objective.name.capitalize()}{'BurnsFast' if severity == 'page' else 'BurnsSlowly'}"


def _alert(objective: Objective, severity: str) -> list[str]:
    budget = 1 - objective.target
    name = alert_name(objective, severity)
    conditions = []
    for burn in BURNS:
        if burn.severity == severity:
            both = (f"{objective.record}{window} > {burn.times:g} * {budget:.4g}" for window in (burn.long, burn.short))
            conditions.append(f"({' and '.join(both)})")
    return [
        f"      - alert: {name}",
        "        expr: >-",
        *(f"          {'or ' if number else ''}{condition}" for number, condition in enumerate(conditions)),
        "        for: 2m" if severity == "page" else "        for: 15m",
        "        labels:",
        f"          severity: {severity}",
        f"          slo: {objective.name}",
        "        annotations:",
        f"          summary: The budget for {objective.name} is used up too {'fast' if severity == 'page' else 'soon'}",
        "          description: >-",
        f"            {objective.says}. Now {{{{ $value | humanizePercentage }}}} fail.",
        f"          runbook: docs/RUNBOOKS.md#{name.lower()}",
        "          dashboard: /d/zerosum-payments",
    ]
