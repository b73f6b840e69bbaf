"""Ten thousand sequences take hours: what agrees is kept in a file, and a run goes on where the last one ended."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg

from tests.conftest import Servers, clone_database
from tests.model.running import BUSY, Ground, Run, Starved, drawn, ground
from zerosum.domain.errors import DomainError

DONE = Path(os.environ.get("ZEROSUM_MODEL_DONE", "bench-results/model-sequences.txt"))
"""The numbers of sequences that agree, the first and the last of a span on a line. Removed, all begins anew."""

SECONDS_MAX = float(os.environ.get("ZEROSUM_MODEL_SECONDS", "7000"))
"""No span is begun later than that."""

AT_ONCE = 100
"""So many are lost where the machine is too busy for them."""

STARVED_MAX = 5
"""So often in a row the machine may be too busy for the same span."""

STARVED = (Starved, OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)
"""TimeoutError is an OSError: whatever connection was not answered in time."""


def done() -> set[int]:
    if not DONE.exists():
        return set()
    spans = [line.split() for line in DONE.read_text(encoding="utf-8").splitlines()]
    return {number for first, last, *_ in spans for number in range(int(first), int(last) + 1)}


def left(numbers: range) -> list[range]:
    """In spans that are run at once, those of which nothing or only a part is done."""
    known = done()
    spans = [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
    return [span for span in spans if not known.issuperset(span)]


async def agreed(
    servers: Servers, numbers: range, fail: Callable[[Ground, Sequence[Run]], Awaitable[None]]
) -> tuple[int, int]:
    """How many of them are done in all, and how often a span had to be run anew; `fail` raises."""
    began, anew = time.monotonic(), 0
    for span in left(numbers):
        if time.monotonic() - began > SECONDS_MAX:
            break
        anew += await _run(servers, span, fail)
        DONE.parent.mkdir(parents=True, exist_ok=True)
        with DONE.open("a", encoding="utf-8") as file:
            file.write(f"{span[0]} {span[-1]} {time.strftime('%Y-%m-%dT%H:%M:%S')}\n")
        print(f"{span[0]} to {span[-1]} agree, {time.monotonic() - began:.0f} s", flush=True)
    return len(done().intersection(numbers)), anew


async def _run(servers: Servers, span: range, fail: Callable[[Ground, Sequence[Run]], Awaitable[None]]) -> int:
    """Each time on a fresh database: nothing of a run that was broken off falls due in the next one.

    A difference counts, unless it came while works were lost to a machine that could not keep up.
    """
    for attempt in range(STARVED_MAX):
        database = await clone_database(servers, "zerosum_model_campaign")
        try:
            async with ground(database, servers) as made:
                runs = await made.run([drawn(number) for number in span])
                different = [run for run in runs if run.difference is not None]
                if not different:
                    return attempt
                if not made.has_starved:
                    await fail(made, different)
                print(f"{span[0]} to {span[-1]}, starved: {different[0].difference}", flush=True)
        except STARVED as error:
            print(f"{span[0]} to {span[-1]}, starved: {''.join(traceback.format_exception(error))}", flush=True)
        except DomainError as refusal:
            if refusal.code not in BUSY:
                raise
            print(f"{span[0]} to {span[-1]}, starved: {refusal.code}", flush=True)
    raise AssertionError(f"the machine is too busy for {span[0]} to {span[-1]}, {STARVED_MAX} times")
