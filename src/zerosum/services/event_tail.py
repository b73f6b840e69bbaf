"""The feed followed live: pages as they come, for one reader who stays connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zerosum.db.queries.events import EventFilter, FeedPosition
from zerosum.domain.identifiers import LedgerId
from zerosum.services.event_feed import EventFeed, FeedOrder, FeedPage

EVENTS_AT_ONCE = 100
"""In memory for one reader. The next are read when these have been taken."""

READ_AT_ONCE_MAX = 2
"""Pages of all readers of a process: whoever follows takes no more connections from everybody else."""

LOOK_EVERY_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0
"""After so long without an event there is an empty page, so that both sides know that the other is there."""


class RunningTail:
    """One reader. What it keeps is a place: whoever is disconnected goes on from the last id."""

    def __init__(
        self,
        feed: EventFeed,
        ledger_id: LedgerId,
        position: FeedPosition,
        wanted: EventFilter,
        is_ending: Callable[[], bool],
        gate: asyncio.Semaphore,
        heartbeat_seconds: float,
    ) -> None:
        self._feed = feed
        self._ledger_id = ledger_id
        self._position = position
        self._wanted = wanted
        self._is_ending = is_ending
        self._gate = gate
        self._heartbeat_seconds = heartbeat_seconds

    async def next_page(self) -> FeedPage | None:
        """Events, or none after a while. None: the process ends."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._heartbeat_seconds
        while not self._is_ending():
            async with self._gate:
                page = await self._feed.page(self._ledger_id, self._position, self._wanted, EVENTS_AT_ONCE)
            self._position = page.behind
            if page.events or loop.time() >= until:
                return page
            if not page.has_more:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        return None


class EventTail:
    def __init__(
        self, feed: EventFeed, is_ending: Callable[[], bool], heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        """`is_ending` tells that the process is to stop: readers are let go then, and come again elsewhere."""
        self._feed = feed
        self._is_ending = is_ending
        self._gate = asyncio.Semaphore(READ_AT_ONCE_MAX)
        self._heartbeat_seconds = heartbeat_seconds

    async def begin(self, ledger_id: LedgerId, order: FeedOrder) -> RunningTail:
        """Raises InvalidParameter, AccountNotFound."""
        async with self._gate:
            position, wanted = await self._feed.begin(ledger_id, order)
        return RunningTail(
            self._feed, ledger_id, position, wanted, self._is_ending, self._gate, self._heartbeat_seconds
        )
