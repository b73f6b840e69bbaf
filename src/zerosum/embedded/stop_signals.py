"""Waiting for signals: who asks to stop, and whose child has ended."""

from __future__ import annotations

import os
import select
import signal
import time
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WAKEUPS_MAX = 4096


class StopSignals:
    """While entered, `wait` returns early at any signal, and requests to stop are counted or raised.

    Raised (the way it begins) they unwind whatever the caller is doing, as Ctrl-C does: KeyboardInterrupt for SIGINT,
    SystemExit for the others. After `count_from_now` they only add to `requests`. Main thread only.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.is_entered = False
        self._raises = True
        self._pipe = (-1, -1)
        self._wakeup_before = -1
        self._handlers_before: dict[signal.Signals, Any] = {}

    def enter(self) -> None:
        reading, writing = self._pipe = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._wakeup_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self.is_entered, self._raises, self.requests = True, True, 0
        for signal_number in STOP_SIGNALS:
            if signal.getsignal(signal_number) != signal.SIG_IGN:  # Whoever started us under nohup means it.
                self._handlers_before[signal_number] = signal.signal(signal_number, self._on_stop)
        # Python wakes us only for signals that have a handler.
        self._handlers_before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)

    def leave(self) -> None:
        for signal_number, handler in self._handlers_before.items():
            signal.signal(signal_number, signal.SIG_DFL if handler is None else handler)
        self._handlers_before.clear()
        signal.set_wakeup_fd(self._wakeup_before)
        for descriptor in self._pipe:
            os.close(descriptor)
        self.is_entered = False

    def count_from_now(self) -> None:
        self._raises = False

    def wait(self, seconds: float) -> None:
        """Until a signal comes, at most so long."""
        if not self.is_entered:
            time.sleep(max(0.0, seconds))
            return
        readable, _, _ = select.select([self._pipe[0]], [], [], max(0.0, seconds))
        if readable:
            os.read(self._pipe[0], WAKEUPS_MAX)

    def _on_stop(self, signal_number: int, _frame: FrameType | None) -> None:
        if not self._raises:
            self.requests += 1
        elif signal_number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + signal_number)
