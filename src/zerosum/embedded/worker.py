"""A worker process: a fork of this one that runs one function."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from zerosum.embedded.child_processes import StopSteps, dying_with_parent, stop_in_steps

Target = Callable[[], int | None]

GRACE_SECONDS = 2.0
KILL_SECONDS_MAX = 1.0
"""How long the kernel may take to end a killed process."""

HELD_BACK_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEFAULT_AGAIN_SIGNALS = (*HELD_BACK_SIGNALS, signal.SIGCHLD)


class Worker:
    """Runs `target` in a fork: whatever the parent has imported and set up is there already.

    The target's result is the exit code (None: 0). It is called anew, in a new fork, at each start, so it may read what
    the parent has learnt meanwhile.
    """

    def __init__(self, target: Target, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._target = target
        self._stop_steps: StopSteps = ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, KILL_SECONDS_MAX))
        self._pid: int | None = None
        self._exit_status: int | None = None
        self._is_hurried = False

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def exit_status(self) -> int | None:
        """How the last run ended (negative: killed by that signal), or None as long as it has not."""
        return self._exit_status

    def starting(self) -> Iterator[None]:
        """Fork. Done at once, without a step in between."""
        if not self.is_alive():
            self._exit_status = None
            self._is_hurried = False
            self._pid = self._fork()
        yield from ()

    def stopping(self) -> Iterator[None]:
        yield from stop_in_steps(
            self._stop_steps, send=self._signal, is_alive=self.is_alive, is_hurried=lambda: self._is_hurried
        )

    def hurry(self) -> None:
        """Skip what is left of the grace time."""
        self._is_hurried = True

    def is_alive(self) -> bool:
        if self._pid is None or self._exit_status is not None:
            return False
        try:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:
            ended, status = self._pid, 0
        if ended:
            self._exit_status = os.waitstatus_to_exitcode(status)
        return self._exit_status is None

    def _signal(self, signal_number: signal.Signals) -> None:
        """Killing takes the worker's own children along; asking is for the worker itself to pass on."""
        send = os.killpg if signal_number == signal.SIGKILL else os.kill
        with contextlib.suppress(ProcessLookupError):
            send(self._pid or 0, signal_number)

    def _fork(self) -> int:
        die_with_parent = dying_with_parent(signal.SIGTERM)
        _flush()
        # Until the child has its own handlers, a signal meant for it would run the parent's.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._run_and_exit(die_with_parent, mask)
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)  # Both sides do it, so that neither can be too late.
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _run_and_exit(self, die_with_parent: Callable[[], None], mask: set[int | signal.Signals]) -> NoReturn:
        status = 1
        try:
            with contextlib.suppress(OSError):
                os.setpgid(0, 0)
            die_with_parent()
            signal.set_wakeup_fd(-1)
            for signal_number in DEFAULT_AGAIN_SIGNALS:
                signal.signal(signal_number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            # A group that is not the terminal's may not read from it.
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - not a path of ours.
                os.dup2(nothing.fileno(), 0)
            status = self._target() or 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            _flush()
            os._exit(status & 0xFF)  # Never back into the parent's code, whatever happens.


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
