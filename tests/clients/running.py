"""Running client files in memory, on either engine, and comparing with what the rules say."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.clients.naive_model import MALFORMED
from zerosum.ingest.client_files.book_engine import BookEngine, ClientFigures
from zerosum.ingest.client_files.choices import Order
from zerosum.ingest.client_files.columns import read_columns
from zerosum.ingest.client_files.fast_engine import FastEngine
from zerosum.ingest.client_files.inputs import Source
from zerosum.ingest.client_files.rows import Row, rows_of
from zerosum.ingest.client_files.run import Engine, Run
from zerosum.ingest.client_files.tally import Tally
from zerosum.ingest.client_files.window import Window

ENGINES = ("book", "fast")


@dataclass(frozen=True)
class Result:
    accounts: str
    rejects: list[tuple[int, str]]
    """Line and reason; every fault of a malformed row is `malformed`."""
    reasons: list[tuple[int, str]]
    tally: Tally


def make_engine(name: str, *, refuse_negative_total: bool = False) -> Engine:
    """The fast one begins with the smallest table, so that it grows on the way."""
    if name == "book":
        return BookEngine(refuse_negative_total=refuse_negative_total)
    return FastEngine(refuse_negative_total=refuse_negative_total, slots=16)


def run(
    texts: Sequence[str | bytes],
    engine_name: str,
    *,
    order: Order = Order.GIVEN,
    window_rows: int = 0,
    block_bytes: int = 1 << 16,
    refuse_negative_total: bool = False,
) -> Result:
    """Small blocks make rows come in pieces."""
    engine = make_engine(engine_name, refuse_negative_total=refuse_negative_total)
    told: list[tuple[Row, str]] = []
    taking = Run(
        order=order,
        window_rows=window_rows,
        tell=lambda _, row, reason: told.append((row, reason)),
        wants_refusals=True,
        block_bytes=block_bytes,
    )
    tally = taking.take([source(text, f"input {number}") for number, text in enumerate(texts, start=1)], engine)
    return Result(
        accounts=rendered(engine),
        rejects=[(row.line, MALFORMED if row.fault else reason) for row, reason in told],
        reasons=[(row.line, reason) for row, reason in told],
        tally=tally,
    )


def source(text: str | bytes, name: str = "input") -> Source:
    content = text.encode() if isinstance(text, str) else text
    return Source(name, lambda: io.BytesIO(content), len(content))


def rendered(engine: Engine) -> str:
    return "client,available,held,total,locked\n" + "".join(_line(figures) for figures in engine.figures())


def _line(figures: ClientFigures) -> str:
    client, available, held, total, locked = figures
    return f"{client},{available},{held},{total},{str(locked).lower()}\n"


def rows_in(case: Path) -> Iterator[Row]:
    """All rows of a case's inputs, one after the other."""
    for path in sorted(case.glob("input*.csv")):
        content = io.BytesIO(path.read_bytes())
        window = Window(content.read, path.name)
        yield from rows_of(window, read_columns(window))
