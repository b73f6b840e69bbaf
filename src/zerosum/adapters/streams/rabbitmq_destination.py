"""Events to RabbitMQ: into an exchange under their topic, lasting, mandatory, each confirmed by the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from zerosum.adapters.streams.rabbitmq import KEY_HEADER, SECONDS_MAX, closed, connected, errors, said
from zerosum.adapters.streams.sending import sent_in_runs
from zerosum.domain.messages import InputAway
from zerosum.domain.publications import OutgoingMessage, Sent
from zerosum.domain.traces import traced_headers

ATTRIBUTE_PREFIX = "cloudEvents:"
"""Of CloudEvents over AMQP."""


class RabbitDestination:
    """One exchange; the default one takes the topic for the name of a queue."""

    def __init__(self, url: str, exchange: str) -> None:
        self._url = url
        self._exchange_name = exchange
        self._connection: Any = None
        self._exchange: Any = None
        self._opening = asyncio.Lock()

    async def send(self, messages: Sequence[OutgoingMessage]) -> Sent:
        try:
            async with self._opening:  # one for all ledgers that are sent at once
                await self._open()
        except errors(InputAway) as error:
            return Sent(0, said(error))
        return await sent_in_runs(self._publish, messages)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await closed(connection)

    async def _open(self) -> None:
        if self._connection is not None:
            return
        connection = await connected(self._url)
        try:
            async with asyncio.timeout(SECONDS_MAX):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                self._exchange = channel.default_exchange
                if self._exchange_name:
                    self._exchange = await channel.get_exchange(self._exchange_name)
        except BaseException:
            await closed(connection)
            raise
        self._connection = connection

    async def _publish(self, message: OutgoingMessage) -> None:
        import aio_pika  # noqa: PLC0415 - an extra

        headers: dict[str, Any] = {
            f"{ATTRIBUTE_PREFIX}{name}": value
            for name, value in message.attributes.items()
            if name != "datacontenttype"
        }
        headers |= traced_headers(message.traceparent)
        content = aio_pika.Message(
            message.body,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            content_type=message.attributes["datacontenttype"],
            message_id=message.id,
            type=message.attributes["type"],
            timestamp=datetime.fromisoformat(message.attributes["time"]),
            headers=headers | {KEY_HEADER: message.key},
        )
        await self._exchange.publish(content, routing_key=message.topic, mandatory=True, timeout=SECONDS_MAX)
