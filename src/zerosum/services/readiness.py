"""Whether a payment could be made now: asked of PostgreSQL at most a few times a second, however many want to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

KEPT_SECONDS = 0.25
"""So long an answer holds for everybody: at most four questions a second."""

ANSWER_SECONDS_MAX = 1.0
"""Long enough for a new connection over TLS. What takes longer is no service that could pay."""


class Readiness:
    """`can_pay` may fail in any way: whatever it raises means no."""

    def __init__(self, can_pay: Callable[[], Awaitable[bool]], clock: Callable[[], float]) -> None:
        self._can_pay = can_pay
        self._clock = clock
        self._answer = False
        self._good_until = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def is_ready(self) -> bool:
        if self._clock() >= self._good_until:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(), name="readiness")
            # Others wait for the same answer: whoever goes away must not take it from them.
            await asyncio.shield(self._asking)
        return self._answer

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                self._answer = await self._can_pay()
        except Exception:
            self._answer = False
        finally:
            self._good_until = self._clock() + KEPT_SECONDS
            self._asking = None
