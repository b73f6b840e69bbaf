"""What of a write-ahead log lies in a folder: segments of 16 MB, named by timeline and place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENTS_PER_FILE_NUMBER = 256
"""With segments of 16 MB: the middle third of a name counts on once the last has come to this."""

PARTIAL = ".partial"
"""How `pg_receivewal` ends the name of the segment that is being written."""

_NAME = re.compile(r"[0-9A-F]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ArchivedWal:
    """In order. `newest_at` is when something was last added."""

    segments: tuple[str, ...]
    partial: str | None
    newest_at: datetime | None
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> ArchivedWal:
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        whole = sorted(name for name in names if _NAME.fullmatch(name))
        begun = sorted(name for name in names if name.endswith(PARTIAL) and _NAME.fullmatch(name[: -len(PARTIAL)]))
        partial = next((name for name in reversed(begun) if name[: -len(PARTIAL)] not in whole), None)
        last = partial or (whole[-1] if whole else None)
        newest = None if last is None else datetime.fromtimestamp((folder / last).stat().st_mtime, UTC)
        return cls(tuple(whole), partial, newest, folder)

    def since(self, first: str) -> tuple[list[Path], str | None]:
        """The files from a segment on without a gap, and the name of the one that is missing, if more come after it."""
        names = {name: name for name in self.segments}
        if self.partial is not None:
            names[self.partial[: -len(PARTIAL)]] = self.partial
        found, at = [], first
        while at in names:
            found.append(self.folder / names[at])
            at = following(at)
        return found, at if any(name > at for name in names) else None

    def remove_before(self, first: str) -> int:
        """How many were removed."""
        old = [name for name in self.segments if name < first]
        for name in old:
            (self.folder / name).unlink()
        return len(old)


def following(name: str) -> str:
    """The next segment of the same timeline."""
    place = int(name[8:16], 16) * SEGMENTS_PER_FILE_NUMBER + int(name[16:24], 16) + 1
    return f"{name[:8]}{place // SEGMENTS_PER_FILE_NUMBER:08X}{place % SEGMENTS_PER_FILE_NUMBER:08X}"


def segment_of(timeline: int, position: str) -> str:
    """The segment that holds a position of the log, written like 0/3000028."""
    high, _, low = position.partition("/")
    place = int(high, 16) * SEGMENTS_PER_FILE_NUMBER + (int(low, 16) // SEGMENT_BYTES)
    return f"{timeline:08X}{place // SEGMENTS_PER_FILE_NUMBER:08X}{place % SEGMENTS_PER_FILE_NUMBER:08X}"
