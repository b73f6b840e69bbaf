"""Starting processes that do not outlive us, and finding those that did."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from zerosum.embedded.account_work import done_as
from zerosum.embedded.ownership import read_untrusted
from zerosum.embedded.server_account import CHILD_ENVIRONMENT, ServerAccount, acting_as, run_briefly

PROC = Path("/proc")

StopSteps = tuple[tuple[signal.Signals, float], ...]
"""Signals to try one after another, from gentle to final, each with the seconds it may take."""

PR_SET_PDEATHSIG = 1
"""From Linux's <linux/prctl.h>: the signal the kernel sends this process when its parent dies."""


def spawn(
    command: list[str],
    *,
    account: ServerAccount | None,
    death_signal: signal.Signals,
    output: IO[bytes],
    extra_environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C in the terminal reaches only us."""
    return subprocess.Popen(  # noqa: S603 - the programs are found by `binaries`, never named by a request.
        command,
        cwd="/",
        env=CHILD_ENVIRONMENT | (extra_environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        # Runs after the switch of accounts, which would clear the death signal. We have no threads, so it is safe.
        preexec_fn=dying_with_parent(death_signal),  # noqa: PLW1509
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def dying_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A function for a new child to call: from then on the child gets `death_signal` when this process dies.

    On systems without such a thing it does nothing, and the next start has to clean up.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    parent = os.getpid()

    def arrange() -> None:
        if prctl is None:
            return
        prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(death_signal), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)  # The parent died before the kernel knew whom to tell.

    return arrange


def processes_in(folder: Path, program: str, pid_file: Path, account: ServerAccount | None) -> list[int]:
    """Running processes of `program` that serve the data in `folder`.

    PostgreSQL (all its processes) and Valkey work with the data folder as current directory. Linux shows that to the
    account they run as; in a container often to nobody else, not even to root. Where the system does not tell, only
    the process named by the pid file is looked at, by its command line.
    """
    found, is_barred = _working_in(folder.resolve(), program)
    if is_barred and account is not None:
        with acting_as(account):
            found, _ = _working_in(folder.resolve(), program)
    named = pid_in(pid_file)
    if named is not None and named not in found and _is_said_to_serve(named, folder, program):
        found.append(named)
    return found


def pid_in(pid_file: Path) -> int | None:
    """The process id in the first line, or None. Never one that `kill` would take for more than one process."""
    try:
        pid = int((read_untrusted(pid_file, 32) or b"").partition(b"\n")[0])
    except ValueError:
        return None
    return pid if pid > 1 else None


def stop_in_steps(
    steps: StopSteps,
    *,
    send: Callable[[signal.Signals], None],
    is_alive: Callable[[], bool],
    is_hurried: Callable[[], bool],
) -> Iterator[None]:
    """Signal after signal until the process has ended. Being hurried cuts the first step short."""
    for index, (signal_number, seconds) in enumerate(steps):
        if not is_alive():
            return
        send(signal_number)
        deadline = time.monotonic() + seconds
        while is_alive() and time.monotonic() < deadline and not (index == 0 and is_hurried()):
            yield


def signal_all(pids: list[int], signal_number: signal.Signals, account: ServerAccount | None) -> None:
    """With the rights of the account whose processes they are said to be: a pid file may name anybody's."""

    def send() -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal_number)

    if pids:
        done_as(account, send)


def exit_text(status: int | None) -> str:
    """How a child ended, from its return code (negative: the signal that killed it)."""
    if status is None:
        return "ended"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _working_in(folder: Path, program: str) -> tuple[list[int], bool]:
    """The processes, and whether some did not let us look."""
    found, is_barred = [], False
    for pid in _pids():
        try:
            # An administrator's shell may stand in the same folder: that is not ours to end.
            is_there = (PROC / str(pid) / "cwd").readlink() == folder
            if is_there and (PROC / str(pid) / "exe").readlink().name.removesuffix(" (deleted)") == program:
                found.append(pid)
        except PermissionError:
            is_barred = True
        except OSError:
            continue  # It has ended meanwhile.
    return found, is_barred


def _is_said_to_serve(pid: int, folder: Path, program: str) -> bool:
    """By its command line: the program itself, not an editor that has one of its files open."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        words = _command_by_ps(pid).split(b" ")
    return Path(os.fsdecode(words[0])).name == program and os.fsencode(folder) in b" ".join(words[1:])


def _command_by_ps(pid: int) -> bytes:
    if (PROC / "self").exists():
        return b""  # Linux has told already: there is no such process.
    try:
        return run_briefly(["ps", "-ww", "-o", "command=", "-p", str(pid)], None).stdout.encode()
    except OSError:
        return b""
