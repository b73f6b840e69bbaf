"""How a sweep over much that is due leaves room to whoever pays at the same moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

BUSY_SHARE = 0.1
"""Of the time that a sweep takes, at most so much is spent in its batches, which hold rows that payments need."""

REST_SECONDS_MAX = 1.0
"""A batch that waited for others is no reason to rest for half a minute."""

Result = TypeVar("Result")


async def then_rest(work: Awaitable[Result]) -> Result:
    """One batch of many, and nine times as long nothing: every tenth payment may meet it, the others do not."""
    begun = time.monotonic()
    result = await work
    took = time.monotonic() - begun
    await asyncio.sleep(min(took * (1 / BUSY_SHARE - 1), REST_SECONDS_MAX))
    return result
