"""Where a reader of the feed is. It is kept behind what was done: after a crash an event comes twice, never not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from zerosum.client.calls import Asked
from zerosum.client.models.events import EventPage

LONG_POLL_SECONDS = 8
"""As long as the service holds a reader who has everything."""


class Position(Protocol):
    """Keeps the id of the last event that was done. In a database of yours, say, with what you make of the event."""

    def read(self) -> str | None: ...

    def write(self, after: str) -> None: ...


class PositionFile:
    """In a file, replaced as a whole and on the disk before the next event is given out. Of one reader alone."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def read(self) -> str | None:
        try:
            return self._path.read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None

    def write(self, after: str) -> None:
        part = self._path.with_name(f"{self._path.name}.part")
        with part.open("w", encoding="ascii") as file:
            file.write(f"{after}\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAsked:
    """`after` is where a reader without a kept position begins."""

    after: str | None = None
    query: dict[str, str | int | None] = field(default_factory=dict)
    position: Position | None = None
    is_endless: bool = False


class FeedPlace:
    """Of one reader, from page to page."""

    def __init__(self, asked: FeedAsked) -> None:
        self._asked = asked
        kept = asked.position.read() if asked.position is not None else None
        self._after = kept or asked.after

    def asked(self) -> Asked:
        wait = LONG_POLL_SECONDS if self._asked.is_endless else None
        return Asked(query={**self._asked.query, "after": self._after, "wait": wait})

    def passed(self, event_id: str) -> None:
        """Whoever reads is done with it."""
        self._after = event_id
        if self._asked.position is not None:
            self._asked.position.write(event_id)

    def goes_on_behind(self, page: EventPage) -> bool:
        """Also behind what a narrow filter has left out."""
        if page.next_after is not None and page.next_after != self._after:
            self.passed(page.next_after)
        return page.has_more or self._asked.is_endless
