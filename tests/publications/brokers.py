"""Real brokers for events, what has come to each, and the means to cut it off."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import redis.asyncio

from tests.ingest.brokers import PARTITIONS, KafkaMock, closed

KINDS = ("payment", "account")
"""Of resources: what the tests publish, each to a topic of its own."""

_names = count(1)


def fresh(prefix: str) -> str:
    return f"{prefix}{next(_names)}x{time.time_ns() % 10**9}"


@dataclass(frozen=True, slots=True)
class Received:
    """A message as a consumer finds it. `attributes` are those of the CloudEvent, by their names alone."""

    topic: str
    key: str
    body: bytes
    attributes: dict[str, str]
    id: str | None = None
    """Where the broker has a place of its own for it."""


class Broker(Protocol):
    """A topic for each of KINDS."""

    prefix: str

    @property
    def url(self) -> str: ...

    async def make(self) -> None: ...

    async def connect(self) -> None:
        """Of whoever looks. Again too, whatever has become of the connection before."""

    async def received(self) -> list[Received]:
        """All that has ever come; those of one topic and key in their order."""

    def cut(self) -> None:
        """From now on nobody reaches it, and whoever was connected is thrown out."""

    def hang(self) -> None:
        """From now on it takes connections and bytes, and does nothing with them."""

    def mend(self) -> None: ...

    async def close(self) -> None: ...


class Tap:
    """A pipe to a server on this machine that can be cut, and blocked."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._there = host, int(port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._is_cut = False
        self.address = ""
        self.connections = 0
        """That were ever made through it."""

    async def open(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def hang(self) -> None:
        self._flows.clear()

    def mend(self) -> None:
        """What hung is gone: it comes back as a server that was started anew."""
        if not self._flows.is_set():
            self.cut()
        self._is_cut = False
        self._flows.set()

    async def close(self) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._there)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there_writer}
        for one, other in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pump(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while content := await reader.read(65_536):
                await self._flows.wait()
                writer.write(content)
                await writer.drain()
        writer.transport.abort()
        self._writers.discard(writer)


class _Tapped:
    """A server behind a pipe."""

    def __init__(self, address: str) -> None:
        self.prefix = fresh("t")
        self.tap = Tap(address)

    def cut(self) -> None:
        self.tap.cut()

    def hang(self) -> None:
        self.tap.hang()

    def mend(self) -> None:
        self.tap.mend()


class RedisEvents(_Tapped):
    def __init__(self, url: str) -> None:
        super().__init__(url.removeprefix("redis://").rpartition("@")[2].split("/")[0])
        self._direct = url
        self.client: Any = redis.asyncio.Redis.from_url(url)

    async def make(self) -> None:
        await self.tap.open()

    async def connect(self) -> None:
        await self.client.connection_pool.disconnect()
        await self.client.ping()

    @property
    def url(self) -> str:
        login = self._direct.removeprefix("redis://").rpartition("@")[0]
        return f"redis://{login}{'@' if login else ''}{self.tap.address}/0"

    async def received(self) -> list[Received]:
        found = []
        for kind in KINDS:
            topic = f"{self.prefix}.{kind}"
            for _, fields in await self.client.xrange(topic):
                texts = {name.decode(): value for name, value in fields.items()}
                attributes = {name[3:]: value.decode() for name, value in texts.items() if name.startswith("ce_")}
                found.append(Received(topic, texts["key"].decode(), texts["body"], attributes))
        return found

    async def close(self) -> None:
        await self.tap.close()
        await self.client.delete(*(f"{self.prefix}.{kind}" for kind in KINDS))
        await self.client.aclose()


class NatsEvents(_Tapped):
    def __init__(self, address: str) -> None:
        super().__init__(address.removeprefix("nats://"))
        self._direct = address
        self.client: Any = None

    async def make(self) -> None:
        await self.tap.open()
        await self.connect()
        await self.client.jetstream().add_stream(name=self.prefix, subjects=[f"{self.prefix}.>"])

    async def connect(self) -> None:
        import nats  # noqa: PLC0415

        await closed(self.client)
        self.client = await nats.connect(self._direct)
        await self.client.jetstream().account_info()

    @property
    def url(self) -> str:
        return f"nats://{self.tap.address}"

    async def received(self) -> list[Received]:
        streams = self.client.jetstream()
        last = (await streams.stream_info(self.prefix)).state.last_seq
        found = []
        for number in range(1, last + 1):
            message = await streams.get_msg(self.prefix, number)
            headers = message.headers
            attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
            found.append(
                Received(message.subject, headers["zerosum-key"], message.data, attributes, headers["Nats-Msg-Id"])
            )
        return found

    async def close(self) -> None:
        await self.tap.close()
        await self.client.jetstream().delete_stream(self.prefix)
        await self.client.close()


class RabbitEvents(_Tapped):
    """A topic exchange, and one queue that gets it all."""

    def __init__(self, address: str) -> None:
        super().__init__(address.rpartition("@")[2].rstrip("/"))
        self._direct = address
        self._found: list[Received] = []
        self.channel: Any = None
        self.exchange: Any = None
        self.queue: Any = None
        self._connection: Any = None

    async def make(self) -> None:
        await self.tap.open()
        await self.connect()

    async def connect(self) -> None:
        import aio_pika  # noqa: PLC0415

        await closed(self._connection)
        self._connection = await aio_pika.connect(self._direct)
        self.channel = await self._connection.channel()
        self.exchange = await self.channel.declare_exchange(self.prefix, "topic", durable=True)
        self.queue = await self.channel.declare_queue(self.prefix, durable=True, arguments={"x-queue-type": "quorum"})
        await self.queue.bind(self.exchange, f"{self.prefix}.#")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.tap.address}/?exchange={self.prefix}"

    async def received(self) -> list[Received]:
        while (message := await self.queue.get(no_ack=True, fail=False)) is not None:
            headers = message.headers
            attributes = {
                name.removeprefix("cloudEvents:"): str(value)
                for name, value in headers.items()
                if name.startswith("cloudEvents:")
            }
            self._found.append(
                Received(message.routing_key, str(headers["zerosum-key"]), message.body, attributes, message.message_id)
            )
        return list(self._found)

    async def close(self) -> None:
        await self.tap.close()
        await self.channel.queue_delete(self.prefix)
        await self.channel.exchange_delete(self.prefix)
        await self._connection.close()


class KafkaEvents:
    """Topics of four partitions. Clients go to the address that brokers name, so a pipe would not be used."""

    def __init__(self, servers: str, mock: KafkaMock | None = None) -> None:
        self.prefix = fresh("t")
        self.servers = servers
        self.mock = mock

    async def make(self) -> None:
        topics = [f"{self.prefix}.{kind}" for kind in KINDS]
        if self.mock is not None:
            for topic in topics:
                self.mock.make_topic(topic, PARTITIONS)
            return
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415

        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])
        await admin.close()

    async def connect(self) -> None:
        """Each look has a connection of its own."""

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}"

    async def received(self) -> list[Received]:
        from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415

        partitions = [TopicPartition(f"{self.prefix}.{kind}", one) for kind in KINDS for one in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            found = []
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    for record in await _records(consumer, partition):
                        found.append(_of_kafka(record))
        finally:
            await consumer.stop()
        return found

    def cut(self) -> None:
        assert self.mock is not None
        self.mock.set_up(False)

    def hang(self) -> None:
        """The mock cannot hang; being away for longer is all there is."""
        self.cut()

    def mend(self) -> None:
        assert self.mock is not None
        self.mock.set_up(True)

    async def close(self) -> None:
        if self.mock is not None:
            self.mock.set_up(True)


async def _records(consumer: Any, partition: Any) -> Sequence[Any]:
    found: dict[Any, Sequence[Any]] = await consumer.getmany(partition, timeout_ms=200)
    return found.get(partition, ())


def _of_kafka(record: Any) -> Received:
    headers = dict(record.headers)
    attributes = {name[3:]: value.decode() for name, value in headers.items() if name.startswith("ce_")}
    return Received(record.topic, record.key.decode(), record.value, attributes)
