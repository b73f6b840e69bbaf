"""Events to Redis Streams: an entry each, in the stream that their topic names.

A batch is one transaction of the server's: a server that has no room refuses all of it, and cannot take one event and
not the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from zerosum.adapters.streams.redis_streams import SECONDS_MAX, tell_durability
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.domain.traces import traced_headers


class RedisDestination:
    """One server. Its streams grow: trimming them is up to whoever reads them."""

    def __init__(self, url: str, shown: str) -> None:
        self._url = url
        self._shown = shown
        self._client: Any = None

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        try:
            if self._client is None:
                self._client = redis.asyncio.Redis.from_url(
                    self._url, socket_connect_timeout=SECONDS_MAX, socket_timeout=SECONDS_MAX
                )
                await tell_durability(self._client, self._shown)
            async with self._client.pipeline(transaction=True) as pipeline:
                for message in messages:
                    pipeline.xadd(message.topic, _fields(message))
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            return Sent(0, str(error) or type(error).__name__)
        return Sent(len(messages))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.aclose()
            except (RedisError, OSError):
                return


def _fields(message: OutgoingMessage) -> dict[Any, Any]:
    attributes = {f"ce_{name}": value for name, value in message.attributes.items()}
    return {"body": message.body, "key": message.key, **attributes, **traced_headers(message.traceparent)}
