"""What a PostgreSQL may answer to a first packet, from a pretended one."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from zerosum.embedded.postgres_probe import PostgresAnswer, ask_postgres

STARTUP_PACKET = struct.pack("!ii", 41, 3 << 16) + b"user\0postgres\0database\0postgres\0\0"


def error(code: str, message: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (b"R" + struct.pack("!ii", 8, 10), PostgresAnswer(is_accepting=True, words="")),
        (
            error("57P03", "the database system is not yet accepting connections"),
            PostgresAnswer(is_accepting=False, words="the database system is not yet accepting connections"),
        ),
        (
            error("53300", "sorry, too many clients already"),
            PostgresAnswer(is_accepting=True, words="sorry, too many clients already"),
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", PostgresAnswer(is_accepting=False, words="no answer yet")),
        (b"", PostgresAnswer(is_accepting=False, words="no answer yet")),
    ],
)
def test_only_a_request_to_authenticate_or_a_full_house_means_ready(reply: bytes, answer: PostgresAnswer) -> None:
    received = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(1024))
                connection.sendall(reply)

        server = threading.Thread(target=serve)
        server.start()
        assert ask_postgres(listener.getsockname()[1]) == answer
        server.join()
    assert received == [STARTUP_PACKET]


def test_nobody_there_is_not_ready() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        assert ask_postgres(reserved.getsockname()[1]) == PostgresAnswer(is_accepting=False, words="no answer yet")


def test_silence_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not ask_postgres(listener.getsockname()[1]).is_accepting
