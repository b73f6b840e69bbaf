"""What no request waits for and every API process writes now and then: refusals, and when keys were last used."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

LAST_WRITING_SECONDS_MAX = 1.0
"""At the end of a process, for what still waits."""


class Writer(Protocol):
    async def write_forever(self) -> None: ...

    async def write(self) -> None: ...


class BackgroundWriting:
    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(writer.write_forever(), name="background") for writer in self._writers]

    async def stop(self) -> None:
        """What still waits is written, if PostgreSQL takes it at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(LAST_WRITING_SECONDS_MAX):
                    await writer.write()
