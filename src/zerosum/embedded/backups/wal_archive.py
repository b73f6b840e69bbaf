"""The write-ahead log, carried into the backup folder while it is written: `pg_receivewal`, as a child of ours.

The server keeps what was not fetched yet (a replication slot), so that a broken-off archive goes on where it was. It
keeps `SLOT_KEEPS_MB_MAX` (`postgres_settings`) at most: a full disk would stop the payments.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from zerosum.db.schema.archiving import SLOT
from zerosum.embedded.backups.clients import Connection, client_program
from zerosum.embedded.binaries import PostgresBinaries
from zerosum.embedded.child_processes import StopSteps, spawn, stop_in_steps
from zerosum.embedded.server import POLL_SECONDS, pause
from zerosum.embedded.server_log import ServerLog

STATUS_SECONDS = 1
"""So often the server hears how far it is, and lets older log go."""

STOP_STEPS: StopSteps = ((signal.SIGINT, 2.0), (signal.SIGKILL, 2.0))


class WalArchive:
    """What `Supervisor.add_server` takes. Its start never fails: without it payments go on, and it is tried again."""

    address = ""
    """Nobody connects to it."""

    def __init__(
        self, binaries: PostgresBinaries, folder: Path, logs_path: Path, connection: Callable[[], Connection]
    ) -> None:
        """`connection` is asked at each start: the server may have another port by then."""
        self._program = client_program(binaries, "pg_receivewal")
        self._folder = folder
        self._connection = connection
        self._log = ServerLog(logs_path / "wal-archive.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._is_hurried = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def exit_status(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    def start(self) -> None:
        for _ in self.starting():
            pass

    def starting(self) -> Iterator[None]:
        if self.is_alive():
            return
        self._is_hurried = False
        connection = self._connection()
        command = [str(self._program), *connection.options, "--no-loop", "--slot", SLOT]
        command += ["--status-interval", str(STATUS_SECONDS), "--directory"]
        with self._log.open_for_new_start() as output:
            self._process = spawn(
                [*command, str(self._folder)],
                account=None,
                death_signal=signal.SIGINT,
                output=output,
                extra_environment=connection.environment,
            )
        yield from pause(POLL_SECONDS)

    def stopping(self) -> Iterator[None]:
        process = self._process
        if process is not None:
            yield from stop_in_steps(
                STOP_STEPS, send=process.send_signal, is_alive=self.is_alive, is_hurried=lambda: self._is_hurried
            )

    def hurry(self) -> None:
        self._is_hurried = True

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tend(self) -> None:
        self._log.shorten()
