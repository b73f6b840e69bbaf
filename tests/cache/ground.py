"""Caches over the test's own Valkey, and a look at what lies in it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from tests.adapters.redis_ground import OwnValkey
from tests.cache.exploration import ACCOUNT, EPOCH_KEY, LEDGER, state_at
from zerosum.adapters.balance_cache import BalanceCache, CachedBalance, Expiry, Lease
from zerosum.adapters.redis import RedisLink


@dataclass
class Process:
    """One process's cache, and one account whose version is what lies in it."""

    valkey: OwnValkey
    link: RedisLink
    cache: BalanceCache

    async def write(self, version: int) -> None:
        """What a writer does after its commit."""
        await self.cache.refresh([state_at(version)])

    async def put_in(self, version: int) -> None:
        """The account is read at this version, and lies in Redis from then on."""
        self.valkey.command("DEL", self.key)
        await self.fill(version)

    async def look(self, account_id: UUID = ACCOUNT) -> CachedBalance | Lease | None:
        return await self.cache.read(LEDGER, account_id)

    async def version(self) -> int | None:
        """The version that is served; None where PostgreSQL is asked."""
        found = await self.look()
        return found.version if isinstance(found, CachedBalance) else None

    async def lease(self) -> Lease:
        found = await self.look()
        assert isinstance(found, Lease), found
        return found

    async def fill(self, version: int) -> None:
        """What a reader does whose look at PostgreSQL found this version."""
        await self.cache.fill(await self.lease(), state_at(version))

    @property
    def key(self) -> str:
        epoch = self.valkey.command("GET", EPOCH_KEY)
        assert isinstance(epoch, bytes)
        return f"{EPOCH_KEY}:{epoch.decode()}:{ACCOUNT.hex}"

    def content(self) -> bytes | None:
        found = self.valkey.command("GET", self.key)
        assert found is None or isinstance(found, bytes)
        return found

    def put(self, text: bytes) -> None:
        self.valkey.command("SET", self.key, text)


@contextlib.asynccontextmanager
async def started_process(
    valkey: OwnValkey, url: str | None = None, expiry: Expiry | None = None
) -> AsyncIterator[Process]:
    """`url` leads through a proxy."""
    link = RedisLink(url or valkey.url)
    process = Process(valkey, link, BalanceCache(link, expiry))
    await link.start()
    try:
        yield process
    finally:
        await link.close()
