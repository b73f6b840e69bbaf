"""What many people look at is looked up once for all of them, and holds for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Look:
    """`before` is the last one that has found something, as long as this one has not."""

    begun_at: float
    task: asyncio.Task[Any]
    before: _Look | None = None

    @property
    def has_failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)

    @property
    def has_found(self) -> bool:
        return self.task.done() and not self.has_failed


class SharedLooks:
    """Of at most `kept_max` keys, the newest. What has failed does not hold."""

    def __init__(self, clock: Callable[[], float], kept_max: int) -> None:
        self._clock = clock
        self._kept_max = kept_max
        self._kept: OrderedDict[Hashable, _Look] = OrderedDict()

    async def look(
        self,
        key: Hashable,
        seconds: float,
        read: Callable[[], Coroutine[Any, Any, Found]],
        *,
        meanwhile_seconds: float = 0.0,
    ) -> Found:
        """What was read less than `seconds` ago, or is being read for somebody else.

        So old as `meanwhile_seconds` may be what was read before, for who would have to wait for it anew.
        """
        now, look = self._clock(), self._kept.get(key)
        if look is None or now >= look.begun_at + seconds or look.has_failed:
            before = look if look is None or look.has_found else look.before
            task = asyncio.create_task(read(), name="shared look")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # Somebody may not wait for it.
            look = _Look(now, task, None if before is None else replace(before, before=None))
            self._kept[key] = look
            self._kept.move_to_end(key)
            while len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        if not look.task.done() and look.before is not None and now < look.before.begun_at + meanwhile_seconds:
            known: Found = look.before.task.result()
            return known
        # Others wait for the same answer: whoever goes away must not take it from them.
        found: Found = await asyncio.shield(look.task)
        return found
