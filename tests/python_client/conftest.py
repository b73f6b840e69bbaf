"""The Python client beside a service on a real port, and a line between them that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from tests.api.conftest import framework_port, framework_service, service, service_port
from zerosum.client import AsyncClient, Client, Retries
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import ALL_SCOPES
from zerosum.main import Service

__all__ = ["framework_port", "framework_service", "service", "service_port"]

T = TypeVar("T")

AT_ONCE = Retries(first_pause_seconds=0.0)


@dataclass
class Place:
    """Where a client of a fresh ledger goes, and with what."""

    port: int
    key_id: str
    api_key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
async def place(service: Service, service_port: int, ledger_id: LedgerId) -> Place:
    scopes = sorted(scope.value for scope in ALL_SCOPES)
    record, text = await service.services.api_keys.create(ledger_id, "test", scopes)
    return Place(service_port, f"key_{record.id}", text)


@pytest.fixture
async def client(place: Place) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(place.url, place.api_key, retries=AT_ONCE) as made:
        yield made


async def blocking(place: Place, story: Callable[[Client], T], **options: Any) -> T:
    """What a blocking client does, beside the loop that serves it."""

    def run() -> T:
        with Client(options.pop("url", place.url), place.api_key, **{"retries": AT_ONCE, **options}) as client:
            return story(client)

    return await asyncio.to_thread(run)


CUT = b""
NEVER = b"never"


@dataclass
class Line:
    """Passes requests on to the service, whole. What it answers may be lost, or something else be said instead."""

    target: int
    instead: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Beginnings of requests, in the order they are waited for, and what is said instead: also nothing (CUT, NEVER)."""
    refused: list[tuple[bytes, bytes]] = field(default_factory=list)
    """The same of requests that never reach the service."""
    seen: list[bytes] = field(default_factory=list)
    is_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_service, from_service = None, None
        try:
            from_service, to_service = await asyncio.open_connection("127.0.0.1", self.target)
            while request := await _one_message(reader):
                self.seen.append(request)
                answer = _taken(self.refused, request)
                if answer is None:
                    to_service.write(request)
                    answer = await _one_message(from_service)
                    said = _taken(self.instead, request)
                    answer = answer if said is None else said
                if answer == NEVER:
                    self.is_waiting.set()
                    await reader.read()
                if answer in (CUT, NEVER):
                    return
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()
            if to_service is not None:
                to_service.close()


def _taken(waited_for: list[tuple[bytes, bytes]], request: bytes) -> bytes | None:
    if waited_for and request.startswith(waited_for[0][0]):
        return waited_for.pop(0)[1]
    return None


async def _one_message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with a Content-Length, or nothing where the line has ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


@pytest.fixture
async def line(place: Place) -> AsyncIterator[Line]:
    made = Line(place.port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
