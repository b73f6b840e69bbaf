"""Lines on their way out: written by a thread of their own, so that a pipe which nobody reads holds up no request.

What does not fit any more is dropped and counted, and the count is told as soon as somebody reads again.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import threading

LINES_MAX = 10_000
"""That wait to be written."""

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
            line = self._lines.get()
            _write(self._descriptor, line)
            self._lines.task_done()
            if self.dropped != self._told and self._lines.empty():
                self._tell_dropped()

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


def _write(descriptor: int, line: bytes) -> None:
    while line:
        try:
            line = line[os.write(descriptor, line) :]
        except BlockingIOError:  # Somebody else who has the same terminal does not wait for it.
            select.select([], [descriptor], [])
        except OSError:
            return  # Whoever has read it has gone.
