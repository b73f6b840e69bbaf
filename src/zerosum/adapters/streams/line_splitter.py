"""Lines out of blocks of bytes, with bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

KEPT_BYTES_MAX = 4_096
"""Of a line that is too long."""


@dataclass(slots=True)
class LineSplitter:
    """Lines out of blocks. Of one that is too long only the beginning is kept, and its length."""

    bytes_max: int
    _begun: bytearray = field(default_factory=bytearray)
    _dropped: int = 0

    def split(self, block: bytes) -> list[tuple[bytes, int]]:
        """Whole lines with their lengths."""
        *whole, rest = block.split(b"\n")
        found = []
        for part in whole:
            self._add(part)
            found.append(self._take())
        self._add(rest)
        return found

    def begins_with(self, start: bytes) -> bool:
        """What has no end yet."""
        return self._begun.lstrip().startswith(start)

    def rest(self) -> list[tuple[bytes, int]]:
        """What has no end, at the end."""
        return [self._take()] if self._begun or self._dropped else []

    def _add(self, part: bytes) -> None:
        room = max(0, self.bytes_max + 1 - len(self._begun))
        self._begun += part[:room]
        self._dropped += max(0, len(part) - room)

    def _take(self) -> tuple[bytes, int]:
        line, length = bytes(self._begun), len(self._begun) + self._dropped
        self._begun.clear()
        self._dropped = 0
        return (line if length <= self.bytes_max else line[:KEPT_BYTES_MAX]), length
