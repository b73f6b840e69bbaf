"""`zerosum top` on a terminal of 80 x 24: what matters is there, in full, and nothing breaks a line."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from datetime import timedelta

import pytest
from rich.console import Console, Group

from tests.api.conftest import Client
from tests.api.serving import served
from tests.api.test_status import ALL_WELL
from zerosum.adapters.clock import now
from zerosum.adapters.metrics_text import read_metrics
from zerosum.cli.top_frame import Look, problems, sections
from zerosum.cli.top_screen import screen
from zerosum.db.queries.status import WAITING, Waiting
from zerosum.main import Service
from zerosum.services.status.checks import checks_of
from zerosum.services.status.found import Found

CHECKS = (
    "ready", "trial_balance", "self_audit", "postgresql", "redis", "queue", "events", "webhooks", "webhook_endpoints",
    "publications", "ingest", "dead_letters", "parked_calls", "webhooks_not_sent", "reviews_waiting", "breaks_open",
)  # fmt: skip
HEAD = "Zerosum 0.1.0: degraded, 2026-11-28T09:30:00.000000Z, at https://zerosum.example.com:8443"
ALWAYS = ("payments posted", "latency p99", "failures (5xx)", "trial balance", "self audit", "dead letters",
          "webhooks not sent", "queued commands", "commit p99", "webhook endpoints", "q: quit")  # fmt: skip


def look(**bad: str) -> Look:
    checks = [
        {
            "name": name,
            "state": "degraded" if name in bad else "good",
            "detail": bad.get(name, "zero, over 12 accounts"),
        }
        for name in CHECKS
    ]
    lines = [f'zerosum_command_refusals_total{{code="a_code_of_some_length_{n}"}} {n}' for n in range(9)]
    lines += [f'zerosum_hot_account_lock_wait_seconds{{account="acc_{n:036}"}} {n}.5' for n in range(9)]
    return Look(at=1.0, metrics=read_metrics(lines), status={"checks": checks})


def drawn(seen: Look, width: int, height: int) -> list[str]:
    """As a terminal of this size has it."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False)
    console.print(Group(*screen(HEAD, "degraded", problems(seen), sections(seen, seen), width, height)))
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (132, 43), (200, 60), (80, 40)])
def test_all_that_matters_is_on_the_screen(width: int, height: int) -> None:
    lines = drawn(look(), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert lines[0].startswith("Zerosum 0.1.0: degraded, ")
    for word in ALWAYS:
        assert word in text, word
    assert re.search("000008 +8.50 s", text), "ids are told apart by their ends"


def test_what_somebody_must_look_at_comes_first_and_says_what_to_do() -> None:
    waiting = Waiting(dict.fromkeys(WAITING, 0) | {"endpoints_failing": 1}, None, None, now() - timedelta(hours=3))
    found = Found(**(ALL_WELL | {"as_of": now(), "waiting": waiting}))
    [detail] = [check.detail for check in checks_of(found) if check.name == "webhook_endpoints"]
    lines = drawn(look(webhook_endpoints=detail, dead_letters="7"), 80, 24)
    assert len(lines) <= 24
    assert lines[1].startswith("LOOK webhook endpoints: 1 fails for 3 h: have the receiver mended")
    assert lines[2].endswith("GET /v1/webhook-endpoints tells which")
    assert lines[3] == "LOOK dead letters: 7"
    text = "\n".join(lines)
    for word in ("payments posted", "trial balance", "dead letters", "q: quit", "a higher or wider window shows more"):
        assert word in text, word


def test_many_problems_leave_room_for_the_rest() -> None:
    lines = drawn(look(**dict.fromkeys(CHECKS, "a long story " * 20)), 80, 24)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "more to look at: zerosum status tells them" in text
    for word in ("payments posted", "trial balance"):
        assert word in text, word


@pytest.mark.parametrize(("width", "height"), [(40, 10), (20, 5), (10, 2), (1, 1)])
def test_a_window_that_is_too_small_gets_what_fits(width: int, height: int) -> None:
    lines = [
        line.plain for line in screen(HEAD, "bad", problems(look(redis="away")), sections(None, look()), width, height)
    ]
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


async def test_a_real_terminal_of_80_by_24_shows_it(service: Service, admin: Client) -> None:
    async with served(service) as port:
        shown = await asyncio.to_thread(_watched, port, admin.api_key)
    lines = shown.split("\n")
    assert len(lines) <= 24, shown
    assert max(map(len, lines)) <= 80, shown
    assert lines[0].startswith("Zerosum ")
    for word in ALWAYS:
        assert word in shown, f"{word} in {shown}"


def _watched(port: int, token: str) -> str:
    """The first frame that is whole, as it lies on the screen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")},
        "ZEROSUM_URL": f"http://127.0.0.1:{port}",
        "ZEROSUM_TOKEN": token,
        "TERM": "xterm-256color",
    }
    command = [sys.executable, "-m", "zerosum", "top", "--interval", "0.5"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    said, deadline = b"", time.monotonic() + 30
    try:
        while said.count(b"q: quit") < 2 and time.monotonic() < deadline:
            if select.select([master], [], [], 0.2)[0]:
                said += os.read(master, 65536)
        os.write(master, b"q")
        assert process.wait(10) == 0
    finally:
        process.kill()
        os.close(master)
    frames = re.split(rb"\x1b\[H", said)
    frame = next(one for one in reversed(frames) if b"q: quit" in one).decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frame).replace("\r", "").strip("\n").rstrip()
