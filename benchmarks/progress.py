"""How far a run is: a bar on a terminal, plain lines in a pipe; always on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress:
    """Without a thread of its own: what is measured shares this process."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def show(self, title: str, share: float) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=title, completed=share, refresh=True)

    @contextmanager
    def bar(self, title: str) -> Iterator[Callable[[float], None]]:
        self.say(title)
        yield lambda share: self.show(title, share)
