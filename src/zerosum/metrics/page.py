"""What Prometheus reads: the text format, or OpenMetrics with exemplars where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from zerosum.metrics.declaration import Kind, Metric
from zerosum.metrics.declared import ALL
from zerosum.metrics.snapshot import Buckets, Labels, Snapshot

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"

ACCEPT_CHARACTERS_MAX = 1_000


def wants_open_metrics(accept: str) -> bool:
    """Whether it is among what the reader names."""
    names = (each.split(";")[0].strip().lower() for each in accept[:ACCEPT_CHARACTERS_MAX].split(","))
    return "application/openmetrics-text" in names


def rendered(snapshot: Snapshot, *, is_open: bool) -> tuple[bytes, str]:
    """The text and its media type. A metric that nobody has told is not there at all."""
    from prometheus_client.exposition import generate_latest  # noqa: PLC0415 - takes time, and not everybody is asked
    from prometheus_client.openmetrics import exposition  # noqa: PLC0415

    if is_open:
        return exposition.generate_latest(_Collected(snapshot, has_exemplars=True)), OPEN_METRICS  # type: ignore[no-untyped-call]
    return generate_latest(_Collected(snapshot, has_exemplars=False)), PLAIN


class _Collected:
    """What the library renders."""

    def __init__(self, snapshot: Snapshot, *, has_exemplars: bool) -> None:
        self._snapshot = snapshot
        self._has_exemplars = has_exemplars

    def collect(self) -> Iterator[Any]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - as above

        for metric in ALL:
            if metric.kind is Kind.GAUGE:
                told = self._snapshot.levels.get(metric.name)
                if told is None or not told.levels:
                    continue
                gauges = GaugeMetricFamily(metric.name, metric.says, labels=metric.labels)
                for labels, value in sorted(told.levels.items()):
                    gauges.add_metric(labels, value)
                yield gauges
                continue
            series: Any = self._snapshot.totals.get(metric.name)
            if not series:
                continue
            if metric.kind is Kind.HISTOGRAM:
                yield self._histogram(metric, series)
                continue
            counters = CounterMetricFamily(metric.name, metric.says, labels=metric.labels)
            for labels, value in sorted(series.items()):
                counters.add_metric(labels, value)
            yield counters

    def _histogram(self, metric: Metric, series: dict[Labels, Buckets]) -> Any:
        from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415 - as above

        histograms = HistogramMetricFamily(metric.name, metric.says, labels=metric.labels)
        for labels, buckets in sorted(series.items(), key=lambda item: item[0]):
            histograms.add_metric(labels, self._buckets(metric, buckets), buckets.total)
        return histograms

    def _buckets(self, metric: Metric, found: Buckets) -> list[Any]:
        from prometheus_client.samples import Exemplar  # noqa: PLC0415 - as above

        bounds = [*(repr(float(bound)) for bound in metric.buckets), "+Inf"]
        buckets: list[Any] = list(zip(bounds, accumulate(found.numbers), strict=True))
        if self._has_exemplars:
            for place, one in found.exemplars.items():
                buckets[place] = (*buckets[place], Exemplar({"trace_id": one.trace_id}, one.value, one.at))
        return buckets
