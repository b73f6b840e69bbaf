"""Which engine takes the rows: the plain one, or for much input the compiled one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from zerosum.ingest.client_files.book_engine import BookEngine
from zerosum.ingest.client_files.choices import EngineChoice
from zerosum.ingest.client_files.inputs import Source
from zerosum.ingest.client_files.run import Engine

FAST_FROM_BYTES = 2 << 20
"""Below this the plain engine is done before the compiled one is loaded (1.3 s of CPU time, measured). The first run of
all compiles it too, for 4 s more, and keeps what it has compiled."""


class EngineMissing(Exception):
    """The engine that was asked for cannot run here."""


def choose_engine(sources: Sequence[Source], choice: EngineChoice, *, refuse_negative_total: bool) -> Engine:
    """Raises EngineMissing where the fast one is wanted and its extra is not installed."""
    is_there = find_spec("numba") is not None and find_spec("numpy") is not None
    if choice is EngineChoice.FAST and not is_there:
        raise EngineMissing("the fast engine needs numba: install zerosum[fast]")
    is_worth_it = sum(source.size_at_least(FAST_FROM_BYTES) for source in sources) >= FAST_FROM_BYTES
    if choice is EngineChoice.FAST or (choice is EngineChoice.AUTO and is_there and is_worth_it):
        from zerosum.ingest.client_files.fast_engine import FastEngine  # noqa: PLC0415

        return FastEngine(refuse_negative_total=refuse_negative_total)
    return BookEngine(refuse_negative_total=refuse_negative_total)
