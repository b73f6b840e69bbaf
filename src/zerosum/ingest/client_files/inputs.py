"""What the command names as inputs: files, and `-` for stdin."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from zerosum.ingest.client_files.window import InputFault

STDIN = "-"
STDIN_NAME = "stdin"


class Source:
    """Something that can be opened, once, for its bytes. `size` is None where it is not known before."""

    def __init__(self, name: str, open_: Callable[[], BinaryIO], size: int | None = None) -> None:
        self.name = name
        self.size = size
        self._open = open_
        self._stream: BinaryIO | None = None
        self._looked_at = b""

    def size_at_least(self, enough: int) -> int:
        """The size; of a stream how much there is, up to `enough`. What is looked at will be read again."""
        if self.size is not None:
            return self.size
        while len(self._looked_at) < enough and (block := self._read(enough - len(self._looked_at))):
            self._looked_at += block
        return len(self._looked_at)

    def read(self, size: int) -> bytes:
        """Raises InputFault. Empty at the end."""
        if self._looked_at:
            block, self._looked_at = self._looked_at[:size], self._looked_at[size:]
            return block
        return self._read(size)

    def close(self) -> None:
        if self._stream is not None and self.name != STDIN_NAME:
            self._stream.close()

    def _read(self, size: int) -> bytes:
        try:
            if self._stream is None:
                self._stream = self._open()
            return self._stream.read(size)
        except OSError as error:
            raise InputFault(f"{self.name} cannot be read: {error.strerror}") from None


def find_sources(names: Sequence[str]) -> list[Source]:
    """Raises InputFault for what is missing, a directory, not readable, or stdin twice: before anything is read."""
    if names.count(STDIN) > 1:
        raise InputFault("stdin can be read only once: `-` is named twice")
    return [Source(STDIN_NAME, _stdin) if name == STDIN else _file(name) for name in names]


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputFault(f"{STDIN_NAME} cannot be read: it is closed")
    return sys.stdin.buffer


def _file(name: str) -> Source:
    path = Path(name)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputFault(f"{name} is a directory")
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except OSError as error:
        raise InputFault(f"{name} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputFault(f"{name!r} cannot be the name of a file") from None
    return Source(name, lambda: path.open("rb"), status.st_size if stat.S_ISREG(status.st_mode) else None)
