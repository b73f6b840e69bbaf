from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.adapters.redis_ground import OwnValkey, started_link
from zerosum.adapters.redis import RedisLink


@pytest.fixture(scope="module")
def valkey() -> Iterator[OwnValkey]:
    """One for each file, since its tests empty and kill it."""
    own = OwnValkey()
    yield own
    own.close()


@pytest.fixture
async def link(valkey: OwnValkey) -> AsyncIterator[RedisLink]:
    async with started_link(valkey.url) as link:
        yield link
