"""A record of the log as one line of JSON."""

from __future__ import annotations

import json
import logging
import time

import orjson

from zerosum.gateway.request_state import current_request_state
from zerosum.gateway.trace_context import without_credentials
from zerosum.logs.allowed import FIELDS, Event, may_stand_as_it_is, only_allowed, tell_errors

OF_EVERY_LINE = frozenset({"event", "level", "logger", "timestamp", "exception"})
"""These a record has by itself: what is said beside it replaces none of them."""

_BESIDE = FIELDS - OF_EVERY_LINE


class JsonLines(logging.Formatter):
    """Straight from the record: where each request has its line, a general chain of processors costs it a quarter."""

    def __init__(self) -> None:
        super().__init__()
        self._second = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        event: Event = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        add_request_names(None, "", event)
        for name, value in record.__dict__.items():
            if name in _BESIDE:
                event[name] = value
        if record.exc_info:
            event["exc_info"] = record.exc_info
            tell_errors(None, "", event)
        event["timestamp"] = self._timestamp(record.created)
        line = _json(event)
        return line if may_stand_as_it_is(line) else _json(only_allowed(None, "", event))

    def _timestamp(self, created: float) -> str:
        """ISO 8601 to the microsecond, UTC. Lines of one second share its text."""
        second, microseconds = divmod(int(created * 1_000_000), 1_000_000)
        known, text = self._second
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)  # as one: the thread that writes has lines of its own to date
        return f"{text}.{microseconds:06d}Z"


def add_request_names(_logger: object, _method: str, event: Event) -> Event:
    """To what is logged while a traced request is answered."""
    exchange = current_request_state.get()
    if exchange is not None:
        event.setdefault("request_id", without_credentials(exchange.request_id))
        if exchange.trace_id:
            event.setdefault("trace_id", exchange.trace_id)
    return event


def _json(event: Event) -> str:
    try:
        return orjson.dumps(event, default=repr).decode("utf-8")
    except TypeError:  # It knows no halves of surrogate pairs and no numbers beyond 64 bits.
        return json.dumps(event, default=repr)
