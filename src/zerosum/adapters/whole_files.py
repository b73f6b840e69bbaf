"""Files that are there as a whole or not at all, also after a power cut."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def whole_file(path: Path, *, mode: int = 0o600) -> Iterator[TextIO]:
    """What is written to it takes the place of `path` in one step, once all of it is on the disk. Raises OSError."""
    new, descriptor = _begun(path, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file
        file.flush()
        os.fsync(descriptor)
    new.replace(path)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """The same with bytes that are there already; the name, too, is on the disk afterwards. Raises OSError."""
    new, descriptor = _begun(path, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    sync_folder(path.parent)


def make_folders(path: Path) -> None:
    """All that lead to it, each on the disk. Raises OSError."""
    if not path.is_dir():
        make_folders(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """What was made or renamed in it is there after a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_locked_alone(descriptor: int) -> bool:
    """Whether nobody else has what is open there locked, so that we have, until it is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _begun(path: Path, mode: int) -> tuple[Path, int]:
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    return new, os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
