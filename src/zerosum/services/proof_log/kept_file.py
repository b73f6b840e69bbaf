"""A ledger's checkpoints as a file that is only ever added to: note after note, each ended by an empty line.

It is what others copy away, so it holds whole notes alone: one that was cut off by a crash is taken off before the next
is added, and whatever was said to be written is on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zerosum.adapters.whole_files import is_locked_alone, sync_folder
from zerosum.services.to_its_end import to_its_end

MODE = 0o644
"""It holds nothing secret, and is there to be read."""

TAIL_BYTES = 8_192
"""Some twenty notes: the last whole one is among them."""

_SIGNATURE = re.compile(rb"^\xe2\x80\x94 [^\n]*\n\n", re.MULTILINE)


class KeptFile:
    """Open and locked. `last_note` is the newest whole one; None where there is none."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        length = os.fstat(descriptor).st_size
        start = max(0, length - TAIL_BYTES)
        tail = os.pread(descriptor, TAIL_BYTES, start)
        ends = [found.end() for found in _SIGNATURE.finditer(tail)]
        if not ends and start:
            raise ValueError("the file of checkpoints holds something else")
        whole = start + ends[-1] if ends else 0
        if whole < length:
            os.ftruncate(descriptor, whole)
        begun = ends[-2] if len(ends) > 1 else 0
        self.last_note = tail[begun : ends[-1] - 1].decode() if ends else None

    async def append(self, notes: Sequence[str]) -> None:
        """All of them are on the disk afterwards; nobody else adds to it. Raises OSError."""
        await to_its_end(self._write, notes)

    def _write(self, notes: Sequence[str]) -> None:
        content = "".join(f"{note}\n" for note in notes).encode()
        written = os.write(self._descriptor, content)
        while written < len(content):
            written += os.write(self._descriptor, content[written:])
        os.fsync(self._descriptor)


@contextmanager
def kept_file(path: Path) -> Iterator[KeptFile | None]:
    """None where another process writes to it. Raises OSError, and ValueError for a file of something else."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, MODE)
    try:
        if not is_locked_alone(descriptor):
            yield None
            return
        if is_new:
            sync_folder(path.parent)
        yield KeptFile(descriptor)
    finally:
        os.close(descriptor)


def size_and_root(note: str) -> tuple[int, str]:
    """What it says of the log, as text says it."""
    _, size, root, _ = note.split("\n", 3)
    return int(size), root
