"""How a server runs within the tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn

TICK_SECONDS = 0.005


class Quiet(uvicorn.Server):
    """Signals belong to the test run, and who is told to stop hears it at once: uvicorn looks ten times a second."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(TICK_SECONDS)
