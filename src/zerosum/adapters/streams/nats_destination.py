"""Events to NATS JetStream: under their topic as subject, which a stream must take, and by their id known again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from zerosum.adapters.streams.nats import KEY_HEADER, SECONDS_MAX, connected, errors
from zerosum.adapters.streams.sending import sent_in_runs
from zerosum.domain.messages import InputAway
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.domain.traces import traced_headers

ID_HEADER = "Nats-Msg-Id"
"""A stream takes what it has had within its `duplicate_window` only once."""


class NatsDestination:
    """One server, or a cluster."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        try:
            client = await self._opened()
        except InputAway as error:
            return Sent(0, str(error))
        streams = client.jetstream()
        return await sent_in_runs(lambda message: _publish(streams, message), messages)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                async with asyncio.timeout(SECONDS_MAX):
                    await client.close()
            except errors():
                return

    async def _opened(self) -> Any:
        """One for all ledgers that are sent at once. Raises InputAway."""
        async with self._opening:
            if self._client is None or self._client.is_closed:
                self._client = await connected(self._url)
            return self._client


async def _publish(streams: Any, message: OutgoingMessage) -> None:
    headers = {f"ce-{name}": value for name, value in message.attributes.items() if name != "datacontenttype"}
    headers |= {
        "content-type": message.attributes["datacontenttype"],
        ID_HEADER: message.id,
        KEY_HEADER: message.key,
    }
    headers |= traced_headers(message.traceparent)
    await streams.publish(message.topic, message.body, timeout=SECONDS_MAX, headers=headers)
