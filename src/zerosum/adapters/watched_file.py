"""A file that is read anew when it changes, in a thread of its own: a file system that hangs stops nothing else.

One look is under way at a time, so what hangs is one thread, which keeps no process from its end.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from zerosum.adapters.file_marks import Mark, mark_of

Content = TypeVar("Content")

LOOK_SECONDS_MAX = 2.0
"""So long one look is waited for, and then it hangs: it is not waited for any more until it has come to its end."""

AT_ONCE_SECONDS_MAX = 0.25
"""So long by those who keep everybody else from their turn meanwhile."""

_log = logging.getLogger(__name__)


class Seen(NamedTuple, Generic[Content]):
    """What another file says. `error` where it cannot be read, or is wrong."""

    content: Content | None
    error: Exception | None


class WatchedFile(Generic[Content]):
    def __init__(self, path: Path, read: Callable[[], Content]) -> None:
        """`read` may raise whatever is wrong. It was read for the first time by whoever makes this."""
        self._path = path
        self._read = read
        self._mark = mark_of(path)
        self._look: concurrent.futures.Future[tuple[Mark | None, Seen[Content] | None]] | None = None
        self._begun_at = 0.0
        self._is_waited_for = True
        self._is_told = False

    async def changed(self) -> Seen[Content] | None:
        """None: it is the same, nobody can tell now, or somebody else who has waited was told."""
        for _ in range(self._looks()):
            look = self._begun()
            if not look.done() and self._is_waited_for:
                await asyncio.wait([asyncio.wrap_future(look)], timeout=LOOK_SECONDS_MAX)
            if (seen := self._taken(look)) is not None:
                return seen
        return None

    def changed_at_once(self) -> Seen[Content] | None:
        """The same for those who cannot let others have their turn meanwhile."""
        for _ in range(self._looks()):
            look = self._begun()
            if self._is_waited_for:
                concurrent.futures.wait([look], timeout=AT_ONCE_SECONDS_MAX)
            if (seen := self._taken(look)) is not None:
                return seen
        return None

    def _looks(self) -> int:
        """One that somebody else has begun may have been before the change that one asks for."""
        return 1 if self._look is None else 2

    def _begun(self) -> concurrent.futures.Future[tuple[Mark | None, Seen[Content] | None]]:
        if self._look is None:
            self._look, self._begun_at = concurrent.futures.Future(), time.monotonic()
            threading.Thread(target=self._run, args=(self._look, self._mark), name="a file", daemon=True).start()
        return self._look

    def _run(
        self, look: concurrent.futures.Future[tuple[Mark | None, Seen[Content] | None]], before: Mark | None
    ) -> None:
        mark, seen = mark_of(self._path), None
        if mark != before:
            try:
                seen = Seen(self._read(), None)
            except Exception as error:
                seen = Seen(None, error)
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            look.set_result((mark, seen))

    def _taken(self, look: concurrent.futures.Future[tuple[Mark | None, Seen[Content] | None]]) -> Seen[Content] | None:
        if look is not self._look:
            return None
        if not look.done():
            self._is_waited_for = False
            if not self._is_told and time.monotonic() >= self._begun_at + LOOK_SECONDS_MAX:
                self._is_told = True
                _log.error("%s cannot be looked at, its file system hangs: what was read before goes on", self._path)
            return None
        if self._is_told:
            _log.warning("%s can be looked at again", self._path)
        self._look, self._is_waited_for, self._is_told = None, True, False
        self._mark, seen = look.result()
        return seen
