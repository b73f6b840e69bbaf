"""TLS at the edge: handshakes that never end, and callers with certificates of their own."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization

from tests.edge.certificates import Pair, certify
from tests.edge.wire import HEALTH, QuickServer, Running, serving, until
from tests.gateway.raw_http import Reply
from zerosum.cli.certificate import development_certificate
from zerosum.cli.precautions import check_transport
from zerosum.cli.serve import check_certificate
from zerosum.cli.talk import CommandFailed
from zerosum.config import Settings, SettingsError, load_settings
from zerosum.gateway.server.connection_register import ConnectionLimits
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.server_options import tls_options

HANDSHAKE_SECONDS = QuickServer.handshake_seconds_max


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return development_certificate(tmp_path_factory.mktemp("tls"), None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return certify(tmp_path_factory.mktemp("callers"), "authority")


def tls_of(certificate: dict[str, Path], **more: Any) -> dict[str, Any]:
    return tls_options(certificate["tls_certificate"], certificate["tls_key"], **more)


def caller(certificate: dict[str, Path], own: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate["tls_certificate"])
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


# --- Handshakes ------------------------------------------------------------------------------------------------------


def test_silent_handshakes_lock_nobody_out(certificate: dict[str, Path]) -> None:
    """Many more of them than there is room for, from the caller's own address too."""
    limits = ConnectionLimits(connections_max=60, per_address_max=40)
    with serving(limits=limits, protocol=GuardedProtocol, **tls_of(certificate)) as server:
        for number in range(200):
            silent = server.connect(f"127.0.0.{1 + number % 3}")
            if number % 2:
                silent.send(b"\x16\x03\x01")  # the beginning of a handshake
        until(lambda: len(server.register) == 60)
        for source in ("127.0.0.1", "127.0.0.9"):
            with server.connect(source, caller(certificate)) as honest:
                assert honest.ask(HEALTH).status == 200
                assert len(server.register) <= 60
        assert server.register.refused == 0
        for connection in server.connected:
            connection.close()
        until(lambda: len(server.register) == len(server.server.server_state.connections) == 0)


def test_a_handshake_has_its_time_and_no_more(certificate: dict[str, Path]) -> None:
    with serving(**tls_of(certificate)) as server:
        silent = [server.connect() for _ in range(3)]
        silent[1].send(b"\x16\x03\x01\x02\x00\x01\x00")
        began = time.monotonic()
        for connection in silent:
            with contextlib.suppress(ConnectionError):
                while connection.socket.recv(1000):
                    continue
        assert time.monotonic() - began < HANDSHAKE_SECONDS + 2.0
        until(lambda: len(server.register) == 0)


def test_what_is_no_handshake_is_forgotten_at_once(certificate: dict[str, Path]) -> None:
    with serving(**tls_of(certificate)) as server:
        with server.connect() as plain:
            plain.send(HEALTH)
            until(lambda: len(server.register) == 0)
        gone = server.connect()
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.socket.close()
        with server.connect(tls=caller(certificate)) as honest:
            assert honest.ask(HEALTH).status == 200


def test_over_tls_silence_and_deafness_end_as_well(certificate: dict[str, Path]) -> None:
    with serving(**tls_of(certificate)) as server:
        server.pages.answer_bytes = 3_000_000
        with server.connect(tls=caller(certificate)) as silent:
            silent.send(b"\r\n")
            until(lambda: len(server.register) == 0)
        with server.connect(tls=caller(certificate), read_bytes=4096) as deaf:
            deaf.send(HEALTH * 10)
            until(lambda: len(server.pages.calls) > 0)
            until(lambda: len(server.register) == 0)
            assert len(server.pages.calls) <= 2


def test_told_to_stop_the_server_waits_for_no_handshake(certificate: dict[str, Path]) -> None:
    with serving(protocol=GuardedProtocol, **tls_of(certificate)) as server:
        server.server.handshake_seconds_max = 60.0  # type: ignore[misc]
        for _ in range(5):
            server.connect()
        until(lambda: len(server.register) == 5)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 4.0


# --- Mutual TLS ------------------------------------------------------------------------------------------------------


async def show(scope: Any, receive: Any, send: Any) -> None:
    """An application that tells what the server told it."""
    body = orjson.dumps(scope["extensions"].get("tls"))
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(params=["optional", "required"])
def mutual(request: pytest.FixtureRequest, certificate: dict[str, Path], authority: Pair) -> Iterator[Running]:
    options = tls_of(certificate, client_ca=authority.certificate, client_certificates=request.param)
    with serving(show, **options) as running:
        yield running


def asked(server: Running, context: ssl.SSLContext) -> Reply | None:
    """None: it did not come to an answer."""
    try:
        with server.connect(tls=context) as connection:
            connection.send(HEALTH * 2)
            first, second = connection.reply(), connection.reply()
            assert first is not None
            assert second is not None
            assert first.body == second.body
            return first
    except (ssl.SSLError, ConnectionError, AssertionError):
        return None


def test_the_subject_of_a_caller_is_told_to_the_gateway(
    mutual: Running, certificate: dict[str, Path], authority: Pair, tmp_path: Path
) -> None:
    own = certify(tmp_path, "payroll", authority)
    reply = asked(mutual, caller(certificate, own))
    assert reply is not None
    told = orjson.loads(reply.body)
    encoded = own.of.public_bytes(serialization.Encoding.DER)
    assert told["client_cert_name"] == own.of.subject.rfc4514_string() == "CN=payroll,O=Ümlaut\\, Inc."
    assert told["client_cert_sha256"] == hashlib.sha256(encoded).hexdigest()
    assert told["client_cert_chain"] == [own.certificate.read_text()]
    assert (told["client_cert_error"], told["tls_version"]) == (None, 0x0304)


def test_a_certificate_of_another_authority_or_time_is_not_taken(
    mutual: Running, certificate: dict[str, Path], authority: Pair, tmp_path: Path
) -> None:
    strange = certify(tmp_path, "payroll", certify(tmp_path, "authority"))
    assert asked(mutual, caller(certificate, strange)) is None
    assert asked(mutual, caller(certificate, certify(tmp_path, "old", authority, days=-1))) is None


def test_without_a_certificate_a_caller_is_taken_only_where_it_is_optional(
    mutual: Running, certificate: dict[str, Path]
) -> None:
    reply = asked(mutual, caller(certificate))
    if mutual.server.config.ssl_cert_reqs == ssl.CERT_REQUIRED:
        assert reply is None
    else:
        assert reply is not None
        assert orjson.loads(reply.body)["client_cert_name"] is None


def test_where_nobody_is_asked_nobody_is_named(certificate: dict[str, Path], authority: Pair, tmp_path: Path) -> None:
    own = certify(tmp_path, "payroll", authority)
    options = tls_of(certificate, client_ca=authority.certificate, client_certificates="off")
    with serving(show, **options) as server:
        reply = asked(server, caller(certificate, own))
        assert reply is not None
        assert orjson.loads(reply.body)["client_cert_name"] is None
    with serving(show) as server, server.connect() as plain:
        assert orjson.loads(plain.ask(HEALTH).body) is None


# --- Settings --------------------------------------------------------------------------------------------------------


def settings(certificate: dict[str, Path], **given: Any) -> Settings:
    return load_settings(**certificate, **given)


def test_a_certification_authority_demands_certificates_unless_told_otherwise(
    certificate: dict[str, Path], authority: Pair
) -> None:
    assert settings(certificate).client_certificates == "off"
    assert settings(certificate, tls_client_ca=authority.certificate).client_certificates == "required"
    for chosen in ("off", "optional", "required"):
        given = settings(certificate, tls_client_ca=authority.certificate, tls_client_certificates=chosen)
        assert given.client_certificates == chosen


def test_certificates_that_nobody_could_judge_are_not_demanded(certificate: dict[str, Path], authority: Pair) -> None:
    with pytest.raises(SettingsError, match="ZEROSUM_TLS_CLIENT_CA: who signs them"):
        settings(certificate, tls_client_certificates="required")
    with pytest.raises(CommandFailed, match="ZEROSUM_TLS_CLIENT_CA goes with ZEROSUM_TLS_CERTIFICATE"):
        check_transport(load_settings(tls_client_ca=authority.certificate))
    # `up --https` has a certificate of its own.
    check_transport(settings(certificate, tls_client_ca=authority.certificate))


def test_a_file_without_certificates_is_named_before_anything_starts(
    certificate: dict[str, Path], authority: Pair, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    check_certificate(settings(certificate, tls_client_ca=authority.certificate))
    for path in (empty, tmp_path / "missing.pem", tmp_path):
        with pytest.raises(CommandFailed, match=r"^ZEROSUM_TLS_CLIENT_CA: "):
            check_certificate(settings(certificate, tls_client_ca=path))
