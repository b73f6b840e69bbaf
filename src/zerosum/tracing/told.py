"""Spans that are over, as they leave: each is written at once, where all that it tells is at hand.

To keep them for the thread that sends them, and to write them there, costs the process twice as much.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from random import getrandbits, randbytes
from typing import Protocol

from zerosum.domain.traces import TraceOrigin
from zerosum.services.apart import apart
from zerosum.services.spans import Attributes
from zerosum.tracing.otlp import HAS_FAILED, Kind, named, with_attributes, write_span

_log = logging.getLogger(__name__)


class Tell(Protocol):
    def __call__(self, written: bytes, spans: int = 1) -> None:
        """So many, as a message has them. This waits for nobody."""


def harmless() -> AbstractContextManager[None]:
    """Spans are written where payments are made: a fault in that is told, and costs nobody his answer."""
    return apart(_log, "a span could not be told")


def written_step(
    name: str,
    kind: Kind,
    origin: TraceOrigin,
    parent: TraceOrigin | None,
    times: tuple[int, int],
    attributes: Attributes,
    *,
    has_failed: bool,
) -> bytes:
    """A span by itself; `times` are nanoseconds since 1970."""
    return write_span(
        origin,
        "" if parent is None else parent.span_id,
        *times,
        named(name, kind),
        with_attributes(attributes),
        HAS_FAILED if has_failed else b"",
    )


def beginning() -> TraceOrigin:
    """The first span of a trace of its own, which is collected, and of which nothing else is known."""
    ids = randbytes(24).hex()  # noqa: S311 - nobody gains by guessing them
    return TraceOrigin(f"00-{ids[:32]}-{ids[32:]}-01")


def part_of(parent: TraceOrigin) -> TraceOrigin:
    """A span in the same trace."""
    text = parent.traceparent
    return TraceOrigin(f"{text[:36]}{getrandbits(64):016x}{text[52:]}")
