"""What follows a stream of server-sent events."""

from __future__ import annotations

import asyncio

import httpx

PATIENCE_SECONDS = 20


class Reader:
    """Of an answer that goes on."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, str]:
        """The fields of the next message, whatever it is. One of several lines is put together."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._lines:
                if not line:
                    return fields
                name, _, value = line.partition(": ")
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        raise EOFError

    async def is_over(self) -> bool:
        try:
            while True:
                await self.next()
        except (EOFError, httpx.RemoteProtocolError):
            return True
