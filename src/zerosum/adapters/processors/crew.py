"""Threads in which foreign code runs: so many at once, each waited for so long, and none that could stop the process.

A thread that hangs cannot be ended. It keeps its place until it returns, so that what hangs is bounded, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class CrewBusy(Exception):
    """All its threads are occupied: nothing was called."""


class Crew:
    def __init__(self, name: str, at_once: int) -> None:
        self._name = name
        self._at_once = at_once
        self._occupied = 0

    @property
    def free(self) -> int:
        return self._at_once - self._occupied

    async def ask(self, call: Callable[[], Result], seconds: float) -> Result:
        """Raises CrewBusy, TimeoutError, and whatever the call raises."""
        if self.free <= 0:
            raise CrewBusy(f"all {self._at_once} calls of {self._name} are under way")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()

        def run() -> None:
            result: Result | None = None
            error: Exception | None = None
            try:
                result = call()
            except Exception as raised:
                error = raised
            except BaseException as raised:
                error = RuntimeError(f"the plug-in raised {type(raised).__name__}")
            with contextlib.suppress(RuntimeError):  # The loop has ended: nobody waits any more.
                loop.call_soon_threadsafe(finish, result, error)

        def finish(result: Result | None, error: Exception | None) -> None:
            self._occupied -= 1
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

        self._occupied += 1
        try:
            threading.Thread(target=run, name=self._name, daemon=True).start()
        except RuntimeError:
            self._occupied -= 1
            raise
        async with asyncio.timeout(seconds):
            return await answer
