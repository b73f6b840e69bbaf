"""Answers to messages as entries of a Redis stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from zerosum.adapters.streams.redis_streams import SECONDS_MAX
from zerosum.domain.messages import InputAway


class RedisStreamReplies:
    """Answers as entries of a stream: `body`, and the `key` of the message."""

    def __init__(self, url: str, stream: str) -> None:
        self._client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=SECONDS_MAX, socket_timeout=SECONDS_MAX)
        self._stream = stream

    async def send(self, answers: Sequence[tuple[str | None, bytes]]) -> None:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for key, body in answers:
                    fields: Any = {"body": body} if key is None else {"body": body, "key": key}
                    pipeline.xadd(self._stream, fields)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise InputAway(str(error) or type(error).__name__) from None

    async def close(self) -> None:
        await self._client.aclose()
