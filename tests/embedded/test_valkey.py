from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from zerosum.embedded import EmbeddedValkey, ServerDidNotStart

from .ground import Ground, wait_until


def talk(server: EmbeddedValkey, *lines: str, password: str | None = None) -> list[str]:
    """What the server answers to inline commands, the answer to AUTH left out."""
    address = urlsplit(server.url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 0), timeout=5) as connection:
        commands = [f"AUTH {password or address.password}", *lines, "QUIT"]
        connection.sendall("".join(f"{line}\r\n" for line in commands).encode())
        with connection.makefile() as answers:
            return answers.read().splitlines()[1:-1]


def test_starts_with_bounded_memory_and_keeps_what_it_was_told(ground: Ground) -> None:
    server = ground.valkey(ground.open(ground.folder / "my data's folder"))
    server.start()
    assert talk(server, "SET key value", "CONFIG GET maxmemory", "CONFIG GET appendonly") == [
        "+OK",
        "*2", "$9", "maxmemory", "$8", str(64 * 1024 * 1024),
        "*2", "$10", "appendonly", "$3", "yes",
    ]  # fmt: skip
    port = server.port
    server.stop()
    assert not server.is_alive()
    server.start()
    assert server.port == port
    assert talk(server, "GET key") == ["$5", "value"]


def test_password_is_needed_and_the_settings_are_private(ground: Ground) -> None:
    server = ground.valkey(ground.open())
    server.start()
    assert talk(server, "GET key", password="guess") == ["-NOAUTH Authentication required."]
    assert stat.S_IMODE((server.folder / "valkey.conf").stat().st_mode) == 0o600


def test_killed_server_starts_again_with_what_it_had_written(ground: Ground) -> None:
    server = ground.valkey(ground.open())
    server.start()
    talk(server, "CONFIG SET appendfsync always", "SET key value")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_alive(), "death noticed")
    assert server.exit_status == -signal.SIGKILL
    server.start()
    assert talk(server, "GET key") == ["$5", "value"]


def test_server_left_running_by_a_killed_supervisor_is_replaced(ground: Ground) -> None:
    data_dir = ground.open()
    server = ground.valkey(data_dir)
    server.start()
    server.stop()
    account = data_dir.account
    stray = subprocess.Popen(
        [str(server.binary.program), str(server.folder / "valkey.conf")],
        user=account.uid if account else None,
        group=account.gid if account else None,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    wait_until((server.folder / "valkey.pid").exists, "the stray server")
    server.start()
    assert stray.wait(1) == 0
    assert server.pid != stray.pid
    assert talk(server, "PING") == ["+PONG"]


def test_port_taken_by_somebody_else_is_left_to_him(ground: Ground) -> None:
    server = ground.valkey(ground.open())
    server.start()
    server.stop()
    port = server.port
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        server.start()
        assert server.port != port
    assert talk(server, "PING") == ["+PONG"]


def test_damaged_log_of_commands_is_put_aside(ground: Ground) -> None:
    server = ground.valkey(ground.open())
    server.start()
    talk(server, "SET key value")
    for _ in range(2):
        server.stop()
        log: Path = next(server.folder.glob("appendonlydir/*.incr.aof"))
        log.write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nnonsense" * 20)
        server.start()
        assert talk(server, "GET key") == ["$-1"]
    assert [entry.name for entry in (server.folder / "damaged").iterdir()] == ["appendonlydir"]
    assert len(ground.said) == 2
    assert ground.said[0].startswith("Valkey could not read what it had kept and starts empty")


def test_server_that_cannot_start_says_why(ground: Ground) -> None:
    server = ground.valkey(ground.open())
    server.start()
    server.stop()
    (server.folder / "appendonlydir").rename(server.folder / "gone")
    (server.folder / "appendonlydir").touch()
    with pytest.raises(ServerDidNotStart, match=r"^Valkey ended with exit code 1 while starting: [^\n]*appendonlydir"):
        server.start()
