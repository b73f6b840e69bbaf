"""What runs in a thread goes on though its task is cancelled: so whoever holds a lock over it waits for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Found = TypeVar("Found")


async def to_its_end(function: Callable[P, Found], *given: P.args, **named: P.kwargs) -> Found:
    """As `asyncio.to_thread`, but a cancellation is passed on only when the thread is through with it.

    For what writes to a disk: it ends by itself, and soon.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function, *given, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        task.exception()  # What came of it nobody asks for any more.
        raise
