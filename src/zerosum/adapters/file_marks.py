"""What tells one file from another in its place, for whoever notices that a file was changed."""

from __future__ import annotations

from pathlib import Path

Mark = tuple[int, int, int]


def mark_of(path: Path) -> Mark | None:
    """None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
