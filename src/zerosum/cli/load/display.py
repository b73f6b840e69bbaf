"""What a terminal is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """Takes the share that is done. On stderr, and gone when it is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Without its refreshing thread: what is measured shares this process.
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task(title, total=1.0)

        def advance(share: float) -> None:
            progress.update(task, completed=share, refresh=True)

        yield advance


def show_table(title: str, caption: str, rows: Sequence[tuple[str, str]]) -> None:
    table = Table(title=title, caption=caption, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    Console().print(table)
