"""The header: which column holds what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zerosum.ingest.client_files.records import RECORD_BYTES_MAX, next_record
from zerosum.ingest.client_files.window import InputFault, Window

NEEDED = ("type", "client", "tx", "amount")
TIMESTAMP = "timestamp"

_OTHER_SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}


class Columns(NamedTuple):
    """Places counted from 0. `width` is how many the header names; a value behind them belongs to nothing.

    `timestamp` is -1 where nobody asked for it.
    """

    type: int
    client: int
    tx: int
    amount: int
    timestamp: int
    width: int

    @property
    def last(self) -> int:
        return max(self[:-1])


def read_columns(window: Window, *, with_timestamp: bool = False) -> Columns:
    """Take the header from the window. Raises InputFault when the input is empty or has not each needed column once."""
    separator = _other_separator(window)
    header = next_record(window)
    if header is None:
        raise InputFault(f"{window.name} is empty: the first line must name the columns {', '.join(NEEDED)}")
    if separator is not None:
        raise InputFault(f"{window.name} is separated by {separator}: client files are separated by commas")
    if header.fault is not None:
        raise InputFault(f"{window.name}: the header in line {header.line} cannot be read ({header.fault})")
    names = [field.decode("utf-8", "replace").lower() for field in header.fields]
    needed = (*NEEDED, TIMESTAMP) if with_timestamp else NEEDED
    type_, client, tx, amount, *timestamp = _places(names, needed, window.name)
    while not names[-1]:  # A column without a name at the end is none.
        names.pop()
    return Columns(type_, client, tx, amount, timestamp[0] if timestamp else -1, len(names))


def _other_separator(window: Window) -> str | None:
    """How spreadsheets of other countries separate their columns, if this is one: the header shows it."""
    while len(window.content) - window.at < RECORD_BYTES_MAX and not _first_line(window)[1] and window.fill():
        pass
    line, _ = _first_line(window)
    for separator, name in _OTHER_SEPARATORS.items():
        fields = [field.strip(b' \t"').decode("utf-8", "replace").lower() for field in line.split(separator)]
        if separator in line and set(NEEDED) <= set(fields):
            return name
    return None


def _first_line(window: Window) -> tuple[bytes, bytes]:
    """The first line that is not blank, and its end if it is known."""
    line, end, _ = window.content[window.at : window.at + RECORD_BYTES_MAX].lstrip(b" \t\r\n").partition(b"\n")
    return line.rstrip(b"\r"), end


def _places(names: Sequence[str], needed: Sequence[str], input_name: str) -> list[int]:
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputFault(f"{input_name} has no column {', '.join(missing)}")
    repeated = [name for name in needed if names.count(name) > 1]
    if repeated:
        raise InputFault(f"{input_name} has the column {', '.join(repeated)} more than once")
    return [names.index(name) for name in needed]
