"""Starting the command without the second or two that Python takes to load the service (see `warm_python`)."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.warm_python import NUMBER_BYTES

OWN_SETTINGS = "ZEROSUM_"
_only_one = threading.Lock()


class WarmProcess:
    """A fork of the warm Python. `told` is where its pid has come from, and its wait status will."""

    returncode: int | None = None

    def __init__(self, words: Sequence[str], told: int) -> None:
        self._words = words
        self._told = told
        self.pid = self._next_number()

    def poll(self) -> int | None:
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self._words), timeout or 0)
        return code

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            self.returncode = os.waitstatus_to_exitcode(self._next_number())
            os.close(self._told)
        return self.returncode

    def _next_number(self) -> int:
        number = os.read(self._told, NUMBER_BYTES)
        if len(number) != NUMBER_BYTES:
            raise RuntimeError("The warm Python has ended.")
        return int.from_bytes(number, "big")


Process = subprocess.Popen[bytes] | WarmProcess


def is_for_us_alone(environment: Mapping[str, str]) -> bool:
    """Whether these variables mean nothing to Python itself nor to what others wrote."""
    return all(name.startswith(OWN_SETTINGS) for name in environment)


def start_warm(
    words: Sequence[str], *, streams: tuple[int, int, int], environment: Mapping[str, str], folder: Path | None = None
) -> WarmProcess:
    """`python -m zerosum` with these words and exactly this environment."""
    wanted = {"words": list(words), "environment": dict(environment), "folder": str(folder or Path.cwd())}
    told, tells = os.pipe()
    try:
        socket.send_fds(_asking(), [json.dumps(wanted).encode()], [*streams, tells])
    finally:
        os.close(tells)
    return WarmProcess(words, told)


def start_in_background(
    words: Sequence[str], *, environment: Mapping[str, str], output: int, is_warm: bool = True
) -> Process:
    """The command with these variables besides our own, while the test goes on. `output` takes all that it says."""
    everything = {**os.environ, **environment}
    with Path(os.devnull).open("rb") as nothing:
        if is_warm and is_for_us_alone(environment):
            return start_warm(words, streams=(nothing.fileno(), output, output), environment=everything)
        command = [sys.executable, "-m", "zerosum", *words]
        return subprocess.Popen(
            command,
            stdin=nothing,
            stdout=output,
            stderr=output,
            env=everything,
            # A shell that runs the tests in the background has Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )


def _asking() -> socket.socket:
    with _only_one:
        return _warm_python()


@functools.cache
def _warm_python() -> socket.socket:
    """One for this process, which ends when we do: it reads the end of the socket then."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        number = its.fileno()
        program = str(Path(__file__).with_name("warm_python.py"))
        python = subprocess.Popen(
            [sys.executable, program, str(number)],
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the tests.
        )

    def end() -> None:
        ours.close()
        python.wait()

    atexit.register(end)
    return ours
