"""One log file per server, of bounded size."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

LOG_BYTES_MAX = 16 * 1024 * 1024
TAIL_BYTES_MAX = 8 * 1024
TAIL_LINES_MAX = 20


class ServerLog:
    """Takes what the server prints. When it is full it moves to `<name>.1`, over the one before.

    The server keeps the file open, so it is emptied in place; a few lines written at that moment may be lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open_for_new_start(self) -> IO[bytes]:
        """For the server to write to. From here on `tail` means this start."""
        self.shorten()
        file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._start = os.fstat(file.fileno()).st_size
        return file

    def shorten(self) -> None:
        try:
            if self.path.stat().st_size <= LOG_BYTES_MAX:
                return
            shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.1"))
        except FileNotFoundError:
            return
        except OSError:
            pass  # A full disk, most likely: then the old lines matter less than the room.
        os.truncate(self.path, 0)
        self._start = 0

    def tail(self) -> str:
        """The last lines of this start."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._start, size - TAIL_BYTES_MAX))
                text = file.read(TAIL_BYTES_MAX).decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-TAIL_LINES_MAX:])
