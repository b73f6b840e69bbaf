"""`zerosum top`: a running service, looked at again and again. In a pipe it is a frame of text an interval."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live

from zerosum.adapters.service_client import ServiceAway
from zerosum.adapters.service_reader import Refused, ServiceReader
from zerosum.cli.running_service import running_service
from zerosum.cli.status import BAD, plain
from zerosum.cli.talk import USAGE, CommandFailed, put, told_plainly
from zerosum.cli.top_frame import Look, Problem, Section, problems, sections
from zerosum.cli.top_screen import screen

NAME_COLUMNS = 26
KEYS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TopOptions:
    metrics_url: str | None = None
    metrics_token: str | None = None
    interval: float = 1.0
    is_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`away` says why the service could not be asked for its status."""

    url: str
    state: str
    version: str
    as_of: str
    away: str | None
    sections: Sequence[Section]
    problems: Sequence[Problem] = ()

    @property
    def head(self) -> str:
        told = f"Zerosum {self.version}: {self.state}, {self.as_of}, at {self.url}"
        return plain(told if self.away is None else f"{told} ({self.away})")


@told_plainly
def run_top(data_dir: Path | None, url: str | None, token: str | None, options: TopOptions) -> int:
    service = running_service(data_dir, url, token)
    is_live = not options.is_once and sys.stdout is not None and sys.stdout.isatty() and sys.stdin.isatty()
    try:
        with ServiceReader(service.url, service.token, service.tls) as reader:
            top = Top(reader, service.url, options)
            return _watch(top, options) if is_live else _print(top, options)
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    except ServiceAway as error:
        raise CommandFailed(str(error), BAD) from None


class Top:
    def __init__(self, reader: ServiceReader, url: str, options: TopOptions) -> None:
        self._reader = reader
        self._url = url
        self._options = options
        self._before: Look | None = None

    def frame(self) -> Frame:
        """Since the one before. Raises Refused: whoever may not read the status now may not later."""
        away = None
        status = None
        try:
            status = self._reader.status()
        except Refused:
            raise
        except ServiceAway as error:
            away = str(error)
        metrics = self._reader.metrics(self._options.metrics_url, self._options.metrics_token)
        now = Look(at=time.monotonic(), metrics=metrics, status=status)
        before, self._before = self._before, now
        return Frame(
            url=self._url,
            state="bad" if status is None else str(status["state"]),
            version="-" if status is None else str(status["version"]),
            as_of="-" if status is None else str(status["as_of"]),
            away=away,
            sections=sections(before, now),
            problems=problems(now),
        )


def frame_text(frame: Frame) -> str:
    lines = [frame.head]
    for section in frame.sections:
        lines.append(f"{section.title}:")
        lines += [f"  {name:<{NAME_COLUMNS}} {value}".rstrip() for name, value in section.rows]
    return "\n".join(lines) + "\n"


def _print(top: Top, options: TopOptions) -> int:
    """Until whoever reads has enough, or is stopped."""
    frame = top.frame()
    if frame.away is not None and options.is_once:
        raise CommandFailed(frame.away, BAD)
    while True:
        time.sleep(options.interval)
        is_read = put(frame_text(top.frame()) + ("" if options.is_once else "\n"))
        if options.is_once or not is_read:
            return 0


def _watch(top: Top, options: TopOptions) -> int:
    console = Console()
    with _keys_at_once(), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(top.frame(), console), refresh=True)
            if ends(_pressed(options.interval)):
                return 0


def _screen(frame: Frame, console: Console) -> Group:
    """As large as the window is now. Texts are shown as they are: what the service tells is no markup."""
    width, height = console.size
    return Group(*screen(frame.head, frame.state, frame.problems, frame.sections, width, height))


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Keys come as they are pressed, and are not shown."""
    kept = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, kept)


def _pressed(seconds: float) -> bytes:
    """All keys that are pressed until one is looked at, where one is in this time."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return os.read(sys.stdin.fileno(), KEYS_MAX) or b"q" if readable else b""


def ends(keys: bytes) -> bool:
    """Escape by itself does, and no arrow, which begins with it."""
    return keys in (b"\x1b", b"\x03") or (not keys.startswith(b"\x1b") and bool(set(b"qQ") & set(keys)))
