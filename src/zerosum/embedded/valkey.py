"""A private Valkey (or Redis) for one machine. It holds copies and counters, never the truth."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from zerosum.embedded.account_work import done_as
from zerosum.embedded.binaries import ValkeyBinary
from zerosum.embedded.data_dir import DataDir
from zerosum.embedded.durable_files import keep_written, make_folder
from zerosum.embedded.ports import LOOPBACK
from zerosum.embedded.server import EmbeddedServer, Notify

MEMORY_MB = 64
PROBE_SECONDS_MAX = 0.5
ANSWER_BYTES_MAX = 1024
DAMAGED_WORDS = ("Bad file format reading the append only file", "Unrecoverable error reading the append only file")
READY_ANSWER = b"+OK\r\n+PONG\r\n"

KEEPS_ITS_COMMAND_LINE = (6, 2)
"""The first Redis that knows `set-proc-title`. An older one hides its folder from `ps`, nothing worse."""


class EmbeddedValkey(EmbeddedServer):
    """Started in the data folder. `binary` comes from `find_valkey`, which may find none: Redis is optional."""

    name = "valkey"
    title = "Valkey"
    stop_steps = ((signal.SIGTERM, 0.5), (signal.SIGKILL, 1.0))
    death_signal = signal.SIGTERM

    def __init__(
        self, data_dir: DataDir, binary: ValkeyBinary, *, max_memory_mb: int = MEMORY_MB, notify: Notify
    ) -> None:
        super().__init__(data_dir, notify=notify)
        self._found = binary
        self._max_memory_mb = max_memory_mb
        self._binary: ValkeyBinary | None = None

    @property
    def url(self) -> str:
        """Valid once started, and as long as `address` stays the same."""
        return f"redis://:{self.data_dir.redis_password}@{self.address}/0"

    @property
    def binary(self) -> ValkeyBinary:
        if self._binary is None:
            self._binary = self.data_dir.machine_state.runnable_valkey(self._found, self.data_dir.account)
        return self._binary

    @property
    def _program(self) -> Path:
        return self.binary.program.resolve()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "valkey.pid"

    @property
    def _settings_path(self) -> Path:
        return self.folder / "valkey.conf"

    def _prepare(self) -> Iterator[None]:
        make_folder(self.folder, mode=0o700, account=self.data_dir.account)
        yield from ()

    def _command(self) -> list[str]:
        settings: dict[str, str | int] = {
            "bind": LOOPBACK,
            "protected-mode": "yes",
            "port": self.port,
            "requirepass": self.data_dir.redis_password,
            "dir": _quoted(self.folder),
            "pidfile": _quoted(self._pid_file),
            "daemonize": "no",
            "appendonly": "yes",
            "save": '""',
            "maxmemory": f"{self._max_memory_mb}mb",
            # What is counted against a limit must not vanish; copies of balances expire by themselves.
            "maxmemory-policy": "noeviction",
            "tcp-backlog": 128,
        }
        if (self.binary.major, self.binary.minor) >= KEEPS_ITS_COMMAND_LINE:
            settings["set-proc-title"] = "no"
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        done_as(self.data_dir.account, lambda: keep_written(self._settings_path, text))
        return [str(self.binary.program), str(self._settings_path)]

    def _put_right(self, log: str) -> bool:
        """A damaged log of commands is put aside (the last one only): it holds copies, so starting is worth more."""
        if not any(words in log for words in DAMAGED_WORDS):
            return False
        aside = self.folder / "damaged"
        if not done_as(self.data_dir.account, lambda: _put_aside(self.folder, aside)):
            return False
        self._notify(f"{self.title} could not read what it had kept and starts empty; the old files are in {aside}.")
        return True

    def _why_not_ready(self) -> str | None:
        """Only ours knows the password."""
        words = ("AUTH", self.data_dir.redis_password)
        answer = b""
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, self.port), timeout=PROBE_SECONDS_MAX) as connection,
        ):
            connection.sendall(_request(*words) + _request("PING"))
            while len(answer) < len(READY_ANSWER) and (part := connection.recv(ANSWER_BYTES_MAX)):
                answer += part
        if answer == READY_ANSWER:
            return None
        return answer.decode(errors="replace").strip() or "no answer yet"


def _put_aside(folder: Path, aside: Path) -> bool:
    """Move what was kept; whether there was any."""
    damaged = list(folder.glob("appendonly*"))
    if damaged:
        if aside.exists():
            shutil.rmtree(aside)
        aside.mkdir(mode=0o700)
    for path in damaged:
        path.rename(aside / path.name)
    return bool(damaged)


def _request(*words: str) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(parts)}\r\n{''.join(parts)}".encode()


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
