"""How background work that is done again and again waits between its turns."""

from __future__ import annotations

import asyncio


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """For so long, or until everything is told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
