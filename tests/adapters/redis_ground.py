"""What the tests of everything around Redis stand on: a Valkey of their own, and a proxy that mistreats its replies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

from hiredis import Reader, pack_command

from zerosum.adapters.redis import RedisLink
from zerosum.embedded import DataDir, EmbeddedValkey, find_valkey

RETURN_SECONDS_MAX = 5.0
"""Generous: the link itself looks at least once a second."""


class OwnValkey:
    """A server of the test's own, to be emptied, stopped and killed."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zerosum-redis-"))
        self._folder.chmod(0o711)  # as root the server runs as another account, which must pass through
        self._data_dir = DataDir(self._folder / "data", state_root=self._folder / "state")
        binary = find_valkey()
        assert binary is not None
        self._server = EmbeddedValkey(self._data_dir, binary, notify=lambda _: None)
        self._server.start()

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        while self._server.is_alive():
            pass

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def copy_of_log(self) -> dict[str, bytes]:
        """What it has kept on disk by now."""
        return {path.name: path.read_bytes() for path in self._log_folder.iterdir()}

    def replace_log(self, copy: dict[str, bytes]) -> None:
        """What it will know when it starts again: an earlier copy, or nothing."""
        owner = self._log_folder.stat()
        for path in self._log_folder.iterdir():
            path.unlink()
        for name, content in copy.items():
            path = self._log_folder / name
            path.write_bytes(content)
            os.chown(path, owner.st_uid, owner.st_gid)

    @property
    def _log_folder(self) -> Path:
        return self._server.folder / "appendonlydir"

    def command(self, *words: str | int | bytes) -> object:
        """What the server answers to one command."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=5) as connection:
            connection.sendall(pack_command(("AUTH", parts.password or "")) + pack_command(words))  # type: ignore[arg-type]
            reader = Reader()
            replies: list[object] = []
            while len(replies) < 2:
                reader.feed(connection.recv(65536))
                while (reply := reader.gets()) is not False:
                    replies.append(reply)
        return replies[1]

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.thaw()
        self._server.stop()
        self._data_dir.delete()
        shutil.rmtree(self._folder)

    def _signal(self, number: signal.Signals) -> None:
        if self._server.pid is not None and self._server.is_alive():
            os.kill(self._server.pid, number)


Forge = Callable[[bytes], bytes]


class Proxy:
    """Stands between a link and Redis. By default everything passes."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0
        self.delay_seconds = 0.0
        """Before each piece of a reply."""
        self.is_deaf = False
        """Commands pass, replies do not."""
        self.is_shut = False
        """New connections are closed at once."""
        self.forge: Forge = lambda reply: reply
        """What becomes of each piece of a reply."""
        self.cut_after: int | None = None
        """Bytes of commands and replies until everything is cut."""

    @property
    def url(self) -> str:
        return f"redis://:{self._target.password}@127.0.0.1:{self.port}/0"

    async def start(self, *, tls: ssl.SSLContext | None = None, path: Path | None = None) -> None:
        if path is not None:
            self._server = await asyncio.start_unix_server(self._serve, path)
            return
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        if self._pairs:
            await asyncio.wait(self._pairs)

    def cut(self) -> None:
        """End all connections in the middle of whatever they carry."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.is_shut:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        task.add_done_callback(self._pairs.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(
                self._carry(reader, far_writer, is_reply=False), self._carry(far_reader, writer, is_reply=True)
            )
        finally:
            for end in (writer, far_writer):
                end.transport.abort()
                self._writers.discard(end)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                if is_reply:
                    await asyncio.sleep(self.delay_seconds)
                    if self.is_deaf:
                        continue
                    piece = self.forge(piece)
                if self.cut_after is not None:
                    piece = piece[: self.cut_after]
                    self.cut_after -= len(piece)
                writer.write(piece)
                if self.cut_after == 0:
                    await writer.drain()
                    self.cut_after = None
                    self.cut()
                    break
        writer.transport.abort()


@contextlib.asynccontextmanager
async def started_link(url: str) -> AsyncIterator[RedisLink]:
    link = RedisLink(url)
    await link.start()
    try:
        yield link
    finally:
        await link.close()


@contextlib.asynccontextmanager
async def started_proxy(
    url: str, *, tls: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[Proxy]:
    proxy = Proxy(url)
    await proxy.start(tls=tls, path=path)
    try:
        yield proxy
    finally:
        await proxy.close()


async def until(is_so: Callable[[], object], what: str, seconds: float = RETURN_SECONDS_MAX) -> float:
    """Seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not is_so():
        assert loop.time() - began < seconds, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)
    return loop.time() - began
