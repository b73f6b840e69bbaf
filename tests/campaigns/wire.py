"""A caller on a connection of its own that can tell what happened to a request: answered, never taken, or cut off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS_MAX = 20.0


class NotTaken(Exception):
    """No connection could be made: the service never saw the request."""


class CutOff(Exception):
    """The connection ended between the request and its answer: nobody knows what was done."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Of a refusal."""
        code: str | None = self.content.get("code") if self.status >= 400 else None
        return code


class Wire:
    """One keep-alive connection, made when it is needed, with one request under way."""

    def __init__(self, base_url: str, api_key: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {api_key}\r\nContent-Type: application/json\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def port(self) -> int:
        """Its own, while it is connected."""
        assert self._streams is not None
        port: int = self._streams[1].get_extra_info("sockname")[1]
        return port

    async def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """Raises NotTaken or CutOff."""
        await self.send(method, path, body, key=key)
        return await self.answer()

    async def pay(self, payer: str, payee: str, amount: str, key: str) -> Answer:
        return await self.ask("POST", "/v1/payments", transfer(payer, payee, amount), key=key)

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> None:
        """The request alone. Raises NotTaken."""
        await self.connect()
        assert self._streams is not None
        content = b"" if body is None else json.dumps(body).encode()
        named = "" if key is None else f"Idempotency-Key: {key}\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{named}Content-Length: {len(content)}\r\n\r\n"
        self._streams[1].write(head.encode() + content)

    async def answer(self) -> Answer:
        """To what was sent. Raises CutOff."""
        assert self._streams is not None
        reader, _ = self._streams
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                answer = await read_answer(reader)
        except (OSError, EOFError) as error:
            self.close()
            raise CutOff(repr(error)) from None
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    async def connect(self) -> None:
        """Unless it is connected. Raises NotTaken."""
        if self._streams is not None:
            return
        try:
            self._streams = await asyncio.open_connection(self._host, self._port)
        except OSError as error:
            raise NotTaken(repr(error)) from None

    def close(self) -> None:
        """At once, in the middle of whatever goes on."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].transport.abort()
        self._streams = None


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer on a connection. Raises EOFError where the connection ends instead."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split(" ")[1]), headers, body)


def transfer(payer: str, payee: str, amount: str) -> dict[str, str]:
    return {"type": "transfer", "amount": amount, "currency": "USD", "from": payer, "to": payee}
