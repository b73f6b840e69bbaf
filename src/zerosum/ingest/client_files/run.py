"""Client files from beginning to end: inputs are opened, put in order, and taken row by row by an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, runtime_checkable

from zerosum.ingest.client_files.book_engine import ClientFigures
from zerosum.ingest.client_files.choices import Order
from zerosum.ingest.client_files.columns import Columns, read_columns
from zerosum.ingest.client_files.inputs import Source
from zerosum.ingest.client_files.merging import MergeByTime, Placed, merged_by_tx
from zerosum.ingest.client_files.rows import Row, rows_of
from zerosum.ingest.client_files.tally import Tally, Tell
from zerosum.ingest.client_files.window import BLOCK_BYTES, Window

BATCH_ROWS = 1024


class Engine(Protocol):
    def take_rows(self, rows: Sequence[Row]) -> Sequence[str | None]: ...

    def figures(self) -> Iterator[ClientFigures]: ...


@runtime_checkable
class WindowEngine(Engine, Protocol):
    """An engine that reads the bytes of an input itself."""

    def take_window(
        self, window: Window, columns: Columns, tally: Tally, tell: Tell, *, wants_refusals: bool
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How the inputs are taken. `tell` hears of malformed rows and, if wanted, of refused ones; `advance` of bytes."""

    order: Order = Order.GIVEN
    window_rows: int = 0
    tell: Tell | None = None
    wants_refusals: bool = False
    advance: Callable[[int], None] | None = None
    block_bytes: int = BLOCK_BYTES

    def take(self, sources: Sequence[Source], engine: Engine) -> Tally:
        """Raises InputFault; what the engine has taken until then means nothing."""
        tally = Tally()
        if self.order is Order.GIVEN:
            for source in sources:
                with ExitStack() as stack:
                    self._take_one(stack, source, engine, tally)
            return tally
        with ExitStack() as stack:
            read = [self._opened(stack, source) for source in sources]
            inputs = [rows_of(window, columns) for window, columns in read]
            if self.order is Order.TX:
                self._take_placed(merged_by_tx(inputs), sources, engine, tally)
            else:
                by_time = MergeByTime(self.window_rows)
                self._take_placed(by_time.merged(inputs), sources, engine, tally)
                tally.late = by_time.late
        return tally

    def _take_one(self, stack: ExitStack, source: Source, engine: Engine, tally: Tally) -> None:
        window, columns = self._opened(stack, source)
        if isinstance(engine, WindowEngine):
            engine.take_window(window, columns, tally, self._told, wants_refusals=self.wants_refusals)
        else:
            placed = (Placed(0, 0, row) for row in rows_of(window, columns))
            self._take_placed(placed, [source], engine, tally)

    def _take_placed(self, placed: Iterable[Placed], sources: Sequence[Source], engine: Engine, tally: Tally) -> None:
        waiting = iter(placed)
        while batch := list(islice(waiting, BATCH_ROWS)):
            reasons = engine.take_rows([each.row for each in batch])
            for each, reason in zip(batch, reasons, strict=True):
                if reason is None:
                    tally.carried_out += 1
                    continue
                if each.row.fault is not None:
                    tally.malformed += 1
                else:
                    tally.refused += 1
                self._told(sources[each.source].name, each.row, reason)

    def _told(self, name: str, row: Row, reason: str) -> None:
        if self.tell is not None and (self.wants_refusals or row.fault is not None):
            self.tell(name, row, reason)

    def _opened(self, stack: ExitStack, source: Source) -> tuple[Window, Columns]:
        stack.callback(source.close)

        def counted(size: int) -> bytes:
            block = source.read(size)
            if self.advance is not None:
                self.advance(len(block))
            return block

        window = Window(counted, source.name, block_bytes=self.block_bytes)
        return window, read_columns(window, with_timestamp=self.order is Order.TIME)
