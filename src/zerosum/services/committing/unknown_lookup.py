"""Looks up, in the background, the keys of which somebody was told that nobody knows and that nobody asks for again.

While any key is unknown, each payment is looked at: it may be the one that was asked for. A key that is found used is
looked for by replays and refusals alone. One that is not found may be used yet, by a transaction that is still on its
way or waits for its standby, however long that takes: so it stays unknown, and is looked up again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import NamedTuple

from zerosum.db.batch import Key, unlocked_loader
from zerosum.db.engine import Database
from zerosum.domain.errors import OutcomeUnknown, Unavailable
from zerosum.services.committing.unknown_keys import UnknownKeys

LOOK_SECONDS = 1.0

REST_SECONDS_MAX = 60.0
"""A key that is not there rests for as long as it has been looked for, but no longer."""

KEYS_AT_ONCE = 100
LOOKED_FOR_MAX = 10_000
"""The oldest beyond are unknown until they are asked for."""

_log = logging.getLogger(__name__)


class _Wait(NamedTuple):
    since: float
    until: float


class UnknownKeyLookup:
    """Of the keys that this process has told unknown."""

    def __init__(self, database: Database, unknown: UnknownKeys, now: Callable[[], float]) -> None:
        """`now` runs on as the clock of an event loop does."""
        self._database, self._unknown, self._now = database, unknown, now
        self._waiting: dict[Key, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def write_forever(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look_up()
            except (Unavailable, OutcomeUnknown):
                continue  # It is the outage that has made them unknown: once it is over.
            except Exception:
                _log.exception("keys that are unknown cannot be looked up")

    async def write(self) -> None:
        """At the end of the process: nobody is told anything by it any more."""

    async def look_up(self) -> None:
        """Look up those whose time has come, some at once. Raises Unavailable."""
        now = self._now()
        for key in self._unknown.added_here():
            self._waiting.setdefault(key, _Wait(now, now))
        for key in list(self._waiting)[:-LOOKED_FOR_MAX]:
            del self._waiting[key]
        due = [key for key, wait in self._waiting.items() if wait.until <= now][:KEYS_AT_ONCE]
        asked_for = [key for key in due if not self._unknown.has_any([key])]
        unknown = [key for key in due if key not in asked_for]
        used = await self._used(unknown)
        self._unknown.are_used(used)
        for key in (*asked_for, *used):
            self._waiting.pop(key)
        for key in unknown:
            if key not in used:
                self._is_not_there(key, now)

    def _is_not_there(self, key: Key, now: float) -> None:
        """It goes behind those that wait, so that each has its turn."""
        since = self._waiting.pop(key).since
        self._waiting[key] = _Wait(since, now + min(REST_SECONDS_MAX, now - since))

    async def _used(self, keys: Collection[Key]) -> Collection[Key]:
        if not keys:
            return ()
        async with self._database.work(*{ledger_id for ledger_id, _ in keys}) as connection:
            return await unlocked_loader(connection).used_keys(list(keys))
