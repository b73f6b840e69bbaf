"""Which engine takes the rows: the plain one, or for much input the compiled one."""

from __future__ import annotations

from collections.abc import Sequence

from zerosum.ingest.client_files.book_engine import BookEngine
from zerosum.ingest.client_files.choices import EngineChoice
from zerosum.ingest.client_files.inputs import Source
from zerosum.ingest.client_files.run import Engine


class EngineMissing(Exception):
    """The engine that was asked for cannot run here."""


def choose_engine(sources: Sequence[Source], choice: EngineChoice, *, refuse_negative_total: bool) -> Engine:
    del sources, choice
    return BookEngine(refuse_negative_total=refuse_negative_total)
