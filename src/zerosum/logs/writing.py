"""Lines on their way out: written by a thread of their own, so that a pipe which nobody reads holds up no request.

What does not fit any more is dropped and counted, and the count is told as soon as somebody reads again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import threading
import time
from collections.abc import Iterable, Iterator

LINES_MAX = 10_000
"""That wait to be written."""

LINES_AT_ONCE = 32
GATHERED_SECONDS = 0.01
"""Lines of so long are written together: each that wakes this thread by itself takes the processor from a request."""

FLUSH_SECONDS_MAX = 1.0
"""How long the end of a process waits for who reads its last lines."""


class LineWriter(logging.Handler):
    """Formats where the record is made, for it knows of whom it speaks; writes elsewhere."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.dropped = 0
        self._told = 0
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes] = queue.Queue(LINES_MAX)
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
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, seconds)

    def _put(self, line: bytes) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def _write_forever(self) -> None:
        while True:
            lines = [self._lines.get()]
            with contextlib.suppress(queue.Empty):
                while len(lines) < LINES_AT_ONCE:
                    lines.append(self._lines.get_nowait())
            for part in _parts(lines):
                _write(self._descriptor, part)
            for _ in lines:
                self._lines.task_done()
            if self.dropped != self._told and self._lines.empty():
                self._tell_dropped()
            if len(lines) < LINES_AT_ONCE:
                time.sleep(GATHERED_SECONDS)

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
