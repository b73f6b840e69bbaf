"""Of which trace a request is a part, by its own word (W3C Trace Context), and by which names logs find it again.

Whatever is not well-formed is ignored: a request is never refused for it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextvars import Token
from dataclasses import dataclass

from zerosum.domain.errors import InternalError
from zerosum.domain.traces import HEADER, Origins, TraceOrigin, current_origins, parse_traceparent
from zerosum.services.credentials.api_key_text import API_KEY_PREFIX

STATE_BYTES_MAX = 512
"""So much of `tracestate` is carried at least by everybody; more is not taken."""

_NAME = HEADER.encode("ascii")
_BEGINS_AS_JSON = "eyJ"
_CREDENTIAL = re.compile(rf"{re.escape(API_KEY_PREFIX)}[\w=-]+|(?<![\w-]){_BEGINS_AS_JSON}[\w-]+\.[\w.-]+")
"""An API key, or a JSON Web Token: its header begins with `{"`."""

Headers = Sequence[tuple[bytes, bytes]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The caller's span. `state` belongs to the tracing systems on the way."""

    origin: TraceOrigin
    state: str = ""


def read_trace_parent(headers: Headers) -> TraceParent | None:
    """None where there is none, more than one, or one that is not well-formed."""
    found = [value for name, value in headers if name == _NAME]
    if len(found) != 1:
        return None
    origin = parse_traceparent(found[0].decode("latin-1"))
    return None if origin is None else TraceParent(origin, _state(headers))


def _state(headers: Headers) -> str:
    """All fields as one, in their order (RFC 9110 section 5.3)."""
    joined = b",".join(value for name, value in headers if name == b"tracestate")
    return joined.decode("ascii") if len(joined) <= STATE_BYTES_MAX and joined.isascii() else ""


def brings_trace(headers: Headers) -> bool:
    """Whether it may say of which trace it is a part."""
    return any(name == _NAME for name, _ in headers)


class CarriedTrace:
    """Where no traces are collected: what is done for the request is told to be a part of its caller's trace."""

    __slots__ = ("_origins", "_outer")

    _outer: Token[Origins]

    def __init__(self, origin: TraceOrigin) -> None:
        self._origins = (origin,)

    @property
    def trace_id(self) -> str:
        return self._origins[0].trace_id

    def enter(self) -> None:
        self._outer = current_origins.set(self._origins)

    def leave(self) -> None:
        current_origins.reset(self._outer)

    def end(self) -> None:
        """Nobody is told."""


def carry_trace(headers: Headers) -> CarriedTrace | None:
    parent = read_trace_parent(headers)
    return None if parent is None else CarriedTrace(parent.origin)


def request_names(request_id: str, headers: Headers) -> dict[str, str]:
    """For a log record about a request."""
    parent = read_trace_parent(headers)
    names = {"request_id": without_credentials(request_id)}
    return names if parent is None else {**names, "trace_id": parent.origin.trace_id}


def log_failure(error: InternalError, request_id: str, headers: Headers) -> None:
    """What went wrong has been logged where it did, by what does not know for whom it worked."""
    _log.error("a request failed: %s", error.detail, extra=request_names(request_id, headers))


def without_credentials(text: str) -> str:
    """What callers name themselves, an id or an address, may be a key or token by mistake."""
    return _CREDENTIAL.sub("***", text) if may_hold_credentials(text) else text


def may_hold_credentials(text: str) -> bool:
    """Hardly ever, and ten times as soon seen as that there is none."""
    return API_KEY_PREFIX in text or _BEGINS_AS_JSON in text
