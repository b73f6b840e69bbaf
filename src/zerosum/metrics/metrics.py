"""This process's metrics, and the page on which those of all its neighbours are put together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from zerosum.adapters.clock import now
from zerosum.metrics.declaration import Kind, Metric
from zerosum.metrics.declared import gateway
from zerosum.metrics.folder import MetricsFolder, shared_folder
from zerosum.metrics.labels import BoundedLabels
from zerosum.metrics.page import rendered, wants_open_metrics
from zerosum.metrics.requests import RequestTally
from zerosum.metrics.snapshot import Buckets, Labels, Snapshot, Told, added
from zerosum.services.tallies import Counts, Spread, Spreads

EXPOSED_SECONDS = 1.0
"""For so long the page that Prometheus reads stays as it was made, however many ask for it."""

FLUSH_SECONDS = 1.0
"""How often what was counted in plain numbers is told."""

Reading = float | Mapping[Labels, float] | Mapping[Labels, float | Buckets] | Counts | Spread | Spreads
"""Of a metric without labels a number or a spread; of one with labels, what each of them has."""

Readings = Mapping[Metric, Reading | None]
"""None: of a level that this process does not know any more, and maybe another one does."""

_log = logging.getLogger(__name__)


class Metrics:
    """`process` is what this one is: api, worker, ingest, publish."""

    def __init__(self, process: str, folder: MetricsFolder | None = None) -> None:
        """`folder`: where it counts together with others; by default that which all processes of the service share."""
        self.process = process
        self._folder = folder or shared_folder()
        self._name = "" if self._folder is None else self._folder.new_name()
        self._requests = RequestTally()
        self._labels = BoundedLabels()
        self._own = Snapshot()
        self._exposed: dict[bool, tuple[float, tuple[bytes, str]]] = {}
        self._could_write = True
        self.observe_request = self._requests.observe

    def tell(self, readings: Readings) -> None:
        """Totals since the process began, and levels as they are now; levels that are not among them stay as told.

        A level of several labels is told whole: what is missing is gone.
        """
        at = now().timestamp()
        for metric, reading in {**readings, **self._requests.read()}.items():
            if reading is None:
                self._own.levels.pop(metric.name, None)
                continue
            series = self._labels.bounded(metric, _series(reading))
            if metric.kind is Kind.GAUGE:
                self._own.levels[metric.name] = Told(at, series)
            else:
                self._own.totals[metric.name] = series
        self._own.levels[gateway.PROCESSES.name] = Told(at, {(self.process,): 1.0})
        self._own.told_at = at
        self._leave()

    def _leave(self) -> None:
        if self._folder is None:
            return
        try:
            self._folder.write(self._name, self._own)
        except OSError as error:  # A full disk costs metrics, and nothing else.
            if self._could_write:
                _log.warning("metrics cannot be shared: %s", error)
            self._could_write = False
        else:
            self._could_write = True

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its media type, at most `EXPOSED_SECONDS` old, for a reader who accepts so."""
        is_open = wants_open_metrics(accept)
        at = time.monotonic()
        kept = self._exposed.get(is_open)
        if kept is None or at >= kept[0]:
            kept = self._exposed[is_open] = at + EXPOSED_SECONDS, self._expose_now(is_open)
        return kept[1]

    def _expose_now(self, is_open: bool) -> tuple[bytes, str]:
        self.tell({})
        others = [] if self._folder is None else self._folder.others(self._name)
        return rendered(added([self._own, *others]), is_open=is_open)


def _series(reading: Reading) -> Mapping[Labels, float | Buckets]:
    if isinstance(reading, Counts):
        return reading.read()
    if isinstance(reading, Spread):
        return {(): _buckets(reading)}
    if isinstance(reading, Spreads):
        return {labels: _buckets(spread) for labels, spread in reading.read().items()}
    return {(): reading} if isinstance(reading, float | int) else reading


def _buckets(spread: Spread) -> Buckets:
    return Buckets(list(spread.numbers), spread.total)


async def carry_over_forever(metrics: Metrics, read: Callable[[], Readings]) -> None:
    """Until cancelled. How late it comes to its turn is how late everything else in this process does."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + FLUSH_SECONDS
        await asyncio.sleep(FLUSH_SECONDS)
        metrics.tell({gateway.LOOP_LAG: {(metrics.process,): max(0.0, loop.time() - due)}, **read()})
