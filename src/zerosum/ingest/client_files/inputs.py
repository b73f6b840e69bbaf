"""What the command names as inputs: files, and `-` for stdin."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zerosum.ingest.client_files.window import InputFault

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """Something that can be opened for its bytes. `size` is None where it is not known before."""

    name: str
    open: Callable[[], BinaryIO]
    size: int | None


def find_sources(names: Sequence[str]) -> list[Source]:
    """Raises InputFault for what is missing, a directory, not readable, or stdin twice: before anything is read."""
    if names.count(STDIN) > 1:
        raise InputFault("stdin can be read only once: `-` is named twice")
    return [_stdin() if name == STDIN else _file(name) for name in names]


def _stdin() -> Source:
    return Source("stdin", lambda: sys.stdin.buffer, None)


def _file(name: str) -> Source:
    path = Path(name)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputFault(f"{name} is a directory")
        if stat.S_ISREG(status.st_mode):
            with path.open("rb"):
                pass
    except OSError as error:
        raise InputFault(f"{name} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputFault(f"{name!r} cannot be the name of a file") from None
    return Source(name, lambda: path.open("rb"), status.st_size if stat.S_ISREG(status.st_mode) else None)


@contextmanager
def opened(source: Source) -> Iterator[Callable[[int], bytes]]:
    """The source's `read`. Whatever goes wrong with it becomes an InputFault."""
    try:
        stream = source.open()
    except OSError as error:
        raise InputFault(f"{source.name} cannot be read: {error.strerror}") from None

    def read(size: int) -> bytes:
        try:
            return stream.read(size)
        except OSError as error:
            raise InputFault(f"{source.name} cannot be read: {error.strerror}") from None

    try:
        yield read
    finally:
        if source.name != "stdin":
            stream.close()
