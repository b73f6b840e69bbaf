"""What stands between lanes and PostgreSQL, and takes away the reply to a COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

COMMIT = b"Q\x00\x00\x00\x0bcommit\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class LossyWay:
    """By default everything passes. `dsn` is the address of the database past it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._far = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pairs: set[asyncio.Task[None]] = set()
        self._loses: bool | None = None
        self.is_away = False
        self.committed = 0
        """So many of those that were lost had reached PostgreSQL and were done."""

    @property
    def dsn(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return self._dsn.replace(self._far.netloc.rsplit("@", 1)[1], f"127.0.0.1:{port}") + "?sslmode=disable"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._go_away()
        if self._pairs:
            await asyncio.wait(self._pairs)

    def lose_next(self, *, commits: bool) -> None:
        """The next COMMIT is done or never comes there; either way nobody is told, and PostgreSQL is away after it."""
        self._loses = commits

    def come_back(self) -> None:
        self.is_away = False

    def _go_away(self) -> None:
        self.is_away = True
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_away:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        task.add_done_callback(self._pairs.discard)
        far_reader, far_writer = await asyncio.open_connection(self._far.hostname, self._far.port)
        ends = {writer, far_writer}
        self._writers |= ends
        is_lost = asyncio.Event()
        try:
            await asyncio.gather(self._ask(reader, far_writer, is_lost), self._reply(far_reader, writer, is_lost))
        finally:
            for end in ends:
                end.transport.abort()
            self._writers -= ends

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_lost: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                if self._loses is not None and piece.endswith(COMMIT):  # sent alone, and so small that it stays whole
                    commits, self._loses = self._loses, None
                    if not commits:
                        self._go_away()
                        break
                    is_lost.set()
                writer.write(piece)
        writer.transport.abort()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_lost: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                if not is_lost.is_set():
                    writer.write(piece)
                elif COMMITTED in piece:
                    self.committed += 1
                    self._go_away()
        writer.transport.abort()
