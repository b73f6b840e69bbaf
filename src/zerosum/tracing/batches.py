"""A span for each batch of the committer, one for how long each request has waited for it, one for its COMMIT.

A batch belongs to many traces. It lies in that of its first request, and is linked to all of them; how long each of
them has waited lies in its own trace, and is linked to the batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from time import time_ns
from typing import Any

from zerosum.domain.traces import TraceOrigin
from zerosum.services.committing.held_up import HeldUp
from zerosum.services.committing.lane_loop import Carrier
from zerosum.services.committing.work import Work
from zerosum.tracing.otlp import HAS_FAILED, Kind, named, with_attributes, with_link, write_siblings, write_span
from zerosum.tracing.told import Tell, harmless, part_of, written_step

LINKS_MAX = 64
"""A batch carries up to a thousand requests: it names so many of them, and says how many there were."""

_current_batch: ContextVar[TraceOrigin | None] = ContextVar("batch", default=None)


class BatchTracing:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    @contextlib.contextmanager
    def batch(self, works: Sequence[Work]) -> Iterator[None]:
        """Where one of its requests is traced."""
        waited = [(work, origin) for work in works if work.origins for origin in work.recorded_origins]
        if not waited:
            yield
            return
        began_at = time_ns()
        waits = _waits(waited, began_at)
        batch = part_of(waits[0][0])
        outer = _current_batch.set(batch)
        try:
            yield
        finally:
            _current_batch.reset(outer)
            with harmless():
                origins = {origin.traceparent: origin for _, origin in waited}
                written = _written_batch(batch, (began_at, time_ns()), works, [*origins.values()][:LINKS_MAX])
                of_a_wait = named("committer queue", Kind.INTERNAL) + with_link(batch)
                self._tell(written + write_siblings(waits, began_at, of_a_wait), 1 + len(waits))

    def tell_commit(self, operation: str) -> Callable[[bool], None]:
        """A round trip that commits. Nothing of the statement is told."""
        batch = _current_batch.get()
        if batch is None:
            return _tell_nobody
        began_at = time_ns()

        def end(has_failed: bool) -> None:
            said = {"db.system.name": "postgresql", "db.operation.name": operation}
            name, times = f"postgresql {operation}", (began_at, time_ns())
            with harmless():
                self._tell(written_step(name, Kind.CLIENT, part_of(batch), batch, times, said, has_failed=has_failed))

        return end


def _written_batch(
    batch: TraceOrigin, times: tuple[int, int], works: Sequence[Work], origins: Sequence[TraceOrigin]
) -> bytes:
    """It lies beneath the first of these, and is linked to all."""
    sizes = {"zerosum.batch.commands": sum([len(work.commands) for work in works]), "zerosum.batch.works": len(works)}
    failed = sum([_has_failed(work) for work in works])
    if failed:
        sizes["zerosum.batch.failed_works"] = failed
    links = b"".join([with_link(origin) for origin in origins])
    told = named("committer batch", Kind.INTERNAL), with_attributes(sizes), links, HAS_FAILED if failed else b""
    return write_span(batch, origins[0].span_id, *times, *told)


def _waits(waited: Sequence[tuple[Work, TraceOrigin]], ended_at: int) -> list[tuple[TraceOrigin, int]]:
    clock = asyncio.get_running_loop().time()
    waits = [(origin, ended_at - int((clock - work.handed_over_at) * 1e9)) for work, origin in waited[:LINKS_MAX]]
    for work, _ in waited:
        work.handed_over_at = clock  # from here on it waits for another batch, should this one give it back
    return waits


class TracedCarrier:
    def __init__(self, carrier: Carrier, tracing: BatchTracing) -> None:
        self._carrier = carrier
        self._tracing = tracing

    async def warm_up(self) -> None:
        await self._carrier.warm_up()

    @property
    def has_room(self) -> bool:
        return self._carrier.has_room

    async def launch(self, works: Sequence[Work]) -> Coroutine[Any, Any, HeldUp] | None:
        flying = await self._carrier.launch(works)
        if flying is None or not any(work.origins for work in works):
            return flying
        return self._told(works, flying)

    async def _told(self, works: Sequence[Work], flying: Coroutine[Any, Any, HeldUp]) -> HeldUp:
        with self._tracing.batch(works):
            return await flying

    async def carry_out(self, works: Sequence[Work]) -> HeldUp:
        with self._tracing.batch(works):
            return await self._carrier.carry_out(works)

    def abandon(self) -> None:
        self._carrier.abandon()

    async def close(self) -> None:
        await self._carrier.close()


def _tell_nobody(_has_failed: bool) -> None:
    """Nobody who is traced waits for it."""


def _has_failed(work: Work) -> bool:
    return work.is_answered and not work.answer.cancelled() and work.answer.exception() is not None
