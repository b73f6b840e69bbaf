"""How spans leave: a thread sends them, by OpenTelemetry's own exporter, and no request waits for it.

The exporter has nothing to say to the log unless it is told here.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from zerosum.tracing.otlp import Envelope

PATH = "/v1/traces"
THREAD = "traces"

EXPORT_SECONDS_MAX = 5.0
"""For one message to the collector, with all its tries."""

QUEUE_MAX = 8192
"""What waits to be sent: spans, and batches with all of theirs. What comes beyond pushes out the oldest."""

SEND_MAX = 2048
SEND_EVERY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class TraceExporter:
    """A collector that is away is told once, and once more when it takes spans again."""

    def __init__(self, endpoint: str, envelope: Envelope) -> None:
        self.exported = 0
        self._untaken = self._pushed_out = 0
        self._envelope = envelope
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._is_due = threading.Event()
        self._is_ending = self._is_closed = self._is_away = False
        self._reason = _Reason()
        address = endpoint.rstrip("/").removesuffix(PATH) + PATH
        self._exporter = _Exporter(address, timeout=EXPORT_SECONDS_MAX)
        # The libraries would tell every try, and quote headers that they cannot read.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        library_log = logging.getLogger(trace_exporter.__name__)
        library_log.setLevel(logging.WARNING)
        library_log.filters[:] = [self._reason]

    @property
    def lost(self) -> int:
        """Spans that the collector did not take, or that waited too long for it."""
        return self._untaken + self._pushed_out

    def tell(self, written: bytes, spans: int = 1) -> None:
        """Sends so many soon. This waits for nobody."""
        waiting = self._waiting
        if len(waiting) >= QUEUE_MAX:
            self._push_out()
        waiting.append((written, spans))
        if len(waiting) == SEND_MAX:
            self._is_due.set()

    def _push_out(self) -> None:
        try:
            self._pushed_out += self._waiting.popleft()[1]
        except IndexError:  # The thread has taken all of it meanwhile.
            return

    def start(self, when_ended: Callable[[], None]) -> None:
        """A thread that nobody joins: what the collector does not take must not hold up the end of the process."""
        threading.Thread(target=self._run, args=(when_ended,), name=THREAD, daemon=True).start()

    def end(self) -> None:
        """Sends what waits, and no more."""
        self._is_ending = True
        self._is_due.set()

    def close(self) -> None:
        """Also in the middle of an export, which then ends."""
        if not self._is_closed:
            self._is_closed = True
            self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _run(self, when_ended: Callable[[], None]) -> None:
        while not self._is_ending:
            self._is_due.wait(SEND_EVERY_SECONDS)
            self._is_due.clear()
            self._send_some()
            while len(self._waiting) >= SEND_MAX:
                self._send_some()
        while self._waiting:
            self._send_some()
        when_ended()

    def _send_some(self) -> None:
        written: list[bytes] = []
        spans = 0
        while self._waiting and len(written) < SEND_MAX:
            try:
                told, number = self._waiting.popleft()
            except IndexError:  # It was pushed out meanwhile.
                break
            written.append(told)
            spans += number
        if written:
            self._send(self._envelope.around(written), spans)

    def _send(self, message: bytes, spans: int) -> None:
        if self._is_closed:
            self._untaken += spans
            return
        self._reason.text = ""
        if self._exporter.send(message):
            self.exported += spans
            if self._is_away:
                _log.info("the collector takes traces again")
            self._is_away = False
            return
        self._untaken += spans
        if not self._is_away:
            _log.warning("the collector does not take traces, which are lost until it does (%s)", self._reason.text)
        self._is_away = True


class _Exporter(OTLPSpanExporter):
    """Sends what is written already. Its headers, certificates, tries and deadlines are the library's."""

    def send(self, message: bytes) -> bool:
        return self._client.export(message).success


class _Reason(logging.Filter):
    """Keeps from the log what the library says, and remembers the first of it: that it gave up tells less than why."""

    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.text = self.text or record.getMessage()
        return False
