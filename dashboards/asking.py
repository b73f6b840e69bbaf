"""What the queries of a panel give, as Grafana would ask them."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from dashboards.drawing import Named
from dashboards.parts import Kind, Panel, Query
from dashboards.prometheus import Line, Prometheus

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_VARIABLE = re.compile(r"\$(?!__)\w+")


def as_asked(expr: str, rate_seconds: int) -> str:
    """With everything chosen that can be, and rates over so many seconds."""
    return _VARIABLE.sub(".*", expr.replace("$__rate_interval", f"{rate_seconds}s"))


def newest(prometheus: Prometheus, panel: Panel, rate_seconds: int) -> list[Named]:
    found: list[Named] = []
    for query in panel.queries:
        found += _named(query, prometheus.now(as_asked(query.expr, rate_seconds)))
    return found


def lately(prometheus: Prometheus, panel: Panel, rate_seconds: int, seconds: float, step: float) -> list[Named]:
    if panel.kind is not Kind.SERIES:
        return newest(prometheus, panel, rate_seconds)
    found: list[Named] = []
    end = time.time()  # of all of them: what is stacked is known at the same times
    for query in panel.queries:
        found += _named(query, prometheus.lately(as_asked(query.expr, rate_seconds), end, seconds, step))
    return found


def _named(query: Query, lines: Sequence[Line]) -> list[Named]:
    return [Named(_LABEL.sub(lambda label: line.labels.get(label[1], ""), query.legend), line.points) for line in lines]  # noqa: B023 - used at once
