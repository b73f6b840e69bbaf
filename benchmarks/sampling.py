"""Where the time of a single payment goes within an API process, by sampling its stack while it serves.

Every few milliseconds of its own processor time the process looks at what it is doing and counts it for a part. That
costs below one percent; a tracing profiler would multiply exactly the small functions that are to be weighed.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx
import uvloop

from benchmarks.cpu import Meter, Spent
from benchmarks.http_cases import SEED, HttpGround
from benchmarks.service import ServiceFailed
from zerosum.cli.installation import installation_settings
from zerosum.cli.listening import listen
from zerosum.cli.load import run_load
from zerosum.cli.load.payments import single_payments
from zerosum.cli.processes import api_process
from zerosum.config import Settings
from zerosum.embedded.worker import Worker

CONNECTIONS = 64
SAMPLE_SECONDS = 0.001
READY_SECONDS_MAX = 20.0
FUNCTIONS_SHOWN = 40

RESET, WRITE = signal.SIGUSR1, signal.SIGUSR2

# The innermost frame whose file is named here decides. What is not named (money, ids, JSON, the standard library)
# works for its caller.
PARTS = (
    ("/zerosum/gateway/http_server.py", "HTTP"),
    ("/zerosum/gateway/", "gateway"),
    ("/uvicorn/", "HTTP"),
    ("/uvloop/", "HTTP"),
    ("/pydantic", "validation"),
    ("/zerosum/api/", "validation"),
    ("/fastapi/", "framework"),
    ("/starlette/", "framework"),
    ("/zerosum/services/committer.py", "committer"),
    ("/zerosum/services/lane.py", "committer"),
    ("/zerosum/services/judging.py", "committer"),
    ("/zerosum/services/", "desk"),
    ("/zerosum/domain/ledger/", "Book"),
    ("/zerosum/domain/payments/", "Book"),
    ("/zerosum/db/", "encoding"),
    ("/asyncpg/", "asyncpg"),
    ("/zerosum/adapters/", "Redis"),
    ("/redis/", "Redis"),
    ("/zerosum/telemetry.py", "metrics"),
    ("/prometheus_client/", "metrics"),
)
ANSWERING = ("body", "answer", "render", "result")
"""Functions of the API room with such a word in their name make the answer, not sense of the request."""

IDLE = "event loop"


@dataclass(frozen=True, slots=True)
class Profile:
    """Of one API process under load; the parts add up to its whole processor time a payment."""

    payments_per_second: float
    cpu_microseconds: float
    parts: dict[str, float]
    functions: dict[str, float]
    samples: int

    def to_plain(self) -> dict[str, Any]:
        return {
            "payments_per_second": round(self.payments_per_second, 1),
            "cpu_microseconds": round(self.cpu_microseconds, 1),
            "parts_microseconds": {name: round(value, 2) for name, value in self.parts.items()},
            "functions_microseconds": {name: round(value, 2) for name, value in self.functions.items()},
            "samples": self.samples,
        }


def measure_profile(ground: HttpGround, folder: Path, seconds: float) -> Profile:
    """An API process of its own beside the service, with the service's settings and servers."""
    path = folder / "profile.json"
    with _running_sampled(ground, path) as (port, pid):
        plan = replace(ground.plan, port=port, connections=CONNECTIONS, seconds=seconds)
        target = replace(ground.target, host=f"127.0.0.1:{port}", key_prefix=secrets.token_hex(5))
        meter = Meter({"api": (pid,)})
        spent: list[Spent] = []

        def on_window(is_open: bool) -> None:
            if is_open:
                os.kill(pid, RESET)
                meter.start()
            else:
                os.kill(pid, WRITE)
                spent.append(meter.stop())

        ground.service.settle()
        requests = single_payments(target, ground.uniform, SEED)
        report = uvloop.run(run_load(plan, requests, on_window=on_window))
        ground.acknowledgements.payments += report.acknowledged
        ground.acknowledgements.unknown += report.unknown
    counted = json.loads(path.read_text())
    each = spent[0].seconds["api"] / report.window.acknowledged * 1e6
    samples = sum(counted["parts"].values())
    return Profile(
        payments_per_second=report.items_per_second,
        cpu_microseconds=each,
        parts={name: number / samples * each for name, number in _largest_first(counted["parts"])},
        functions={
            name: number / samples * each for name, number in _largest_first(counted["functions"])[:FUNCTIONS_SHOWN]
        },
        samples=samples,
    )


def _largest_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: -pair[1])


@contextmanager
def _running_sampled(ground: HttpGround, path: Path) -> Iterator[tuple[int, int]]:
    """Its port and process id."""
    service = ground.service
    (listening,) = listen("127.0.0.1", 0, 1)
    port = listening.getsockname()[1]
    settings = installation_settings(
        service.data_dir,
        port=port,
        database_url=service.dsn("zerosum"),
        redis_url=service.redis_url,
        rate_limit_per_principal="50000/s",
        rate_limit_per_address="50000/s",
    )
    worker = Worker(functools.partial(_serve_sampled, settings, listening, path), grace_seconds=5.0)
    try:
        for _ in worker.starting():
            pass
        listening.close()
        _await_ready(port)
        yield port, worker.pid or 0
    finally:
        for _ in worker.stopping():
            time.sleep(0.01)


def _serve_sampled(settings: Settings, listening: socket.socket, path: Path) -> int:
    sampler = _Sampler(path)
    signal.signal(signal.SIGPROF, sampler.look)
    signal.signal(RESET, sampler.reset)
    signal.signal(WRITE, sampler.write)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    return api_process(settings, listening, [])


class _Sampler:
    """Counts what the process is found doing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: Counter[str] = Counter()
        self._functions: Counter[CodeType] = Counter()
        self._part_of: dict[CodeType, str | None] = {}

    def look(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            self._functions[frame.f_code] += 1
        while frame is not None:
            code = frame.f_code
            if code not in self._part_of:
                self._part_of[code] = part_of(code)
            part = self._part_of[code]
            if part is not None:
                self._parts[part] += 1
                return
            frame = frame.f_back
        self._parts[IDLE] += 1

    def reset(self, *_: object) -> None:
        self._parts.clear()
        self._functions.clear()

    def write(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        functions: Counter[str] = Counter()
        for code, number in self._functions.items():
            functions[f"{_short(code.co_filename)}:{code.co_qualname}"] += number
        self._path.write_text(json.dumps({"parts": self._parts, "functions": functions}))


def part_of(code: CodeType) -> str | None:
    """Which part of a payment's way a function belongs to; None: it works for its caller."""
    for fragment, part in PARTS:
        if fragment in code.co_filename:
            if fragment == "/zerosum/api/" and any(word in code.co_name for word in ANSWERING):
                return "answer"
            # The whole server runs under this one; what has no other frame is the event loop.
            return IDLE if code.co_name in ("run", "serve", "api_process") and part == "HTTP" else part
    return None


def _short(filename: str) -> str:
    for root in sorted((path for path in sys.path if path), key=len, reverse=True):
        if filename.startswith(root):
            return filename[len(root) :].lstrip("/")
    return filename


def _await_ready(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise ServiceFailed("the sampled API process did not start")
