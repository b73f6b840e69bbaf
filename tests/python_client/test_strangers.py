"""To whom a credential is given: to nobody who cannot show who he is."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zerosum.cli.certificate import development_certificate
from zerosum.cli.running_service import running_service
from zerosum.client import NO_RETRIES, Client, Unreachable


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Speaks TLS with a certificate that nobody has signed: on which port, and what he was told."""
    files = [str(path) for path in development_certificate(tmp_path, None).values()]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(raw, server_side=True) as line:
                    heard.append(line.recv(4_096))
            except OSError:
                raw.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "Https"])
def test_a_stranger_is_told_no_credential_however_the_address_is_written(
    stranger: tuple[int, list[bytes]], scheme: str
) -> None:
    port, heard = stranger
    url = f"{scheme}://127.0.0.1:{port}"
    with Client(url, "a-key", retries=NO_RETRIES) as client, pytest.raises(Unreachable):
        client.accounts.get("customers:alice")
    assert heard in ([], [b""])
    assert running_service(None, url, "a-key").tls is not None
