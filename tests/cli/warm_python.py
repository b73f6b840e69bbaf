"""A Python that has loaded the service, and forks for each command: the longest part of a start, done once.

Of the commands themselves nothing is loaded before the fork, so each still finds its own way through its own code, and
ends as an interpreter of its own. That the service is there makes no difference to them: modules need each other in no
circle (`tests/architecture/test_import_order.py`). It is for settings of ours alone: what other variables do, they do
to a start of Python, and whoever gives them starts one (see `command`). What a start loads by itself is tested in
`test_loading`.

Run as a program, this file is that Python. It is asked on the socket whose number it is given: one message a command,
with the command's three streams and a pipe, into which go the command's pid and, once it has ended, its wait status.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import TextIO, TypedDict

LOADED = (
    "alembic.command",
    "asyncpg",
    "cryptography.x509",
    "fastapi",
    "httpx",
    "jose.jwt",
    "orjson",
    "pydantic_settings",
    "redis.asyncio",
    "rich.console",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "typer",
    "uvicorn",
    "zerosum.main",
    "zerosum.worker",
)

NUMBER_BYTES = 8
MESSAGE_BYTES_MAX = 200_000
STREAMS = 3
OWN_DESCRIPTORS_MAX = 1024


class Wanted(TypedDict):
    words: list[str]
    folder: str
    environment: dict[str, str]


def _answer_until_nobody_asks(asking: socket.socket) -> list[str] | None:
    """The command's words in each fork; None in the first process, when whoever asked is gone."""
    told: dict[int, int] = {}
    ended, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([asking.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, select.PIPE_BUF)
            _tell_of_the_ended(told)
        if asking.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(asking, MESSAGE_BYTES_MAX, STREAMS + 1)
            if not message:
                return None
            pid = os.fork()
            if pid == 0:
                return _become(json.loads(message), descriptors[:STREAMS])
            told[pid] = descriptors[STREAMS]
            os.write(told[pid], pid.to_bytes(NUMBER_BYTES, "big"))
            for descriptor in descriptors[:STREAMS]:
                os.close(descriptor)


def _tell_of_the_ended(told: dict[int, int]) -> None:
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        descriptor = told.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # Nobody waits for it any more.
            os.write(descriptor, status.to_bytes(NUMBER_BYTES, "big"))
        os.close(descriptor)


def _become(wanted: Wanted, streams: list[int]) -> list[str]:
    """What a start of Python would have found: these streams and settings, this folder, and nothing else open."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(STREAMS, OWN_DESCRIPTORS_MAX)
    sys.stdin, sys.stdout, sys.stderr = map(_opened_anew, (sys.stdin, sys.stdout, sys.stderr))
    os.chdir(wanted["folder"])
    sys.path[0] = wanted["folder"]
    os.environ.clear()
    os.environ.update(wanted["environment"])
    return wanted["words"]


def _opened_anew(stream: TextIO) -> TextIO:
    """A stream remembers of its first file whether one can go back in it."""
    assert isinstance(stream, io.TextIOWrapper)
    file = open(stream.fileno(), f"{stream.mode}b", closefd=False)  # noqa: SIM115 - open until the command ends
    return io.TextIOWrapper(
        file,
        encoding=stream.encoding,
        errors=stream.errors,
        newline=None if stream.readable() else "\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # A fork that searched all this for garbage, at its end at the latest, would have to copy it.
    asking = socket.socket(fileno=int(sys.argv[1]))
    words = _answer_until_nobody_asks(asking)
    if words is not None:
        asking.detach()
        sys.argv[1:] = words
        runpy.run_module("zerosum", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
