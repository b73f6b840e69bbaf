"""Lines on their way out: written by a thread of their own, so that a pipe which nobody reads holds up no request.

What does not fit any more is dropped and counted, and the count is told as soon as somebody reads again.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

LINES_MAX = 10_000
"""That wait to be written."""

LINES_AT_ONCE = 32
GATHERED_SECONDS = 0.01
"""Lines of so long are written together: each that wakes this thread by itself takes the processor from a request."""

FLUSH_LOOKED_SECONDS = 0.002
FLUSH_SECONDS_MAX = 1.0
"""How long the end of a process waits for who reads its last lines."""


class LineWriter(logging.Handler):
    """Formats where the record is made, for it knows of whom it speaks; writes elsewhere."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.dropped = 0
        self._told = 0
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._is_writing = False
        self._wake = threading.Event()
        threading.Thread(target=self._write_forever, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        except Exception:
            self.dropped += 1  # A line that cannot be made is no reason to fail for whoever has logged it.
            return
        self._put(line)

    def flush_within(self, seconds: float = FLUSH_SECONDS_MAX) -> None:
        """All that waits, if somebody reads it in that time."""
        deadline = time.monotonic() + seconds
        while (self._lines or self._is_writing) and time.monotonic() < deadline:
            time.sleep(FLUSH_LOOKED_SECONDS)

    def _put(self, line: bytes) -> None:
        if len(self._lines) >= LINES_MAX:
            self.dropped += 1
            return
        self._lines.append(line)  # A lock and a condition for each cost as much as a third of a line.
        if not self._wake.is_set():
            self._wake.set()

    def _write_forever(self) -> None:
        while True:
            self._wake.wait()
            self._is_writing = True
            while self._lines:
                lines = [self._lines.popleft() for _ in range(min(LINES_AT_ONCE, len(self._lines)))]
                for part in _parts(lines):
                    _write(self._descriptor, part)
                if self.dropped != self._told and not self._lines:
                    self._tell_dropped()
                if len(self._lines) < LINES_AT_ONCE:
                    time.sleep(GATHERED_SECONDS)
            self._is_writing = False
            self._wake.clear()
            if self._lines:  # One came after the last look, and before it could be told that somebody has to wake us.
                self._wake.set()

    def _tell_dropped(self) -> None:
        number, self._told = self.dropped - self._told, self.dropped
        said = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0, "lines of the log were dropped: nobody read them", None, None
        )
        said.dropped = number
        _write(self._descriptor, f"{self.format(said)}\n".encode("utf-8", "backslashreplace"))


WRITERS: list[LineWriter] = []
"""That of this process, once it has one."""


def log_lines_dropped() -> int:
    """So far, by this process."""
    return sum(writer.dropped for writer in WRITERS)


def _parts(lines: Iterable[bytes]) -> Iterator[bytes]:
    """As many at a time as a pipe takes in one piece: other processes write into it as well."""
    part = b""
    for line in lines:
        if part and len(part) + len(line) > select.PIPE_BUF:
            yield part
            part = b""
        part += line
    yield part


def _write(descriptor: int, line: bytes) -> None:
    while line:
        try:
            line = line[os.write(descriptor, line) :]
        except BlockingIOError:  # Somebody else who has the same terminal does not wait for it.
            select.select([], [descriptor], [])
        except OSError:
            return  # Whoever has read it has gone.
