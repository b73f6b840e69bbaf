"""Spans that are over, on their way to the thread that writes them: a payment waits for as little of it as can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import getrandbits
from typing import Protocol

from zerosum.domain.traces import TraceOrigin, make_origin
from zerosum.services.spans import Attributes
from zerosum.tracing.otlp import HAS_FAILED, Kind, named, with_attributes, write_span

RECORDED = 1
"""The flags of a trace that is collected, and of which nothing else is known."""


class Told(Protocol):
    @property
    def spans(self) -> int:
        """How many they are."""

    def written(self) -> bytes:
        """As a message has them. It is asked by the thread that sends them."""


@dataclass(slots=True)
class ToldSpan:
    """One by itself; times are nanoseconds since 1970. Not frozen, as none is here: that would take twice the time."""

    name: str
    kind: Kind
    origin: TraceOrigin
    parent: TraceOrigin | None
    started_at: int
    ended_at: int
    attributes: Attributes
    has_failed: bool = False

    spans = 1

    def written(self) -> bytes:
        return write_span(
            self.origin,
            "" if self.parent is None else self.parent.span_id,
            self.started_at,
            self.ended_at,
            named(self.name, self.kind),
            with_attributes(self.attributes),
            HAS_FAILED if self.has_failed else b"",
        )


Tell = Callable[[Told], None]


def beginning() -> TraceOrigin:
    """The first span of a trace of its own."""
    ids = f"{getrandbits(192):048x}"  # Nobody gains by guessing them.
    return make_origin(ids[:32], ids[32:], RECORDED)


def part_of(parent: TraceOrigin) -> TraceOrigin:
    """A span in the same trace."""
    text = parent.traceparent
    return TraceOrigin(f"{text[:36]}{getrandbits(64):016x}{text[52:]}")
