"""What people see on a terminal, and programs in a pipe: tables, or a line of JSON for each thing as it came."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zerosum.cli.status import plain
from zerosum.cli.talk import put, results
from zerosum.client.models.model import Model

Columns = Mapping[str, Callable[[Any], object]]
"""Of a table: their names, and what stands in them."""

WIDTH_MAX = 10_000
"""A terminal breaks what is longer than its lines; a table that cuts an id in two helps nobody."""


class Screen:
    """Where results go. Raises CommandFailed where stdout is closed."""

    def __init__(self, columns: Columns, *, is_json: bool) -> None:
        self._columns = columns
        self._is_json = is_json or not results().isatty()

    def put_one(self, one: Model) -> None:
        """All it is: a line for each member, and for each thing in it."""
        if self._is_json:
            put(_json(one))
            return
        table = Table.grid(padding=(0, 2))
        for name, value in one.raw.items():
            lines = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
            for at, line in enumerate(lines):
                table.add_row(_cell("" if at else name.replace("_", " ")), _cell(line))
        put(_drawn(table))

    def put_all(self, several: Iterable[Model]) -> None:
        """In a pipe each as it comes, until nobody reads any more."""
        if self._is_json:
            for one in several:
                if not put(_json(one)):
                    return
            return
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        rows = [[show(one) for show in self._columns.values()] for one in several]
        for at, name in enumerate(self._columns):
            is_amount = any(isinstance(row[at], Decimal) for row in rows)
            table.add_column(name, justify="right" if is_amount else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        put(_drawn(table))

    def put_odd(self, one: Model) -> None:
        """Something else than was asked for."""
        self.put_one(one)

    def put_line(self, one: Model) -> bool:
        """Of what goes on for ever. False: nobody reads any more."""
        if self._is_json:
            return put(_json(one))
        return put("  ".join(_cell(show(one)).plain for show in self._columns.values()).rstrip() + "\n")


def _json(one: Model) -> str:
    return json.dumps(one.raw, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"


def _drawn(table: Table) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=WIDTH_MAX, color_system=None, highlight=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _cell(value: object) -> Text:
    """What others have written steers no terminal."""
    if value is None:
        text = "-"
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S")
    elif isinstance(value, Decimal):
        text = format(value, "f")
    elif isinstance(value, dict):
        text = "  ".join(f"{name}={_cell(inner).plain}" for name, inner in value.items()) or "-"
    elif isinstance(value, list):
        text = "  ".join(_cell(inner).plain for inner in value) or "-"
    else:
        text = str(value)
    return Text(plain(text))
