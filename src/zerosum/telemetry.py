"""Logs: how a running process tells what it does."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from zerosum.gateway.request_state import current_request_state
from zerosum.gateway.trace_context import without_credentials


def set_up_logging(level: str, log_format: str) -> None:
    """One line a record on stderr: JSON for machines, or text. Control characters in values are escaped."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "asyncio", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log_formatter(log_format: str) -> logging.Formatter:
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_request_names,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


def _add_request_names(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """To what is logged while a traced request is answered."""
    exchange = current_request_state.get()
    if exchange is not None:
        event.setdefault("request_id", without_credentials(exchange.request_id))
        event.setdefault("trace_id", exchange.trace_id)
    return event
