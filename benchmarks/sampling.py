"""Where the time of a single payment goes within an API process, by sampling its stack while it serves.

A timer of the process's own processor time has faulthandler write down the stack, every few milliseconds and at that
very instant: a handler in Python would run only at the next call or loop, and so charge the wrong function. It costs
below one percent; a tracing profiler would multiply exactly the small functions that are to be weighed.
"""

from __future__ import annotations

import faulthandler
import functools
import re
import secrets
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvloop

from benchmarks.cpu import Meter, Spent
from benchmarks.http_cases import SEED, HttpGround
from benchmarks.service import ServiceFailed
from zerosum.cli.installation import installation_settings
from zerosum.cli.listening import listen
from zerosum.cli.load import LoadReport, run_load
from zerosum.cli.load.payments import single_payments
from zerosum.cli.processes import SharedByForks, api_process
from zerosum.config import Settings
from zerosum.embedded.worker import Worker

CONNECTIONS = 64
SAMPLE_SECONDS = 0.001
"""Wished for; the kernel looks at such timers at its own tick, every one to four milliseconds."""

READY_SECONDS_MAX = 20.0
FUNCTIONS_KEPT = 60

# The innermost frame whose file is named here decides. What is not named (money, ids, JSON, the standard library)
# works for its caller.
PARTS = (
    ("/zerosum/gateway/server/http_server.py", "HTTP"),
    ("/zerosum/gateway/", "gateway"),
    ("/uvicorn/protocols/", "HTTP"),
    ("/pydantic", "validation"),
    ("/zerosum/api/", "validation"),
    ("/fastapi/", "framework"),
    ("/starlette/", "framework"),
    ("/zerosum/services/committing/committer.py", "committer"),
    ("/zerosum/services/committing/batch_runner.py", "committer"),
    ("/zerosum/services/committing/idempotent_book.py", "committer"),
    ("/zerosum/services/", "desk"),
    ("/zerosum/domain/ledger/", "Book"),
    ("/zerosum/domain/payments/", "Book"),
    ("/zerosum/db/", "encoding"),
    ("/asyncpg/", "asyncpg"),
    ("/sqlalchemy/", "SQLAlchemy"),
    ("/zerosum/adapters/", "Redis"),
    ("/redis/", "Redis"),
    ("/zerosum/metrics/", "metrics"),
    ("/prometheus_client/", "metrics"),
)
ANSWERING = ("body", "answer", "render", "result")
"""Functions of the API room with such a word in their name make the answer, not sense of the request."""

EVENT_LOOP = "event loop, sockets, asyncpg's replies (C)"
"""No frame but those in which the whole server runs."""

_FRAME = re.compile(rb'  File "(.*)", line (\d+) in (.*)')

Frame = tuple[str, int, str]
"""File, line and function."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Of one API process under load; the parts add up to its whole processor time a payment."""

    payments_per_second: float
    cpu_microseconds: float
    parts: dict[str, float]
    functions: dict[str, float]
    lines: dict[str, float]
    folded: dict[str, int]
    """Samples by whole stack, outermost function first: what flame graphs are drawn from."""
    samples: int
    foreign_cores: float

    def to_plain(self) -> dict[str, Any]:
        return {
            "payments_per_second": round(self.payments_per_second, 1),
            "cpu_microseconds": round(self.cpu_microseconds, 1),
            "parts_microseconds": {name: round(value, 2) for name, value in self.parts.items()},
            "functions_microseconds": {name: round(value, 2) for name, value in self.functions.items()},
            "lines_microseconds": {name: round(value, 2) for name, value in self.lines.items()},
            "samples": self.samples,
            "foreign_cores": round(self.foreign_cores, 2),
        }


def measure_profile(ground: HttpGround, folder: Path, seconds: float) -> Profile:
    """An API process of its own beside the service, with the service's settings and servers."""
    path = folder / "stacks"
    with _running_sampled(ground, path) as (port, pid):
        plan = replace(ground.plan, port=port, connections=CONNECTIONS, seconds=seconds)
        target = replace(ground.target, host=f"127.0.0.1:{port}", key_prefix=secrets.token_hex(5))
        meter = Meter({**ground.service.trees, "api": (pid,)})
        spent: list[Spent] = []
        sizes: list[int] = []

        def on_window(is_open: bool) -> None:
            sizes.append(path.stat().st_size)
            if is_open:
                meter.start()
            else:
                spent.append(meter.stop())

        ground.preheat(port)
        ground.service.settle()
        requests = single_payments(target, ground.uniform, SEED)
        report = uvloop.run(run_load(plan, requests, on_window=on_window))
        ground.acknowledgements.payments += report.acknowledged
        ground.acknowledgements.unknown += report.unknown
    stacks = list(_stacks(path.read_bytes()[sizes[0] : sizes[1]]))
    return _weighed(stacks, report, spent[0])


def _weighed(stacks: Sequence[Sequence[Frame]], report: LoadReport, spent: Spent) -> Profile:
    each = spent.seconds["api"] / report.window.acknowledged * 1e6
    parts, functions, lines, folded = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for stack in stacks:
        parts[part_of(stack)] += 1
        file, line, function = stack[0]
        functions[f"{_short(file)}:{function}"] += 1
        lines[f"{_short(file)}:{line} {function}"] += 1
        folded[";".join(f"{_short(file)}:{function}" for file, _, function in reversed(stack))] += 1

    def microseconds(counts: Counter[str], number: int) -> dict[str, float]:
        return {name: count / len(stacks) * each for name, count in counts.most_common(number)}

    return Profile(
        payments_per_second=report.items_per_second,
        cpu_microseconds=each,
        parts=microseconds(parts, len(parts)),
        functions=microseconds(functions, FUNCTIONS_KEPT),
        lines=microseconds(lines, FUNCTIONS_KEPT),
        folded=dict(folded),
        samples=len(stacks),
        foreign_cores=spent.foreign_seconds / report.seconds,
    )


def part_of(stack: Sequence[Frame]) -> str:
    """Which part of a payment's way a stack belongs to, innermost frame first."""
    for file, _, function in stack:
        for fragment, part in PARTS:
            if fragment not in file:
                continue
            if fragment == "/zerosum/api/" and any(word in function for word in ANSWERING):
                return "answer"
            return part
    return EVENT_LOOP


def _stacks(text: bytes) -> Iterator[list[Frame]]:
    """As faulthandler has written them. The first and the last may be cut off, and are left out."""
    for part in text.split(b"Stack (most recent call first):\n")[1:-1]:
        frames = [
            (match[1].decode(), int(match[2]), match[3].decode())
            for match in map(_FRAME.fullmatch, part.splitlines())
            if match is not None
        ]
        if frames:
            yield frames


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
        rate_limit_per_ledger="50000/s",
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
    with path.open("wb") as stacks:
        faulthandler.register(signal.SIGPROF, file=stacks, all_threads=False)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        try:
            return api_process(settings, listening, [], SharedByForks(1), 0)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            faulthandler.unregister(signal.SIGPROF)


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
