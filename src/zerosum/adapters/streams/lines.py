"""JSON lines, one message each: from stdin, or from whoever connects to a TCP port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from zerosum.adapters.streams.line_splitter import LineSplitter
from zerosum.adapters.streams.taking import Lose, Take
from zerosum.domain.messages import InputAway, Message, Partition

_log = logging.getLogger(__name__)

READ_BYTES = 65_536
QUEUED_LINES_MAX = 1_000
CONNECTIONS_MAX = 100


class StandardInput:
    """Stdin to its end. With a name of its own a line is named for ever by its number, and needs no key."""

    is_read_once = True
    lost = 0

    def __init__(self, name: str, bytes_max: int, *, has_positions: bool, descriptor: int = 0) -> None:
        self.name = name
        self.has_positions = self.is_leased = has_positions
        """Two that read under one name at once would take it from each other, with lines in memory that never come
        again."""
        self._partition = Partition(name, "stdin")
        self._splitter = LineSplitter(bytes_max)
        self._descriptor = descriptor
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.BoundedSemaphore(2)
        self._waiting: list[Message] = []
        self._run, self._number = secrets.token_hex(6), 0
        self._has_ended = False
        self._reader: threading.Thread | None = None

    async def open(self, take: Take, lose: Lose) -> None:  # noqa: ARG002 - nobody else can have it
        if self.has_positions:
            await take(self._partition)
        if self._reader is None:
            loop = asyncio.get_running_loop()
            self._reader = threading.Thread(target=self._read, args=(loop,), daemon=True, name="stdin")
            self._reader.start()

    async def receive(self, most: int, seconds: float) -> Sequence[Message] | None:
        if not self._waiting and not self._has_ended:
            await self._fill(seconds)
        found, self._waiting = self._waiting[:most], self._waiting[most:]
        return None if not found and self._has_ended else found

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Nobody waits for it."""

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """There is no way back."""

    async def keep_alive(self) -> None:
        """Whoever writes waits."""

    async def lag(self) -> float | None:
        return None

    async def close(self) -> None:
        """It cannot be opened again."""

    async def _fill(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                block = await self._queue.get()
        except TimeoutError:
            return
        self._room.release()
        self._has_ended = block is None
        lines = self._splitter.rest() if block is None else self._splitter.split(block)
        for line, length in lines:
            self._number += 1
            if line.strip():
                self._waiting.append(
                    Message(
                        partition=self._partition,
                        place=str(self._number) if self.has_positions else f"{self._run}-{self._number}",
                        is_named_for_ever=self.has_positions,
                        body=line,
                        body_bytes=length,
                    )
                )

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: stdin may be a file, a pipe or a terminal, and only files need no waiting."""
        block: bytes | None = b""
        while block is not None:
            self._room.acquire()
            try:
                block = os.read(self._descriptor, READ_BYTES) or None
            except OSError:
                block = None
            with contextlib.suppress(RuntimeError):  # the loop has ended before stdin
                loop.call_soon_threadsafe(self._queue.put_nowait, block)


@dataclass(slots=True, eq=False)
class _Sender:
    """Whoever is connected: it gets an answer to each line, and then the connection ends."""

    writer: asyncio.StreamWriter
    unanswered: int = 0
    has_ended: bool = False

    def answer(self, lines: Sequence[bytes]) -> None:
        self.unanswered -= len(lines)
        with contextlib.suppress(OSError):
            self.writer.write(b"".join(lines))
        self.close_if_done()

    def close_if_done(self) -> None:
        if self.has_ended and not self.unanswered:
            self.writer.close()


class TcpInput:
    """Listens; every line gets its outcome as a line, in order, once it is committed. Messages need their own keys."""

    is_leased = is_read_once = has_positions = False
    lost = 0

    def __init__(self, name: str, host: str, port: int, bytes_max: int) -> None:
        self.name = name
        self.port = port
        self._host = host
        self._bytes_max = bytes_max
        self._partition = Partition(name, "tcp")
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUED_LINES_MAX)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._run, self._number = secrets.token_hex(6), 0

    async def open(self, take: Take, lose: Lose) -> None:  # noqa: ARG002 - as above
        if self._server is not None:
            return
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self.port)
        except OSError as error:
            raise InputAway(f"cannot listen at {self._host}:{self.port}: {error.strerror}") from None
        self.port = self._server.sockets[0].getsockname()[1]

    async def receive(self, most: int, seconds: float) -> Sequence[Message]:
        found: list[Message] = []
        try:
            async with asyncio.timeout(seconds):
                found.append(await self._queue.get())
        except TimeoutError:
            return []
        while len(found) < most and not self._queue.empty():
            found.append(self._queue.get_nowait())
        return found

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Its answer has told."""

    async def answer(self, answered: Sequence[tuple[Message, Mapping[str, object]]]) -> None:
        """Whoever has gone away asks again with the same key."""
        lines: dict[_Sender, list[bytes]] = {}
        for message, outcome in answered:
            if isinstance(message.receipt, _Sender):
                lines.setdefault(message.receipt, []).append(orjson.dumps(dict(outcome)) + b"\n")
        for sender, answers in lines.items():
            sender.answer(answers)

    async def keep_alive(self) -> None:
        """Senders wait: nothing more is read than the queue holds."""

    async def lag(self) -> float | None:
        return float(self._queue.qsize())

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._read(reader, _Sender(writer))
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._connections.discard(task)

    async def _read(self, reader: asyncio.StreamReader, sender: _Sender) -> None:
        splitter = LineSplitter(self._bytes_max)
        is_known = False
        while block := await reader.read(READ_BYTES):
            lines = splitter.split(block)
            first = next((line.strip() for line, _ in lines if line.strip()), b"{" if is_known else b"")
            if first and not is_known and not first.startswith(b"{"):
                # A page that is open in a browser here can make it send whatever it likes, but for the first line.
                _log.warning("%s: whoever connected speaks another protocol, and is sent away", self.name)
                sender.writer.close()
                return
            is_known = is_known or bool(first)
            await self._queue_lines(lines, sender)
            await sender.writer.drain()
        if is_known or splitter.begins_with(b"{"):
            await self._queue_lines(splitter.rest(), sender)
        sender.has_ended = True
        sender.close_if_done()

    async def _queue_lines(self, lines: Sequence[tuple[bytes, int]], sender: _Sender) -> None:
        for line, length in lines:
            if line.strip():
                self._number += 1
                sender.unanswered += 1
                await self._queue.put(
                    Message(
                        partition=self._partition,
                        place=f"{self._run}-{self._number}",
                        is_named_for_ever=False,
                        body=line,
                        body_bytes=length,
                        receipt=sender,
                    )
                )
