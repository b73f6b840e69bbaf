"""Hostile callers, each kind in a process of its own: python -m benchmarks.attacks KIND PORT CONNECTIONS SECONDS.

They come from 127.0.0.2, so that the honest caller beside them has an address of its own. All of them stop by
themselves. What a kind needs besides (a key of another ledger) comes as JSON on standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

ADDRESS = "127.0.0.2"
ANSWER_SECONDS_MAX = 5.0
PAUSE_SECONDS = 0.02
"""After a lost connection: an attacker on this machine must not be busy with nothing but connecting."""

MEMBERS = json.dumps({f"m{number}": 1 for number in range(5_000)}).encode()[:64_000]
READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Attack:
    """What one hostile connection does, again and again until the time is up."""

    port: int
    deadline: float
    reader_key: str
    """Of another ledger, with no scope but to read."""
    account: str

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self.deadline

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(ADDRESS, 0))


def request(method: str, path: str, *fields: str, body: bytes = b"", length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: zerosum", *fields]
    if body or length is not None:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
            return


async def _ask_without_end(attack: Attack, requests: Iterator[bytes]) -> None:
    """One keep-alive connection, made anew whenever it is lost."""
    while attack.is_on:
        writer = None
        try:
            reader, writer = await attack.connect()
            while attack.is_on:
                writer.write(next(requests))
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    await _read_answer(reader)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            if writer is not None:
                writer.close()


def _asking(*requests: bytes) -> Callable[[Attack], Awaitable[None]]:
    return lambda attack: _ask_without_end(attack, cycle(requests))


def _asking_as_reader(*paths: str) -> Callable[[Attack], Awaitable[None]]:
    def requests(attack: Attack) -> list[bytes]:
        credential = f"Authorization: Bearer {attack.reader_key}"
        return [request("GET", path.format(account=attack.account), credential) for path in paths]

    return lambda attack: _ask_without_end(attack, cycle(requests(attack)))


async def _guess_keys(attack: Attack) -> None:
    def guesses() -> Iterator[bytes]:
        while True:
            forged = attack.reader_key[:-12] + secrets.token_hex(6)
            yield request("GET", "/v1/accounts", f"Authorization: Bearer {forged}")

    await _ask_without_end(attack, guesses())


async def _guess_secrets(attack: Attack) -> None:
    def guesses() -> Iterator[bytes]:
        while True:
            forged = attack.reader_key[:-12] + secrets.token_hex(6)
            form = f"grant_type=client_credentials&client_id=key_x&client_secret={forged}".encode()
            yield request("POST", "/v1/oauth/token", "Content-Type: application/x-www-form-urlencoded", body=form)

    await _ask_without_end(attack, guesses())


async def _send_megabytes_without_the_scope(attack: Attack) -> None:
    credential = f"Authorization: Bearer {attack.reader_key}"
    body = b'{"items":[' + b"1," * 2_000_000 + b"1]}"
    bulk = request("POST", "/v1/payments/bulk", credential, "Content-Type: application/json", body=body)
    await _ask_without_end(attack, cycle([bulk]))


async def _never_read(attack: Attack) -> None:
    """Asks for the largest page there is, over and over, and takes nothing of it."""
    page = request("GET", "/docs/assets/redoc.standalone.js") * 20
    while attack.is_on:
        with contextlib.suppress(OSError):
            reader, writer = await attack.connect()
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 - the point of it
            writer.write(page)
            await asyncio.sleep(2.0)
            writer.transport.abort()


async def _hold(attack: Attack, opening: bytes) -> None:
    """Holds a connection without a whole request on it, and takes a new one when it is closed."""
    while attack.is_on:
        try:
            reader, writer = await attack.connect()
            writer.write(opening)
            async with asyncio.timeout(max(0.1, attack.deadline - time.monotonic())):
                while await reader.read(READ_BYTES):
                    continue
            writer.close()
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(PAUSE_SECONDS)


async def _connect_without_end(attack: Attack) -> None:
    while attack.is_on:
        with contextlib.suppress(OSError):
            _, writer = await attack.connect()
            writer.transport.abort()
        await asyncio.sleep(0)


JSON = "Content-Type: application/json"
OPEN_PAGES = ("/openapi.json", "/docs", "/redoc", "/metrics", "/healthz", "/readyz", "/.well-known/jwks.json")

KINDS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    "the schema": _asking(request("GET", "/openapi.json")),
    "all open pages": _asking(*(request("GET", path) for path in OPEN_PAGES)),
    "64 kB of members, no credential": _asking(request("POST", "/v1/payments", JSON, body=MEMBERS)),
    "4 MB of items, no scope": _send_megabytes_without_the_scope,
    "guessed keys": _guess_keys,
    "guessed secrets at the token endpoint": _guess_secrets,
    "addresses that are none": _asking(request("GET", "/nothing/here")),
    "101 header fields": _asking(request("GET", "/healthz", *(f"X-{number}: 1" for number in range(101)))),
    "no HTTP at all": _asking(b"\x16\x03\x01\x02\x00 nonsense\r\n\r\n"),
    "answers never read": _never_read,
    "connections with one empty line": lambda attack: _hold(attack, b"\r\n"),
    "half a request": lambda attack: _hold(
        attack, b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    ),
    "connections made and dropped": _connect_without_end,
    "reports of another ledger": _asking_as_reader(
        "/v1/trial-balance?limit=200",
        "/v1/accounts/{account}/statement?from=2026-01-01&to=2026-12-31",
        "/v1/integrity",
        "/v1/accounts?limit=200",
    ),
}


async def _attack(kind: str, port: int, connections: int, seconds: float, given: dict[str, Any]) -> None:
    attack = Attack(port, time.monotonic() + seconds, given["reader_key"], given["account"])
    await asyncio.gather(*(KINDS[kind](attack) for _ in range(connections)), return_exceptions=True)


def _step_back() -> None:
    """An attacker brings processors of its own. Here it has none, so it takes what the others leave.

    Linux may share out its time by session first (sched(7), "The autogroup feature"); a nice value counts within one.
    """
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def main() -> None:
    _step_back()
    kind, port, connections, seconds = sys.argv[1:]
    uvloop.run(_attack(kind, int(port), int(connections), float(seconds), json.load(sys.stdin)))


if __name__ == "__main__":
    main()
