"""What PostgreSQL and Valkey have in common: being started, watched and stopped as a process of our own."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from zerosum.embedded.child_processes import (
    StopSteps,
    exit_text,
    pid_in,
    processes_in,
    signal_all,
    spawn,
    stop_in_steps,
)
from zerosum.embedded.data_dir import DataDir
from zerosum.embedded.errors import EmbeddedError, ServerDidNotStart, told_in_one_line
from zerosum.embedded.ports import LOOPBACK, choose_port
from zerosum.embedded.server_log import ServerLog

Notify = Callable[[str], None]

POLL_SECONDS = 0.02
START_SECONDS_MAX = 600.0
"""Recovery after a crash replays up to a checkpoint's worth of WAL: seconds as a rule, minutes on a slow disk."""

REPORT_SECONDS = 5.0
LAUNCH_ATTEMPTS_MAX = 60
LAUNCH_PAUSE_SECONDS = 0.25
"""Processes of a killed PostgreSQL hold its shared memory for a moment longer: 60 attempts give them 15 s."""

PORT_TAKEN = "Address already in use"
DISK_FULL = "No space left on device"
FATAL_WORDS = ("FATAL", "PANIC", "Fatal", "error:", "# ")


class EmbeddedServer(ABC):
    """A server on the loopback address, with its data in a DataDir.

    `start` and `stop` wait. `starting` and `stopping` do the same in steps, one per `next`, and never wait: so the
    supervisor can look after the others meanwhile.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    stop_steps: ClassVar[StopSteps]
    death_signal: ClassVar[signal.Signals]
    start_seconds_max: ClassVar[float] = START_SECONDS_MAX
    passing_failures: ClassVar[tuple[str, ...]] = ()
    """What the log says when the same start will work a little later."""

    def __init__(self, data_dir: DataDir, *, notify: Notify) -> None:
        self.data_dir = data_dir
        self.folder = data_dir.servers_path / self.name
        self.port = data_dir.port_of(self.name) or 0
        self._notify = notify
        self._log = ServerLog(data_dir.logs_path / f"{self.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._is_hurried = False

    def start(self) -> None:
        """Return when the server takes connections. Raises EmbeddedError (ServerDidNotStart) if it cannot."""
        for _ in self.starting():
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Return when no process of the server is left. It takes no longer than `stop_steps` allow."""
        for _ in self.stopping():
            time.sleep(POLL_SECONDS)

    def starting(self) -> Iterator[None]:
        if self.is_alive():
            return
        self._is_hurried = False
        with told_in_one_line(f"start {self.title} in {self.folder}"):
            yield from self._prepare()
            # One that still runs (its supervisor was killed) is stopped, not adopted: only a child of ours tells us
            # when it dies and dies with us, and only our own start knows its settings.
            yield from self._end_leftovers(self.folder)
            yield from self._launch()

    def stopping(self) -> Iterator[None]:
        process = self._process
        if process is not None:
            yield from stop_in_steps(
                self.stop_steps,
                send=process.send_signal,
                is_alive=self.is_alive,
                is_hurried=lambda: self._is_hurried,
            )
            yield from self._end_leftovers(self.folder)

    def hurry(self) -> None:
        """Skip the gentlest step of a stop under way."""
        self._is_hurried = True

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """How the process ended (negative: killed by that signal), or None as long as it has not."""
        return self._process.returncode if self._process is not None else None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def address(self) -> str:
        """Stable over restarts, unless somebody else took the port meanwhile."""
        return f"{LOOPBACK}:{self.port}"

    def tend(self) -> None:
        """Small housekeeping, every second or so."""
        self._log.shorten()

    @property
    @abstractmethod
    def _program(self) -> Path: ...

    @property
    @abstractmethod
    def _pid_file(self) -> Path: ...

    @abstractmethod
    def _prepare(self) -> Iterator[None]:
        """Find the program and make what must be there once."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Write the settings for `self.port`; what to run."""

    @abstractmethod
    def _why_not_ready(self) -> str | None:
        """None when the server takes connections, else what it says."""

    def _environment(self) -> dict[str, str]:
        return {}

    def _put_right(self, _log: str) -> bool:
        """Mend what the log of a failed start complains about; whether it is worth another attempt."""
        return False

    def _launch(self) -> Iterator[None]:
        wished = self.data_dir.port_of(self.name)
        for _ in range(LAUNCH_ATTEMPTS_MAX):
            self.port = choose_port(wished)
            with self._log.open_for_new_start() as output:
                self._process = spawn(
                    self._command(),
                    account=self.data_dir.account,
                    death_signal=self.death_signal,
                    output=output,
                    extra_environment=self._environment(),
                )
            yield from self._await_ready()
            if self.is_alive():
                self.data_dir.keep_port(self.name, self.port)
                return
            log = self._log.tail()
            if PORT_TAKEN in log:
                wished = None
            elif any(words in log for words in self.passing_failures):
                yield from pause(LAUNCH_PAUSE_SECONDS)
            elif not self._put_right(log):
                break
        raise self._failure(f"{self.title} {exit_text(self.exit_status)} while starting")

    def _await_ready(self) -> Iterator[None]:
        """Until it takes connections or has ended."""
        began = time.monotonic()
        report_at = began + REPORT_SECONDS
        while self.is_alive():
            words = self._why_not_ready()
            if words is None:
                return
            now = time.monotonic()
            if now >= began + self.start_seconds_max:
                yield from self.stopping()
                raise ServerDidNotStart(
                    f"{self.title} took no connection within {self.start_seconds_max:.0f} s: {words}",
                    log_tail=self._log.tail(),
                )
            if now >= report_at:
                self._notify(f"{self.title} is not ready after {now - began:.0f} s: {words}")
                report_at += REPORT_SECONDS
            yield

    def _end_leftovers(self, folder: Path) -> Iterator[None]:
        """End what an earlier run left behind: the server itself, or its children without it."""
        for index, (signal_number, seconds) in enumerate(self.stop_steps):
            deadline = time.monotonic() + seconds
            told: set[int] = set()
            while time.monotonic() < deadline:
                pids = processes_in(folder, self._program.name, self._pid_file, self.data_dir.account)
                if not pids:
                    return
                main = pid_in(self._pid_file)
                # The main process ends its children in good order. Orphans notice by themselves; the gentle signal is
                # not for them (to PostgreSQL's checkpointer SIGINT means "write a checkpoint", not "end").
                targets = [main] if main in pids else pids if index > 0 else []
                signal_all([pid for pid in targets if pid not in told], signal_number, self.data_dir.account)
                told.update(targets)
                yield
        raise EmbeddedError(f"An earlier {self.title} still runs in {folder} and cannot be stopped.")

    def _failure(self, what: str) -> ServerDidNotStart:
        """What happened, with the reason the log gives."""
        tail = self._log.tail()
        lines = tail.splitlines()
        fatal = [line for line in lines if any(word in line for word in FATAL_WORDS)]
        reason = DISK_FULL if DISK_FULL in tail else (fatal or lines or ["its log says nothing"])[-1].strip()
        return ServerDidNotStart(f"{what}: {reason} (see {self._log.path})", log_tail=tail)


def pause(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
