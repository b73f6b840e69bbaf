"""How a process logs: JSON into pipes and files, short lines for people at a terminal."""

from __future__ import annotations

import atexit
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from zerosum.gateway.request_state import current_request_state
from zerosum.gateway.trace_context import without_credentials
from zerosum.logs.allowed import Event, only_allowed, tell_errors
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
    shared: list[Any] = [
        _add_request_names,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_text = log_format == "text" or (log_format == "auto" and is_terminal)
    renderer: Any = structlog.processors.JSONRenderer(serializer=_json)
    if is_text:
        renderer = structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            tell_errors,
            only_allowed,
            renderer,
        ],
    )


def _json(event: Event, *, default: Callable[[Any], Any], **_: Any) -> str:
    try:
        return orjson.dumps(event, default=default).decode("utf-8")
    except TypeError:  # It knows no halves of surrogate pairs and no numbers beyond 64 bits.
        return json.dumps(event, default=default)


def _add_request_names(_logger: Any, _method: str, event: Event) -> Event:
    """To what is logged while a traced request is answered."""
    exchange = current_request_state.get()
    if exchange is not None:
        event.setdefault("request_id", without_credentials(exchange.request_id))
        if exchange.trace_id:
            event.setdefault("trace_id", exchange.trace_id)
    return event
