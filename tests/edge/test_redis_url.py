"""The URL of Redis: TLS with certificates of both sides works, and what cannot be is named in one line."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.adapters.redis_ground import OwnValkey, started_link, started_proxy
from tests.cli.command import assert_one_clear_line, zerosum
from tests.edge.certificates import Authority
from tests.edge.test_database_url import SECRETS
from zerosum.adapters.redis import Script
from zerosum.adapters.redis_address import RedisAddress, RedisUrlError

ECHO = Script("return {ARGV[1], ARGV[2]}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h?ssl_ca_cert=/x", "'ssl_ca_cert' is unknown"),
        ("redis://h?socket_timeout=5", "'socket_timeout' is unknown"),
        ("redis://h?ssl_ca_certs=/x", "ssl_ca_certs needs rediss://"),
        ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs can only be required or optional or none"),
        ("rediss://h?ssl_check_hostname=perhaps", "ssl_check_hostname can only be"),
        ("rediss://h?ssl_keyfile=/x", "ssl_keyfile needs ssl_certfile"),
        ("rediss://h?ssl_ca_certs", "has no value"),
        ("redis://h/first", "its database is a number"),
        ("redis://h:99999", "must be written like"),
        ("redis://u:secret/x@h", "must be written like"),
        ("unix://", "must be written like"),
        ("http://h", "must be written like"),
    ],
)
def test_what_cannot_be_is_named(url: str, words: str) -> None:
    with pytest.raises(RedisUrlError) as refusal:
        RedisAddress.parse(url)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "place", "first"),
    [
        ("redis://:p@h:1/2", ("h", 1), ("AUTH", "p")),
        ("redis://:a@b#c%2F@h", ("h", 6379), ("AUTH", "a@b#c/")),
        ("redis://[::1]:7", ("::1", 7), ("PING",)),
        ("redis://[::1]", ("::1", 6379), ("PING",)),
        ("rediss://ann:p@h?db=3&ssl_cert_reqs=none", ("h", 6379), ("AUTH", "ann", "p")),
        ("redis://h?username=ann&password=p", ("h", 6379), ("AUTH", "ann", "p")),
        ("redis://", ("localhost", 6379), ("PING",)),
    ],
)
def test_an_address_has_these_parts(url: str, place: tuple[str, int], first: tuple[str, ...]) -> None:
    address = RedisAddress.parse(url)
    assert ((address.host, address.port), address.greeting[0]) == (place, first)
    assert "AUTH" not in repr(address)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h?ssl_ca_cert=/x", "'ssl_ca_cert' is unknown"),
        ("rediss://h?ssl_ca_certs=/no/such.pem", "cannot be used (No such file"),
    ],
)
def test_it_is_named_at_start(url: str, words: str) -> None:
    environment = {**SECRETS, "ZEROSUM_DATABASE_URL": "postgresql://u@127.0.0.1:1/d", "ZEROSUM_REDIS_URL": url}
    assert_one_clear_line(zerosum("serve", "--port", "0", environment=environment), "ZEROSUM_REDIS_URL", words)


@pytest.fixture(scope="module")
def valkey() -> Iterator[OwnValkey]:
    server = OwnValkey()
    yield server
    server.close()


@pytest.fixture
async def guarded(valkey: OwnValkey, tmp_path: Path) -> AsyncIterator[tuple[str, Authority]]:
    """The embedded server is built without TLS: what ends it here asks for a certificate of its caller."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server", host="localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.path))
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    async with started_proxy(valkey.url, tls=context) as proxy:
        yield proxy.url.replace("redis://", "rediss://").replace("127.0.0.1", "localhost"), authority


async def test_both_sides_show_certificates(guarded: tuple[str, Authority], tmp_path: Path) -> None:
    url, authority = guarded
    certificate, key = authority.sign("service", password="se cret")
    known = f"{url}?ssl_ca_certs={authority.path}"
    shown = f"{known}&ssl_certfile={certificate}&ssl_keyfile={key}&ssl_password=se%20cret"
    async with started_link(f"{shown}&ssl_min_version=TLSv1.3") as link:
        assert await link.run(ECHO, (), "hello") == [b"hello"]
    async with started_link(known) as link:
        assert link.is_away
    async with started_link(shown.replace("localhost", "127.0.0.1")) as link:
        assert link.is_away
    unchecked = f"{shown.replace('localhost', '127.0.0.1')}&ssl_check_hostname=false"
    async with started_link(unchecked) as link:
        assert await link.run(ECHO, (), "hello") == [b"hello"]
    stranger = Authority(tmp_path, "another authority")
    async with started_link(shown.replace(str(authority.path), str(stranger.path))) as link:
        assert link.is_away
