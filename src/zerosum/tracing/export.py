"""How spans leave: by OpenTelemetry's own exporter, which has nothing to say to the log unless it is told here."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

PATH = "/v1/traces"

EXPORT_SECONDS_MAX = 5.0
"""For one message to the collector, with all its tries. It is sent by a thread, which no request waits for."""

_log = logging.getLogger(__name__)


class TraceExporter(SpanExporter):
    """A collector that is away is told once, and once more when it takes spans again."""

    def __init__(self, endpoint: str) -> None:
        self.exported = 0
        self.lost = 0
        """Spans that the collector did not take."""
        self._reason = _Reason()
        self._is_away = False
        self._is_closed = False
        address = endpoint.rstrip("/").removesuffix(PATH) + PATH
        self._exporter = OTLPSpanExporter(address, timeout=EXPORT_SECONDS_MAX)
        # The libraries would tell every try, and quote headers that they cannot read.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        library_log = logging.getLogger(trace_exporter.__name__)
        library_log.setLevel(logging.WARNING)
        library_log.filters[:] = [self._reason]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._is_closed:
            self.lost += len(spans)
            return SpanExportResult.FAILURE
        self._reason.text = ""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
            if self._is_away:
                _log.info("the collector takes traces again")
            self._is_away = False
        else:
            self.lost += len(spans)
            if not self._is_away:
                _log.warning("the collector does not take traces, which are lost until it does (%s)", self._reason.text)
            self._is_away = True
        return result

    def shutdown(self) -> None:
        """Also in the middle of an export, which then ends."""
        if not self._is_closed:
            self._is_closed = True
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Reason(logging.Filter):
    """Keeps from the log what the library says, and remembers the first of it: that it gave up tells less than why."""

    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.text = self.text or record.getMessage()
        return False
