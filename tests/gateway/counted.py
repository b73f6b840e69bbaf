"""Budgets without Redis, for what is about those who lease from them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from zerosum.adapters.rate_store import Grant
from zerosum.adapters.redis import RedisAway


@dataclass
class Counted:
    """Budgets as Redis would count them, without time: what is granted is gone."""

    free: int
    is_away: bool = False
    wait_milliseconds: int = 2500
    calls: list[tuple[str, int, int]] = field(default_factory=list)

    async def lease(self, key: str, *, amount: int, period_seconds: int, wanted: int, returned: int) -> Grant:
        await asyncio.sleep(0)
        self.calls.append((key, wanted, returned))
        if self.is_away:
            raise RedisAway
        self.free += returned
        granted = min(wanted, self.free)
        self.free -= granted
        return Grant(granted, self.free, 0 if granted else self.wait_milliseconds, 1000)
