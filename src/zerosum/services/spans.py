"""What a process tells of its steps to whoever collects traces. Without a collector it tells nothing.

What a step says is written where it is begun: never a body, a query, a key, a text that somebody else has chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import compress
from typing import Protocol

from zerosum.domain.errors import DomainError
from zerosum.domain.traces import Origins, TraceOrigin, current_origins

Attributes = Mapping[str, str | int]

NOTHING_MORE: Attributes = {}


class StepKind(StrEnum):
    ASKS = "client"
    """Somebody else, and waits for the answer."""
    PUBLISHES = "producer"
    TAKES = "consumer"
    WORKS = "internal"


class Step(Protocol):
    @property
    def origin(self) -> TraceOrigin | None:
        """What goes on from here is a part of this."""

    def end(self, error: str | None = None, attributes: Attributes = NOTHING_MORE) -> None:
        """It is over. `error` is a word of ours."""


class Spans(Protocol):
    def begin(
        self,
        name: str,
        kind: StepKind,
        origin: TraceOrigin | None,
        attributes: Attributes = NOTHING_MORE,
        *,
        may_begin: bool = False,
    ) -> Step:
        """A step of that trace, where it is recorded. What is part of none `may_begin` one."""


class _Untold:
    """Of a trace that nobody records here. It is passed on as it came."""

    __slots__ = ("origin",)

    def __init__(self, origin: TraceOrigin | None) -> None:
        self.origin = origin

    def end(self, error: str | None = None, attributes: Attributes = NOTHING_MORE) -> None:
        """Nobody is told."""
        del error, attributes


class NoSpans:
    """Where there is no collector."""

    def begin(
        self,
        name: str,
        kind: StepKind,
        origin: TraceOrigin | None,
        attributes: Attributes = NOTHING_MORE,
        *,
        may_begin: bool = False,
    ) -> Step:
        del name, kind, attributes, may_begin
        return _NOBODY if origin is None else _Untold(origin)


_NOBODY = _Untold(None)
NO_SPANS = NoSpans()


@contextmanager
def in_trace(*origins: TraceOrigin | None) -> Iterator[None]:
    """What is handed over meanwhile is done for these: for one alone, or a command for each."""
    given: Origins = origins if any(origins) else ()
    outer = current_origins.set(given)
    try:
        yield
    finally:
        current_origins.reset(outer)


@dataclass(slots=True)
class Ended:
    """How a step has ended. `error` is a word of ours."""

    error: str | None = None


@contextmanager
def in_step(step: Step) -> Iterator[Ended]:
    """What is done meanwhile is a part of it. It ends with this; by an error, with that one's name."""
    ended = Ended()
    try:
        with in_trace(step.origin):
            yield ended
    except BaseException as error:
        ended.error = error.code if isinstance(error, DomainError) else type(error).__name__
        raise
    finally:
        step.end(ended.error)


@contextmanager
def among_chosen(chosen: Sequence[bool]) -> Iterator[None]:
    """Where each of some has an origin of its own: what is handed over meanwhile are those that were chosen."""
    origins = current_origins.get()
    outer = None
    if len(origins) > 1 and len(origins) == len(chosen):
        outer = current_origins.set(tuple(compress(origins, chosen)))
    try:
        yield
    finally:
        if outer is not None:
            current_origins.reset(outer)
