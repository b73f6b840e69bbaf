"""Real brokers for the tests, each private to its test process, and what a producer does with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import redis.asyncio

from tests.ingest.broker_servers import READY_SECONDS_MAX
from zerosum.adapters.streams.kafka import KafkaAddress, KafkaInput
from zerosum.adapters.streams.nats import KEY_HEADER, NatsInput
from zerosum.adapters.streams.rabbitmq import RabbitInput
from zerosum.adapters.streams.redis_streams import RedisStreamInput
from zerosum.ingest.streams.port import Input

BYTES_MAX = 65_536
SENDING_SECONDS_MAX = 60.0
CONNECTING_SECONDS_MAX = 10.0
PARTITIONS = 4

_names = count(1)


class Broker(Protocol):
    """A topic of a broker."""

    async def make(self) -> None: ...

    async def connect(self) -> None:
        """Of whoever sends. Again too, whatever has become of the connection before."""

    async def send(self, contents: Sequence[Any], keys: Sequence[str | None] | None = None) -> None: ...

    def input(self, name: str = "test", **options: Any) -> Input: ...

    @property
    def url(self) -> str:
        """As `zerosum ingest --from` takes it."""

    async def close(self) -> None: ...


async def connected_again(connect: Callable[[], Awaitable[None]]) -> None:
    """As soon as it answers."""
    async with asyncio.timeout(READY_SECONDS_MAX):
        while True:
            try:
                async with asyncio.timeout(CONNECTING_SECONDS_MAX):
                    await connect()
            except Exception:
                await asyncio.sleep(0.5)
            else:
                return


async def closed(client: Any) -> None:
    """It may be the other end that is gone."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CONNECTING_SECONDS_MAX):
            if client is not None:
                await client.close()


def encoded(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


class RedisBroker:
    def __init__(self, url: str) -> None:
        self._url = url
        self.stream = f"payments-{next(_names)}-{time.time_ns()}"
        self.client = redis.asyncio.Redis.from_url(self._url)

    async def make(self) -> None:
        await self.connect()

    async def connect(self) -> None:
        await self.client.connection_pool.disconnect()
        await self.client.ping()

    async def send(self, contents: Sequence[Any], keys: Sequence[str | None] | None = None) -> None:
        for content, key in zip(contents, keys or [None] * len(contents), strict=True):
            fields: dict[Any, Any] = {"body": encoded(content)} | ({} if key is None else {"key": key})
            await self.client.xadd(self.stream, fields)

    def input(self, name: str = "test", **options: Any) -> Input:
        return RedisStreamInput(name, self._url, self.stream, "zerosum", BYTES_MAX, **options)

    @property
    def url(self) -> str:
        return f"{self._url}?stream={self.stream}"

    async def close(self) -> None:
        await self.client.delete(self.stream)
        await self.client.aclose()


class NatsBroker:
    def __init__(self, address: str) -> None:
        self.address = address
        self.stream = f"PAYMENTS{next(_names)}"
        self.client: Any = None

    async def make(self) -> None:
        await self.connect()
        await self.client.jetstream().add_stream(name=self.stream, subjects=[f"{self.stream}.>"])

    async def connect(self) -> None:
        import nats  # noqa: PLC0415

        await closed(self.client)
        self.client = await nats.connect(self.address, allow_reconnect=False)
        await self.client.jetstream().account_info()

    async def send(self, contents: Sequence[Any], keys: Sequence[str | None] | None = None) -> None:
        streams = self.client.jetstream()
        for content, key in zip(contents, keys or [None] * len(contents), strict=True):
            headers = None if key is None else {KEY_HEADER: key}
            await streams.publish(f"{self.stream}.in", encoded(content), headers=headers)

    def input(self, name: str = "test", **options: Any) -> Input:
        return NatsInput(name, self.address, self.stream, f"{self.stream}.in", BYTES_MAX, **options)

    @property
    def url(self) -> str:
        return f"{self.address}/{self.stream}?subject={self.stream}.in"

    async def close(self) -> None:
        await self.client.jetstream().delete_stream(self.stream)
        await self.client.close()


class RabbitBroker:
    """A quorum queue."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.queue = f"payments-{next(_names)}"
        self.connection: Any = None
        self._channel: Any = None
        self._ids = count(1)

    async def make(self) -> None:
        await self.connect()

    async def connect(self) -> None:
        import aio_pika  # noqa: PLC0415

        await closed(self.connection)
        self.connection = await aio_pika.connect(self.address)
        self._channel = await self.connection.channel(on_return_raises=True)
        await self._channel.declare_queue(self.queue, durable=True, arguments={"x-queue-type": "quorum"})

    async def send(self, contents: Sequence[Any], keys: Sequence[str | None] | None = None) -> None:
        import aio_pika  # noqa: PLC0415

        for content, key in zip(contents, keys or [None] * len(contents), strict=True):
            headers = {} if key is None else {"zerosum-key": key}
            message = aio_pika.Message(
                encoded(content),
                message_id=f"{self.queue}-{next(self._ids)}",
                headers=headers,  # type: ignore[arg-type]
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await self._channel.default_exchange.publish(message, self.queue, timeout=SENDING_SECONDS_MAX)

    def input(self, name: str = "test", **_: Any) -> Input:
        return RabbitInput(name, self.address, self.queue, BYTES_MAX, 1000)

    @property
    def url(self) -> str:
        return f"{self.address}?queue={self.queue}"

    async def close(self) -> None:
        await self._channel.queue_delete(self.queue)
        await self.connection.close()


class KafkaBroker:
    """A topic of four partitions: messages without a key go to the first."""

    def __init__(self, servers: str, mock: KafkaMock | None = None) -> None:
        self.servers = servers
        self._mock = mock
        self.topic = f"payments-{next(_names)}"
        self._producer: Any = None
        # A real one takes no shorter; the mock lets whoever comes behind another wait for all of it but a second.
        self._session_milliseconds = 6_000 if mock is None else 2_500

    async def make(self) -> None:
        if self._mock is not None:
            self._mock.make_topic(self.topic, PARTITIONS)  # it knows no administration
        else:
            await self._make_topic()
        await self.connect()

    async def connect(self) -> None:
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415

        if self._producer is not None:
            await self._producer.stop()
        self._producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all", linger_ms=10)
        await self._producer.start()

    async def send(self, contents: Sequence[Any], keys: Sequence[str | None] | None = None) -> None:
        sent = []
        for content, key in zip(contents, keys or [None] * len(contents), strict=True):
            partition = 0 if key is None else crc32(key.encode()) % PARTITIONS
            sent.append(
                await self._producer.send(
                    self.topic, encoded(content), key=None if key is None else key.encode(), partition=partition
                )
            )
        for one in sent:
            await one

    def input(self, name: str = "test", **options: Any) -> Input:
        address = KafkaAddress(servers=self.servers, session_milliseconds=self._session_milliseconds)
        return KafkaInput(name, address, [self.topic], f"group-{self.topic}", BYTES_MAX, **options)

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}/{self.topic}?group=group-{self.topic}&session_ms={self._session_milliseconds}"

    async def _make_topic(self) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415

        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        await admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])
        await admin.close()

    async def close(self) -> None:
        await self._producer.stop()


class KafkaMock:
    """The mock cluster of librdkafka: it speaks Kafka's protocol on real ports, and keeps everything in memory.

    In a process of its own (`kafka_mock.py`): taking its broker away and back has ended and hung its holder.
    """

    def __init__(self) -> None:
        program = [sys.executable, str(Path(__file__).with_name("kafka_mock.py"))]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.servers = self._answer()

    def make_topic(self, name: str, partitions: int) -> None:
        assert self._asked(f"topic {name} {partitions}") == "0"

    def set_up(self, is_up: bool) -> None:
        """Whether its one broker is there: else it refuses connections, and drops those it has."""
        assert self._asked("up" if is_up else "down") == "0"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _asked(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], READY_SECONDS_MAX)
        assert ready, "the mock of Kafka hangs"
        return self._process.stdout.readline().strip()
