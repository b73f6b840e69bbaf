"""Of which trace something is a part (W3C Trace Context): what goes with it from the request to whoever is told of it.

It decides nothing, and nothing that proves the books covers it.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass

HEADER = "traceparent"
"""What it is called in heads, in messages, and in events."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_NO_VERSION = "ff"
_FIRST_VERSION = "00"
_RECORDED = "13579bdf"
"""How the flags end where the lowest of them is set."""


@dataclass(frozen=True, slots=True)
class TraceOrigin:
    """The span in which something is done. `traceparent` is of the first version, and well-formed."""

    traceparent: str

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        return self.traceparent[36:52]

    @property
    def flags(self) -> int:
        return int(self.traceparent[53:55], 16)

    @property
    def is_recorded(self) -> bool:
        """Whether somebody collects this trace."""
        return self.traceparent[54] in _RECORDED


Origins = tuple[TraceOrigin | None, ...]
"""Of all commands that are handed over together; or one for each of them."""

current_origins: ContextVar[Origins] = ContextVar("origins", default=())
"""For whom something is done now. Most is done for nobody who asks for a trace."""


def make_origin(trace_id: str, span_id: str, flags: int) -> TraceOrigin:
    return TraceOrigin(f"{_FIRST_VERSION}-{trace_id}-{span_id}-{flags & 0xFF:02x}")


def parse_traceparent(text: str) -> TraceOrigin | None:
    """None of what is not well-formed: nothing is ever refused for it."""
    match = _TRACEPARENT.fullmatch(text.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == _NO_VERSION or (version == _FIRST_VERSION and more is not None):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return make_origin(trace_id, span_id, int(flags, 16))


def traced_headers(traceparent: str | None) -> dict[str, str]:
    """What is sent along with what is a part of a trace."""
    return {} if traceparent is None else {HEADER: traceparent}


def of_each(origins: Origins, number: int) -> Origins:
    """Of so many that are done together, in order; of those that nobody can tell apart, none."""
    if len(origins) == 1:
        return origins * number
    return origins if len(origins) == number else (None,) * number


def trace_id_in(traceparent: str | None) -> str | None:
    """Of what was kept: that is well-formed, or nothing."""
    origin = None if traceparent is None else parse_traceparent(traceparent)
    return None if origin is None else origin.trace_id


def origin_now() -> TraceOrigin | None:
    """Of what is done for one alone."""
    origins = current_origins.get()
    return origins[0] if len(origins) == 1 else None
