from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.adapters.redis_ground import OwnValkey, Proxy, started_link, started_proxy
from zerosum.adapters.redis import RedisLink


@pytest.fixture(scope="module")
def valkey() -> Iterator[OwnValkey]:
    """One for each file, since its tests kill it."""
    own = OwnValkey()
    yield own
    own.close()


@pytest.fixture
async def proxy(valkey: OwnValkey) -> AsyncIterator[Proxy]:
    async with started_proxy(valkey.url) as proxy:
        yield proxy


@pytest.fixture
async def link(valkey: OwnValkey) -> AsyncIterator[RedisLink]:
    async with started_link(valkey.url) as link:
        yield link


@pytest.fixture
async def proxied(proxy: Proxy) -> AsyncIterator[RedisLink]:
    """A link whose replies come through the proxy."""
    async with started_link(proxy.url) as link:
        yield link
