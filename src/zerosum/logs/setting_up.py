"""How a process logs: JSON into pipes and files, short lines for people at a terminal."""

from __future__ import annotations

import atexit
import logging
import sys
from typing import Any

import structlog

from zerosum.logs.allowed import only_allowed, tell_errors
from zerosum.logs.json_lines import JsonLines, add_request_names
from zerosum.logs.writing import WRITERS, LineWriter

NOISY = ("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "asyncio", "urllib3")


def set_up_logging(level: str, log_format: str) -> None:
    """One line a record on stderr. Called by each process for itself, for threads do not outlive a fork."""
    writer = LineWriter(sys.stderr.fileno())
    is_terminal = sys.stderr.isatty()
    writer.setFormatter(log_formatter(log_format, is_terminal=is_terminal))
    WRITERS[:] = [writer]
    atexit.register(flush_logs)
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(level.upper())
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def flush_logs() -> None:
    """At the end of a process; it waits for nobody for long."""
    for writer in WRITERS:
        writer.flush_within()


def log_formatter(log_format: str, *, is_terminal: bool = False) -> logging.Formatter:
    """`auto` is text at a terminal, and else JSON. Control characters in values are escaped."""
    if log_format == "json" or not (log_format == "text" or is_terminal):
        return JsonLines()
    shared: list[Any] = [
        add_request_names,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            tell_errors,
            only_allowed,
            structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback),
        ],
    )
