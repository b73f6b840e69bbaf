"""Keeps servers and worker processes running until told to stop: what `zerosum up` and `zerosum serve` stand on.

    with Supervisor(notify) as supervisor:
        supervisor.add_server("PostgreSQL", postgres)
        supervisor.start_servers()
        migrate(postgres.superuser_dsn)
        supervisor.add_worker("API 1", serve)
        return supervisor.run()

One loop, no threads (it forks) and no waiting except for signals: a start that takes minutes holds up nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

from zerosum.embedded.errors import GaveUp
from zerosum.embedded.server import Notify
from zerosum.embedded.stop_signals import StopSignals
from zerosum.embedded.watched_child import Process, WatchedChild
from zerosum.embedded.worker import GRACE_SECONDS, Target, Worker

IDLE_SECONDS_MAX = 0.5
"""SIGCHLD wakes the supervisor at once; this bounds the wait should one be missed."""

BUSY_SECONDS_MAX = 0.02
"""Between the steps of a start or stop under way."""

STRANGERS_PER_TICK_MAX = 100


class Server(Process, Protocol):
    """What `add_server` takes: EmbeddedPostgres and EmbeddedValkey."""

    @property
    def address(self) -> str: ...
    def start(self) -> None: ...
    def tend(self) -> None: ...


class Supervisor:
    """Children start in the order in which they were added, each when the one before is up, and stop in reverse.

    Entered, it has Ctrl-C and SIGTERM unwind the block, and stops everything at its end. `notify` gets one line per
    event. For the main thread only: signals come there, and what it started dies with it.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify_caller = notify
        self._signals = StopSignals()
        self._children: list[WatchedChild] = []
        self._servers: list[tuple[WatchedChild, Server]] = []
        self._workers: list[WatchedChild] = []
        self._addresses: list[str] | None = None
        self._acts_at_stop: list[Callable[[], None]] = []

    def __enter__(self) -> Supervisor:
        self._signals.enter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            self._signals.leave()

    def add_server(self, name: str, server: Server, *, on_restart: Callable[[], None] | None = None) -> None:
        """`on_restart` is called here, in the supervisor, each time the server is back."""
        child = WatchedChild(name, server, notify=self._notify, on_restart=on_restart, is_proven_by_start=True)
        self._servers.append((child, server))
        self._children.append(child)

    def add_worker(
        self,
        name: str,
        target: Target,
        grace_seconds: float = GRACE_SECONDS,
        *,
        on_restart: Callable[[], None] | None = None,
        on_end: Callable[[int], None] | None = None,
    ) -> None:
        """`target` runs in a fork. Told to stop it has `grace_seconds`. `on_end` is told each process that has ended.

        When a server comes back under another address, workers are started anew, so `target` should ask for addresses
        when it runs, not before.
        """
        worker = Worker(target, grace_seconds=grace_seconds)
        child = WatchedChild(name, worker, notify=self._notify, on_restart=on_restart, on_end=on_end)
        self._workers.append(child)
        self._children.append(child)

    def at_stop(self, act: Callable[[], None]) -> None:
        """`act` is called once, before anything is stopped for good."""
        self._acts_at_stop.append(act)

    def start_servers(self) -> None:
        """Return when all servers added so far take connections. Raises EmbeddedError at the first that cannot."""
        for _, server in self._servers:
            server.start()

    def run(self) -> int:
        """Keep everything running until told to stop. The exit code: 0, or 1 after giving up."""
        if not self._signals.is_entered:
            with self:
                return self.run()
        self._signals.count_from_now()
        try:
            while not self._signals.requests:
                self._tick(time.monotonic())
                self._signals.wait(self._seconds_until_due(time.monotonic()))
        except GaveUp as error:
            self.stop()
            self._notify(str(error))
            return 1
        self._notify("Stopping.")
        self.stop()
        return 0

    def stop(self) -> None:
        """Stop everything that runs. A second request meanwhile ends the grace."""
        self._signals.count_from_now()
        while self._acts_at_stop:
            self._acts_at_stop.pop()()
        for group in self._stop_groups():
            stops = [child.stopping() for child in group]
            while stops := [steps for steps in stops if _goes_on(steps)]:
                if self._signals.requests > 1:
                    for child in group:
                        child.process.hurry()
                self._signals.wait(BUSY_SECONDS_MAX)

    def _tick(self, now: float) -> None:
        for child in self._children:
            # Without its database a worker may well fail; that is no reason to give up.
            counts = child not in self._workers or all(server.is_up for server, _ in self._servers)
            child.advance(now, counts_crashes=counts)
            if not child.has_been_up:
                break
        for _, server in self._servers:
            server.tend()
        self._follow_addresses()
        self._reap_strangers()

    def _seconds_until_due(self, now: float) -> float:
        if any(child.is_moving for child in self._children):
            return BUSY_SECONDS_MAX
        waits = [child.due_at - now for child in self._children if not child.is_up]
        return max(0.0, min([IDLE_SECONDS_MAX, *waits]))

    def _follow_addresses(self) -> None:
        """Workers learn addresses when they start: after a change they are started anew."""
        addresses = [server.address for _, server in self._servers]
        if self._addresses not in (None, addresses):
            for worker in self._workers:
                worker.recycle()
        self._addresses = addresses

    def _reap_strangers(self) -> None:
        """As process 1 of a container we inherit every orphan, and nobody else clears them away."""
        if os.getpid() != 1:
            return
        for _ in range(STRANGERS_PER_TICK_MAX):
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in {child.process.pid for child in self._children}:
                return  # Ours are asked for by their pid, in `is_alive`.
            os.waitpid(ended.si_pid, os.WNOHANG)

    def _stop_groups(self) -> list[list[WatchedChild]]:
        """In reverse order of start; neighbouring workers together, so that they share one grace time."""
        groups: list[list[WatchedChild]] = []
        for child in reversed(self._children):
            if groups and child in self._workers and groups[-1][0] in self._workers:
                groups[-1].append(child)
            else:
                groups.append([child])
        return groups

    def _notify(self, line: str) -> None:
        # Nobody may be listening any more (a closed pipe); payments go on all the same.
        with contextlib.suppress(OSError, ValueError):
            self._notify_caller(line)


def _goes_on(steps: Iterator[None]) -> bool:
    return next(steps, steps) is None
