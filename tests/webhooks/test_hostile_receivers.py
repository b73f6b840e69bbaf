"""Receivers that answer badly: each costs bounded time and memory, is tried again, and keeps no other waiting."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.api.conftest import Client
from tests.edge.certificates import certify
from tests.webhooks.conftest import Dispatching, deliveries_of, endpoint_of, until
from tests.webhooks.receiver import OK, answer, receiving

SECONDS_MAX = 1.5
SLACK_SECONDS = 10.0
"""Of a slow machine: half of what the shortest of these would take to its own end."""


async def trickle(writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nserver: " + b"a" * 600:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def trickle_the_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(200):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.1)


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n")
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


async def flood_the_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-a: " + b"a" * 60000 + b"\r\n")
        await writer.drain()


async def stay_silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(20)


async def answer_and_stay(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(20)


async def hang_up(_: asyncio.StreamWriter) -> None:
    return


async def babble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("hostile", "error"),
    [
        (trickle, "timeout"),
        (stay_silent, "timeout"),
        (hang_up, "protocol_error"),
        (babble, "protocol_error"),
        (flood_the_head, "protocol_error"),
        (trickle_the_body, None),
        (flood, None),
        (answer_and_stay, None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_what_a_receiver_answers_badly_ends_in_bounded_time(
    client: Client, dispatching: Dispatching, hostile: object, error: str | None
) -> None:
    """A status that was sent counts, whatever becomes of the body."""
    await client.open_account("alice")
    async with receiving(hostile=hostile) as receiver, dispatching(seconds_max=SECONDS_MAX):
        endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        await receiver.has(1)
        began = time.monotonic()
        (found,) = await until(
            lambda: deliveries_of(client, endpoint), lambda found: found[0]["last_attempt_at"] is not None
        )
        assert time.monotonic() - began < SECONDS_MAX + SLACK_SECONDS
    assert found["last_error"] == error
    assert found["status"] == ("pending" if error else "delivered")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(
    client: Client, dispatching: Dispatching, status: int
) -> None:
    await client.open_account("alice")
    async with receiving() as elsewhere:
        redirect = answer(status, f"location: {elsewhere.url}")
        async with receiving(answer=lambda _: redirect) as receiver, dispatching():
            endpoint = await endpoint_of(client, receiver.url, event_types=["payment.*"])
            await client.deposit("alice", "1.00")
            (found,) = await until(lambda: deliveries_of(client, endpoint, code=status), bool)
    assert (found["status"], found["last_error"]) == ("pending", "status_3xx")
    assert elsewhere.connections == 0


async def test_a_port_that_refuses_is_unreachable(client: Client, dispatching: Dispatching) -> None:
    await client.open_account("alice")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with dispatching():
        endpoint = await endpoint_of(client, f"http://127.0.0.1:{port}/", event_types=["payment.*"])
        await client.deposit("alice", "1.00")
        (found,) = await until(
            lambda: deliveries_of(client, endpoint), lambda found: bool(found and found[0]["last_error"])
        )
    assert (found["last_error"], found["last_status_code"]) == ("unreachable", None)


def tls_pair(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = certify(folder, "authority")
    own = certify(folder, "localhost", authority, host="localhost")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(own.certificate, own.key)
    return server, ssl.create_default_context(cafile=str(authority.certificate))


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_is_sent(
    client: Client, dispatching: Dispatching, tmp_path: Path
) -> None:
    await client.open_account("alice")
    server, trusting = tls_pair(tmp_path)
    async with receiving(server) as receiver:
        url = f"https://localhost:{receiver.port}/"
        async with dispatching():
            endpoint = await endpoint_of(client, url, event_types=["payment.*"])
            await client.deposit("alice", "1.00")
            (found,) = await until(
                lambda: deliveries_of(client, endpoint), lambda found: bool(found and found[0]["last_error"])
            )
        assert found["last_error"] == "tls_failed"
        assert receiver.received == []
        async with dispatching(tls=trusting):
            await receiver.has(1)


async def test_one_that_hangs_keeps_no_other_waiting(client: Client, dispatching: Dispatching) -> None:
    await client.open_account("alice")
    async with receiving(hostile=stay_silent) as hanging, receiving(answer=lambda _: OK) as healthy, dispatching():
        for _ in range(3):
            await endpoint_of(client, hanging.url, event_types=["payment.*"])
        await endpoint_of(client, healthy.url, event_types=["payment.*"])
        for number in range(40):
            began = time.monotonic()
            await client.deposit("alice", "1.00")
            await healthy.has(number + 1)
            assert time.monotonic() - began < 3
    assert hanging.connections <= 3 * 16
