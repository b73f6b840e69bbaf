"""Reading another issuer's keys from its address, which may be slow, broken or hostile."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from zerosum.adapters import jwks as jwks_module
from zerosum.adapters.jwks import JWKS_BYTES_MAX, JWKS_KEYS_MAX, JwksDownload, JwksUnreadable

URL = "https://login.example/keys"
GOOD = {"kty": "EC", "kid": "1"}


async def read(respond: Callable[[httpx.Request], httpx.Response]) -> dict[str, Any]:
    download = JwksDownload(URL, httpx.MockTransport(respond))
    try:
        return await download.read()
    finally:
        await download.close()


def answer(
    content: bytes | dict[str, Any], status: int = 200, encoding: str = "identity"
) -> Callable[..., httpx.Response]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda _: httpx.Response(status, stream=httpx.ByteStream(body), headers={"content-encoding": encoding})


async def test_a_key_set_is_read() -> None:
    assert await read(answer({"keys": [GOOD]})) == {"keys": [GOOD]}


async def test_symmetric_keys_are_left_out() -> None:
    assert await read(answer({"keys": [{"kty": "oct", "k": "AAAA"}, GOOD, "x"]})) == {"keys": [GOOD]}


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example/keys",
        "HTTP://login.example/keys",
        "file:///etc/passwd",
        "https:///keys",
        "https://user:password@login.example/keys",
        "https://login.example/keys#x",
        "login.example/keys",
    ],
)
def test_only_plain_https_addresses_are_read(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        JwksDownload(url)


async def test_redirects_are_not_followed() -> None:
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://evil.example/keys"})

    with pytest.raises(JwksUnreadable, match="302"):
        await read(respond)
    assert asked == [URL]


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404, 500, 503])
async def test_any_other_status_is_no_answer(status: int) -> None:
    with pytest.raises(JwksUnreadable, match=str(status)):
        await read(answer({"keys": [GOOD]}, status))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b"[" * 100_000,
        json.dumps({"keys": [GOOD] * (JWKS_KEYS_MAX + 1)}).encode(),
    ],
)
async def test_what_is_no_key_set_is_refused(content: bytes) -> None:
    with pytest.raises(JwksUnreadable):
        await read(answer(content))


async def test_an_answer_without_end_is_cut_off() -> None:
    sent = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 65_536
                yield b" " * 65_536

    with pytest.raises(JwksUnreadable, match="longer"):
        await read(lambda _: httpx.Response(200, stream=Endless()))
    assert sent <= JWKS_BYTES_MAX + 65_536


async def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < JWKS_BYTES_MAX
    with pytest.raises(JwksUnreadable, match="compressed"):
        await read(answer(bomb, encoding="gzip"))


async def test_a_trickle_ends_after_the_whole_time_and_not_after_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_module, "JWKS_SECONDS_MAX", 0.2)

    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.05)
                yield b" "

    started = asyncio.get_running_loop().time()
    with pytest.raises(JwksUnreadable, match="TimeoutError"):
        await read(lambda _: httpx.Response(200, stream=Trickle()))
    assert asyncio.get_running_loop().time() - started < 2


async def test_a_connection_that_fails_is_told_as_such() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(JwksUnreadable, match="ConnectError"):
        await read(respond)
