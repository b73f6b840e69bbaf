"""The header: which column holds what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zerosum.ingest.client_files.records import next_record
from zerosum.ingest.client_files.window import InputFault, Window

NEEDED = ("type", "client", "tx", "amount")
TIMESTAMP = "timestamp"


class Columns(NamedTuple):
    """Places counted from 0. `timestamp` is -1 where nobody asked for it."""

    type: int
    client: int
    tx: int
    amount: int
    timestamp: int = -1

    @property
    def last(self) -> int:
        return max(self)


def read_columns(window: Window, *, with_timestamp: bool = False) -> Columns:
    """Take the header from the window. Raises InputFault when the input is empty or has not each needed column once."""
    header = next_record(window)
    if header is None:
        raise InputFault(f"{window.name} is empty: the first line must name the columns {', '.join(NEEDED)}")
    if header.fault is not None:
        raise InputFault(f"{window.name}: the header in line {header.line} cannot be read ({header.fault})")
    names = [field.decode("utf-8", "replace").lower() for field in header.fields]
    needed = (*NEEDED, TIMESTAMP) if with_timestamp else NEEDED
    return Columns(*_places(names, needed, window.name))


def _places(names: Sequence[str], needed: Sequence[str], input_name: str) -> list[int]:
    missing = [name for name in needed if name not in names]
    if missing:
        raise InputFault(f"{input_name} has no column {', '.join(missing)}")
    repeated = [name for name in needed if names.count(name) > 1]
    if repeated:
        raise InputFault(f"{input_name} has the column {', '.join(repeated)} more than once")
    return [names.index(name) for name in needed]
