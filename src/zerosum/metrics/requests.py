"""Requests as they are counted: in plain numbers, since each of them comes by here."""

from __future__ import annotations

from collections.abc import Mapping

from zerosum.adapters.clock import now
from zerosum.metrics.declaration import Metric
from zerosum.metrics.declared import gateway
from zerosum.metrics.snapshot import Buckets, Exemplar, Labels
from zerosum.services.tallies import KEYS_MAX, OTHER, Counts, Spread

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Others are counted together: a caller may send any word."""

NO_ROUTE = "none"


def known(method: str) -> str:
    return method if method in METHODS else OTHER


_Key = tuple[str, str, int]


class RequestTally:
    def __init__(self) -> None:
        self._seen: dict[_Key, Spread] = {}
        self._exemplars: dict[tuple[str, str], dict[int, tuple[str, float, float]]] = {}
        self._refusals = Counts()

    def observe(
        self, template: str, method: str, status: int, seconds: float, trace_id: str = "", code: str = ""
    ) -> None:
        """`code` is that of the refusal, `trace_id` that of the trace, where there is one."""
        spread = self._seen.get((template, method, status))
        if spread is None:
            spread = self._begun(template, method, status)
        place = spread.observe(seconds)
        if code:
            self._refusals.add((code,))
        if trace_id:
            self._exemplars.setdefault((template, known(method)), {})[place] = (trace_id, seconds, now().timestamp())

    def _begun(self, template: str, method: str, status: int) -> Spread:
        key = (template, known(method), status)
        if len(self._seen) >= 4 * KEYS_MAX:
            key = (OTHER, OTHER, 0)
        return self._seen.setdefault(key, Spread(gateway.SECONDS))

    def read(self) -> Mapping[Metric, Mapping[Labels, float | Buckets] | Counts]:
        answers: dict[Labels, float] = {}
        seconds: dict[Labels, Buckets] = {}
        for (template, method, status), spread in self._seen.items():
            route = template or NO_ROUTE
            found = Buckets(list(spread.numbers), spread.total)
            answers[route, method, str(status)] = float(sum(found.numbers))
            place = (route, method)
            seconds[place] = seconds[place] + found if place in seconds else found
        for (template, method), exemplars in self._exemplars.items():
            place = (template or NO_ROUTE, method)
            if place in seconds:
                seconds[place].exemplars = {bucket: Exemplar(*of) for bucket, of in exemplars.items()}
        return {gateway.REQUESTS: answers, gateway.REQUEST_SECONDS: seconds, gateway.REFUSALS: self._refusals}
