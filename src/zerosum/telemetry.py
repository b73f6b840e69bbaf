"""Metrics: how a running process tells what it does. Its lines are in `logs`, its spans in `tracing`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

EXPOSED_SECONDS = 1.0
"""For so long the page that Prometheus reads stays as it was made, however many ask for it."""

FLUSH_SECONDS = 1.0
"""How often the plain counters of the hot path are carried over into metrics."""

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def share_metrics(folder: Path) -> None:
    """Let all processes of this service count into one folder. Called before any of them makes a metric.

    What an earlier run left there is removed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in folder.glob("*.db"):
        leftover.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def join_metrics(folder: Path | None) -> bool:
    """Whether this process, which serves nothing, counts where those count that do: in `folder`, or an inherited one.

    Called before it makes a metric, as above.
    """
    if folder is not None and folder.is_dir():
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(folder))
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


@dataclass(slots=True)
class _Seen:
    """Requests since the last time they were carried over: how many in each bucket, and their seconds in all."""

    buckets: list[int]
    seconds: float = 0.0


class Metrics:
    """This process's metrics. `expose` sums over all processes that share the folder."""

    def __init__(self) -> None:
        from prometheus_client import (  # noqa: PLC0415 - only after `share_metrics`
            CollectorRegistry,
            Counter,
            Histogram,
            ProcessCollector,
        )

        # A registry of its own, so that two services can live in one process (as they do in tests).
        self._registry: CollectorRegistry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests: Counter = Counter(
            "zerosum_http_requests_total",
            "Requests by route, method and status",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._seconds: Histogram = Histogram(
            "zerosum_http_request_seconds",
            "Time to answer",
            ["route"],
            buckets=SECONDS_BUCKETS,
            registry=self._registry,
        )
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._seen: dict[tuple[str, str, int], _Seen] = {}
        self._last: dict[str, float] = {}
        self._exposed: tuple[bytes, str] | None = None
        self._exposed_until = 0.0

    def observe_request(self, template: str, method: str, status: int, seconds: float) -> None:
        """Counted here in plain numbers, and carried over with the rest."""
        key = (template, method, status)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen([0] * (len(SECONDS_BUCKETS) + 1))
        seen.buckets[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        seen.seconds += seconds

    def _carry_over_requests(self) -> None:
        seen, self._seen = self._seen, {}
        for (template, method, status), counts in seen.items():
            route = template or "none"
            self._requests.labels(route, method, str(status)).inc(sum(counts.buckets))
            child = self._seconds.labels(route)
            # The library can only observe one at a time, which costs more than the rest of the gateway layer.
            child._sum.inc(counts.seconds)  # noqa: SLF001
            for bucket, number in zip(child._buckets, counts.buckets, strict=True):  # noqa: SLF001
                if number:
                    bucket.inc(number)

    def carry_over(
        self, counters: Mapping[str, float], gauges: Mapping[str, float], newest: Mapping[str, float] | None = None
    ) -> None:
        """Totals and levels of this process, as plain numbers, into metrics.

        Levels are added up over the processes that live; of `newest` what was told last counts, whoever did.
        """
        from prometheus_client import Counter, Gauge  # noqa: PLC0415 - as above

        self._carry_over_requests()
        for name, total in counters.items():
            counter = self._counters.get(name)
            if counter is None:
                counter = self._counters[name] = Counter(
                    f"zerosum_{name}_total", name.replace("_", " "), registry=self._registry
                )
            counter.inc(max(0.0, total - self._last.get(name, 0.0)))
            self._last[name] = total
        levels: list[tuple[Literal["livesum", "mostrecent"], Mapping[str, float]]]
        levels = [("livesum", gauges), ("mostrecent", newest or {})]
        for mode, named in levels:
            for name, level in named.items():
                gauge = self._gauges.get(name)
                if gauge is None:
                    gauge = self._gauges[name] = Gauge(
                        f"zerosum_{name}", name.replace("_", " "), multiprocess_mode=mode, registry=self._registry
                    )
                gauge.set(level)

    def expose(self) -> tuple[bytes, str]:
        """The Prometheus text and its media type, at most `EXPOSED_SECONDS` old."""
        now = time.monotonic()
        if self._exposed is None or now >= self._exposed_until:
            self._exposed, self._exposed_until = self._expose_now(), now + EXPOSED_SECONDS
        return self._exposed

    def _expose_now(self) -> tuple[bytes, str]:
        self._carry_over_requests()
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


async def carry_over_forever(
    metrics: Metrics, read: Callable[[], tuple[Mapping[str, float], Mapping[str, float]]]
) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        metrics.carry_over(*read())


def forget_process(pid: int) -> None:
    """The levels of a process that died no longer count; its totals do."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - only where metrics are shared

        with contextlib.suppress(OSError):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
