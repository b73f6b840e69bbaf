"""One log file per server, of bounded size."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import IO

from zerosum.embedded.ownership import NOT_FOLLOWED, require_own_descriptor

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
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NOT_FOLLOWED, 0o600)
        file = os.fdopen(descriptor, "ab")
        require_own_descriptor(descriptor, self.path)
        self._start = os.fstat(descriptor).st_size
        return file

    def shorten(self) -> None:
        try:
            descriptor = os.open(self.path, os.O_RDWR | NOT_FOLLOWED)
        except FileNotFoundError:
            return
        with os.fdopen(descriptor, "r+b") as full:
            require_own_descriptor(descriptor, self.path)
            if os.fstat(descriptor).st_size <= LOG_BYTES_MAX:
                return
            self._keep_copy(full)
            os.ftruncate(descriptor, 0)
        self._start = 0

    def tail(self) -> str:
        """The last lines of this start."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | NOT_FOLLOWED)
        except FileNotFoundError:
            return ""
        with os.fdopen(descriptor, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._start, size - TAIL_BYTES_MAX))
            text = file.read(TAIL_BYTES_MAX).decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES_MAX:])

    def _keep_copy(self, full: IO[bytes]) -> None:
        before = self.path.with_name(f"{self.path.name}.1")
        # On a full disk, most likely, it fails: then the old lines matter less than the room.
        with contextlib.suppress(OSError):
            before.unlink(missing_ok=True)
            descriptor = os.open(before, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED, 0o600)
            with os.fdopen(descriptor, "wb") as copy:
                shutil.copyfileobj(full, copy)
