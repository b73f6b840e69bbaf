"""Redis killed, hung and emptied behind a real `zerosum up` under a steady load: all payments are made. How fast?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from tests.campaigns.installation import BACK_SECONDS_MAX, Installation, installed

LOAD = ("--rate", "400", "--seconds", "20", "--connections", "64")
"""An open loop, so that a stall shows in the latencies of all that should have come meanwhile."""

Hurt = Callable[[Installation, threading.Event], None]


def _signal(installation: Installation, number: signal.Signals) -> int:
    """Which process got it. Redis may be on its way back from the last one."""
    deadline = time.monotonic() + BACK_SECONDS_MAX
    while True:
        try:
            pid = installation.valkey_pid()
            os.kill(pid, number)
        except (ProcessLookupError, FileNotFoundError, ValueError):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return pid


def _leave_alone(_: Installation, is_over: threading.Event) -> None:
    is_over.wait()


def _kill(installation: Installation, is_over: threading.Event) -> None:
    """Every two seconds; the supervisor starts it again each time."""
    while not is_over.wait(2.0):
        _signal(installation, signal.SIGKILL)


def _hang(installation: Installation, is_over: threading.Event) -> None:
    pid = _signal(installation, signal.SIGSTOP)
    try:
        is_over.wait()
    finally:
        os.kill(pid, signal.SIGCONT)


def _empty(installation: Installation, is_over: threading.Event) -> None:
    password = (installation.folder / "secrets" / "redis").read_text().strip()
    port = int((installation.folder / "ports" / "valkey").read_text())
    with Redis(port=port, password=password) as redis:
        while not is_over.wait(0.05):
            redis.flushall()


@contextmanager
def _hurting(installation: Installation, hurt: Hurt) -> Iterator[None]:
    is_over = threading.Event()
    acting = threading.Thread(target=hurt, args=(installation, is_over))
    acting.start()
    try:
        yield
    finally:
        is_over.set()
        acting.join()


@pytest.mark.campaign
def test_payments_go_on_whatever_happens_to_redis() -> None:
    told = {}
    with installed("--workers", "2") as installation:
        command = [sys.executable, "-m", "zerosum", "bench", "--data-dir", str(installation.folder), "--json", *LOAD]
        for hurt in (_leave_alone, _leave_alone, _kill, _hang, _empty):  # The first warms up.
            with _hurting(installation, hurt):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            result = json.loads(done.stdout)
            assert result["is_right"], done.stderr
            assert (result["failures"], result["statuses"].keys()) == ({}, {"201"})
            assert result["in_the_books"] == result["acknowledged"]
            told[hurt.__name__.strip("_").replace("_", " ")] = 1000 * result["latency_seconds"]["p99"]
    print()
    for name, milliseconds in told.items():
        print(
            f"{name}: p99 {milliseconds:.1f} ms, {milliseconds / told['leave alone']:.2f} times that of a sound Redis"
        )
