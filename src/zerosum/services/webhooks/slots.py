"""How many deliveries of one dispatcher are on their way: in all, and to hosts that are slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from uuid import UUID

IN_FLIGHT_MAX = 256
"""Over all endpoints."""

SLOW_MAX = 64
"""To all hosts together that are slow: the others have the rest."""

SLOW_SECONDS = 3.0
"""An attempt that took so long, however it ended, says that a host is slow."""

SLOW_FOR_SECONDS = 60.0
"""And is believed for so long."""

CLAIMED_OF_SLOW_MAX = 16

REFILL = 100
"""Of an endpoint more is claimed when it has room for so many: what is claimed already keeps it busy until then."""


class Slots:
    def __init__(self) -> None:
        self._all = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._slow = asyncio.Semaphore(SLOW_MAX)
        self._slow_hosts: dict[str, float] = {}
        self._slow_endpoints: dict[UUID, float] = {}
        """Until when each is believed to be."""

    @asynccontextmanager
    async def taken(self, endpoint_id: UUID, host: str) -> AsyncIterator[None]:
        """When it is its turn. What is done within says how slow the host is."""
        loop = asyncio.get_running_loop()
        async with (
            self._slow if self.is_slow(host) else nullcontext(),
            self._all,
        ):
            began = loop.time()
            try:
                yield
            finally:
                self._note(endpoint_id, host, loop.time() - began)

    def is_slow(self, host: str) -> bool:
        return self._slow_hosts.get(host, 0.0) > asyncio.get_running_loop().time()

    def as_claimed(self, busy: Mapping[UUID, int], per_endpoint: int) -> dict[UUID, int]:
        """How many deliveries each endpoint has claimed of those it may, which are fewer where it is slow."""
        now = asyncio.get_running_loop().time()
        self._slow_endpoints = {id_: until for id_, until in self._slow_endpoints.items() if until > now}
        self._slow_hosts = {host: until for host, until in self._slow_hosts.items() if until > now}
        withheld = dict.fromkeys(self._slow_endpoints, per_endpoint - CLAIMED_OF_SLOW_MAX)
        withheld |= {
            id_: REFILL for id_, number in busy.items() if id_ not in withheld and per_endpoint - number < REFILL
        }
        return {id_: busy.get(id_, 0) + withheld.get(id_, 0) for id_ in busy.keys() | withheld.keys()}

    def _note(self, endpoint_id: UUID, host: str, seconds: float) -> None:
        if seconds >= SLOW_SECONDS:
            until = asyncio.get_running_loop().time() + SLOW_FOR_SECONDS
            self._slow_hosts[host] = self._slow_endpoints[endpoint_id] = until
