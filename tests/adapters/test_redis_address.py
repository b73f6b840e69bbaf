"""Where Redis is, from its URL: TCP, TLS and sockets of the file system."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvloop

from tests.adapters.redis_ground import OwnValkey, started_link, started_proxy
from zerosum.adapters.redis import Script
from zerosum.adapters.redis_address import RedisAddress
from zerosum.cli.certificate import development_certificate

ECHO = Script("return {ARGV[1], ARGV[2]}")


@pytest.mark.parametrize(
    ("url", "greeting"),
    [
        ("redis://localhost", [("PING",)]),
        ("redis://:se%40cret@localhost:7000/3", [("AUTH", "se@cret"), ("SELECT", 3), ("PING",)]),
        ("redis://ann:secret@localhost/0", [("AUTH", "ann", "secret"), ("PING",)]),
        ("unix:///run/redis.sock?db=2", [("SELECT", 2), ("PING",)]),
    ],
)
def test_a_url_says_how_to_greet(url: str, greeting: list[tuple[str | int, ...]]) -> None:
    assert list(RedisAddress.parse(url).greeting) == greeting


def test_tls_checks_the_server_unless_told_otherwise() -> None:
    checked = RedisAddress.parse("rediss://cache.example:6380").tls()
    assert checked is not None
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    trusting = RedisAddress.parse("rediss://cache.example?ssl_cert_reqs=none").tls()
    assert trusting is not None
    assert trusting.verify_mode == ssl.CERT_NONE
    assert RedisAddress.parse("redis://cache.example").tls() is None


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", ""])
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be written like"):
        RedisAddress.parse(url)


@contextlib.asynccontextmanager
async def tls_front(valkey: OwnValkey, folder: Path) -> AsyncIterator[str]:
    """An address at which the server speaks TLS, under a certificate that nobody knows."""
    files = development_certificate(folder, None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["tls_certificate"], files["tls_key"])
    async with started_proxy(valkey.url, tls=context) as proxy:
        yield f"{proxy.url.replace('redis:', 'rediss:')}?ssl_ca_certs={files['tls_certificate']}"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
async def test_scripts_run_over_tls(valkey: OwnValkey, tmp_path: Path, run: object) -> None:
    async def talk() -> None:
        async with tls_front(valkey, tmp_path) as url, started_link(url) as link:
            assert await link.run(ECHO, (), "x" * 1_000_000) == [b"x" * 1_000_000]

    await asyncio.to_thread(run, talk())  # type: ignore[arg-type]


async def test_a_server_with_an_unknown_certificate_is_away(valkey: OwnValkey, tmp_path: Path) -> None:
    async with tls_front(valkey, tmp_path) as url, started_link(url.partition("?")[0]) as link:
        assert link.is_away


async def test_scripts_run_over_a_socket_of_the_file_system(valkey: OwnValkey, tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    url = f"unix://:{urlsplit(valkey.url).password}@{path}?db=2"
    async with started_proxy(valkey.url, path=path), started_link(url) as link:
        assert await link.run(ECHO, (), "hello") == [b"hello"]
