"""The fast engine: the rules of the Book, compiled, for inputs of millions of rows.

For each transaction carried out it keeps 16 bytes in a table that is at most seven tenths full and grows by doubling:
23 to 46 bytes, and while it grows half as much again. Everything else is 5 MiB. What the compiled reader finds odd is
read by `records.py` and `rows.py`, row by row, so that the two engines cannot differ in what they take for a row.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

import numpy as np

from zerosum.ingest.client_files.book_engine import ClientFigures
from zerosum.ingest.client_files.columns import Columns
from zerosum.ingest.client_files.compiled_books import (
    CLIENTS,
    LIMB,
    LOCKED,
    MALFORMED,
    REASONS,
    Numbers,
    grow,
    take_rows,
)
from zerosum.ingest.client_files.compiled_rows import (
    NEEDS_MORE,
    ODD,
    PUZZLED,
    ROLE_AMOUNT,
    ROLE_CLIENT,
    ROLE_TX,
    ROLE_TYPE,
    Bytes,
    read_rows,
)
from zerosum.ingest.client_files.records import RECORD_BYTES_MAX, next_record, record_at
from zerosum.ingest.client_files.rows import PLACES, Row, read_row
from zerosum.ingest.client_files.tally import Tally, Tell
from zerosum.ingest.client_files.window import Window

BATCH_ROWS = 32_768
SLOTS_AT_FIRST = 1 << 16
FULL_AT_TENTHS = 7
PLAIN_UNITS_MAX = 10**18
_ONE = 10**PLACES


class FastEngine:
    def __init__(self, *, refuse_negative_total: bool = False, slots: int = SLOTS_AT_FIRST) -> None:
        """`slots` is a power of two, and not below 16."""
        self._refuse_negative_total = refuse_negative_total
        self._balances: Numbers = np.zeros((CLIENTS + 1, 4), np.int64)
        self._flags: Bytes = np.zeros(CLIENTS, np.uint8)
        self._table: Numbers = np.zeros(2 * slots, np.int64)
        self._stored = 0
        self._seed = secrets.randbits(62)
        self._huge: Numbers = np.zeros((16, 2), np.int64)
        self._huge_count = 0
        self._huge_free: list[int] = []
        self._kinds: Bytes = np.zeros(BATCH_ROWS, np.uint8)
        self._reasons: Bytes = np.zeros(BATCH_ROWS, np.uint8)
        self._clients, self._txs, self._amounts, self._starts, self._lines = np.zeros((5, BATCH_ROWS), np.int64)

    def take_rows(self, rows: Sequence[Row]) -> list[str | None]:
        reasons: list[str | None] = []
        for at in range(0, len(rows), BATCH_ROWS):
            batch = rows[at : at + BATCH_ROWS]
            for index, row in enumerate(batch):
                self._put(index, row)
            self._take(len(batch))
            codes = self._reasons[: len(batch)].tolist()
            reasons += [row.fault or REASONS[code] or None for row, code in zip(batch, codes, strict=True)]
        return reasons

    def take_window(self, window: Window, columns: Columns, tally: Tally, tell: Tell, *, wants_refusals: bool) -> None:
        """Everything that is left in the window and behind it."""
        roles = _roles(columns)
        while True:
            content = window.content
            count, window.at, window.line, why = read_rows(
                np.frombuffer(content, np.uint8),
                window.at,
                window.is_last,
                window.line,
                roles,
                self._kinds,
                self._clients,
                self._txs,
                self._amounts,
                self._starts,
                self._lines,
            )
            careful = {index: self._reread(content, index, columns) for index in self._odd(count)}
            self._take(count)
            self._count(count, tally)
            for index in np.flatnonzero(self._reasons[:count]).tolist() if wants_refusals else careful:
                row = careful.get(index) or self._reread(content, index, columns)
                if reason := row.fault or REASONS[self._reasons[index]]:
                    tell(window.name, row, reason)
            if why == PUZZLED or (why == NEEDS_MORE and len(content) - window.at > RECORD_BYTES_MAX):
                self._take_puzzling(window, columns, tally, tell)
            elif why == NEEDS_MORE and not window.fill() and window.at == len(window.content):
                return

    def figures(self) -> Iterator[ClientFigures]:
        for client in np.flatnonzero(self._flags).tolist():
            total_high, total_low, held_high, held_low = self._balances[client].tolist()
            total, held = total_high * LIMB + total_low, held_high * LIMB + held_low
            is_locked = bool(self._flags[client] & LOCKED)
            yield ClientFigures(client, _rendered(total - held), _rendered(held), _rendered(total), is_locked)

    def _odd(self, count: int) -> list[int]:
        return np.flatnonzero(self._kinds[:count] == ODD).tolist()

    def _reread(self, content: bytes, index: int, columns: Columns) -> Row:
        """The row in full, as the plain reader reads it; put back in its place if it was odd."""
        row = read_row(record_at(content, int(self._starts[index]), int(self._lines[index])), columns)
        if self._kinds[index] == ODD:
            self._put(index, row)
        return row

    def _take_puzzling(self, window: Window, columns: Columns, tally: Tally, tell: Tell) -> None:
        record = next_record(window)
        if record is not None:
            row = read_row(record, columns)
            (reason,) = self.take_rows([row])
            self._count(1, tally)
            if reason is not None:
                tell(window.name, row, reason)

    def _put(self, index: int, row: Row) -> None:
        if row.fault is not None:
            self._kinds[index] = MALFORMED
            self._amounts[index] = 0
            return
        self._kinds[index] = row.kind
        self._clients[index] = row.client
        self._txs[index] = row.tx
        self._amounts[index] = row.units if row.units <= PLAIN_UNITS_MAX else self._keep_huge(row.units)

    def _keep_huge(self, units: int) -> int:
        if self._huge_free:
            place = self._huge_free.pop()
        else:
            place = self._huge_count
            self._huge_count += 1
            if place == len(self._huge):
                self._huge = np.concatenate([self._huge, np.zeros_like(self._huge)])
        self._huge[place] = divmod(units, LIMB)
        return -1 - place

    def _let_go_of_huge(self, count: int) -> None:
        """What was refused is not stored, and its amount makes room for another."""
        amounts = self._amounts[:count]
        self._huge_free += (-1 - amounts[(amounts < 0) & (self._reasons[:count] != 0)]).tolist()

    def _take(self, count: int) -> None:
        while (self._stored + count) * 10 > self._table.size // 2 * FULL_AT_TENTHS:
            larger = np.zeros(2 * self._table.size, np.int64)
            grow(self._table, larger, self._seed)
            self._table = larger
        self._stored += take_rows(
            self._kinds,
            self._clients,
            self._txs,
            self._amounts,
            self._reasons,
            count,
            self._huge,
            self._balances,
            self._flags,
            self._table,
            self._seed,
            self._refuse_negative_total,
        )
        self._let_go_of_huge(count)

    def _count(self, count: int, tally: Tally) -> None:
        by_reason = np.bincount(self._reasons[:count], minlength=MALFORMED + 1)
        tally.carried_out += int(by_reason[0])
        tally.malformed += int(by_reason[MALFORMED])
        tally.refused += int(by_reason[1:MALFORMED].sum())


def _roles(columns: Columns) -> Bytes:
    roles = np.zeros(columns.width, np.uint8)
    roles[columns.type], roles[columns.client] = ROLE_TYPE, ROLE_CLIENT
    roles[columns.tx], roles[columns.amount] = ROLE_TX, ROLE_AMOUNT
    return roles


def _rendered(units: int) -> str:
    whole, rest = divmod(abs(units), _ONE)
    return f"{'-' if units < 0 else ''}{whole}.{rest:0{PLACES}}"
