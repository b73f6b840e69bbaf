"""What many people look at is looked up once for all of them, and holds for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

Found = TypeVar("Found")


class SharedLooks:
    """Of at most `kept_max` keys, the newest. What has failed does not hold."""

    def __init__(self, clock: Callable[[], float], kept_max: int) -> None:
        self._clock = clock
        self._kept_max = kept_max
        self._kept: OrderedDict[Hashable, tuple[float, asyncio.Task[Any]]] = OrderedDict()

    async def look(self, key: Hashable, seconds: float, read: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
        """What was read less than `seconds` ago, or is being read for somebody else."""
        until, task = self._kept.get(key, (0.0, None))
        if task is None or self._clock() >= until or (task.done() and task.exception() is not None):
            task = asyncio.create_task(read(), name="shared look")
            self._kept[key] = (self._clock() + seconds, task)
            self._kept.move_to_end(key)
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        # Others wait for the same answer: whoever goes away must not take it from them.
        found: Found = await asyncio.shield(task)
        return found
