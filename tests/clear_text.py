"""Where a word is kept: in the columns of all tables, and among the keys and values of Redis."""

from __future__ import annotations

from typing import TypeAlias

import asyncpg
import redis.asyncio as redis

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"


async def places_of(superuser: Superuser, redis_url: str | None, word: str) -> list[str]:
    """Bytes are looked at as the hexadecimal that PostgreSQL writes of them."""
    found = []
    for row in await superuser.fetch(_TABLES):
        name = row["relname"]
        statement = f'select count(*) from "{name}" one where one::text ~ $1'
        if await superuser.fetchval(statement, f"{word}|{word.encode().hex()}"):
            found.append(name)
    return found if redis_url is None else [*found, *await _in_redis(redis_url, word.encode())]


async def _in_redis(url: str, word: bytes) -> list[str]:
    client = redis.Redis.from_url(url)
    found = []
    try:
        async for key in client.scan_iter(count=1_000):
            value = await client.dump(key)
            if word in key or word in (value or b""):
                found.append(f"redis {key!r}")
    finally:
        await client.aclose()
    return found
