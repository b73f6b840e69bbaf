"""The folder in which all processes of one service leave what they have counted, a file each.

A file is replaced whole, so that nobody reads half of one. Of a process that has died its totals go on counting: they
are kept together in one file, which names the files that are in it, so that nothing counts twice in between.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import orjson

from zerosum.adapters.clock import now
from zerosum.metrics.snapshot import Snapshot, added

LIVES_SECONDS = 30.0
"""A process that has told nothing for so long is dead, or as good as that: its levels no longer count."""

FORGOTTEN_SECONDS = 3_600.0
"""Whoever has told nothing for so long is taken for ended, also where nobody watches over him."""

ENDED = "ended.json"
LOCK = "ended.lock"
LOCK_SECONDS_MAX = 2.0
"""So long one waits for another that puts the dead together; then they are left for the next time."""
PATTERN = "process-*.json"

_shared: Path | None = None


def _host_mark() -> str:
    """Of this host among those that share a folder: two containers number their processes alike."""
    return sha256(socket.gethostname().encode()).hexdigest()[:4]


def share_metrics(folder: Path) -> None:
    """Let all processes of this service count into one folder. Called before any of them makes a metric.

    What an earlier run left there is removed.
    """
    global _shared  # noqa: PLW0603 - the forks of this process inherit it, and nothing else does
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for pattern in ("*.json", "*.part", "*.db"):
        for leftover in folder.glob(pattern):
            leftover.unlink(missing_ok=True)  # A worker that runs already replaces its own.
    _shared = folder


def join_metrics(folder: Path | None) -> bool:
    """Whether this process, which serves nothing, counts where those count that do: in `folder`, or an inherited one.

    Called before it makes a metric, as above. Those before it that ended unseen are put together, so that their files
    do not become ever more.
    """
    global _shared  # noqa: PLW0603 - as above
    if _shared is None and folder is not None and folder.is_dir():
        _shared = folder
        with contextlib.suppress(OSError):
            MetricsFolder(folder).forget_silent()
    return _shared is not None


def shared_folder() -> MetricsFolder | None:
    """None where this process counts for itself."""
    return None if _shared is None else MetricsFolder(_shared)


def forget_process(pid: int) -> None:
    """The levels of a process that died no longer count; its totals do. Called by whoever watches over them all."""
    if _shared is not None:
        with contextlib.suppress(OSError):
            MetricsFolder(_shared).forget(pid)


class MetricsFolder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def new_name(self) -> str:
        """Of the file of one that counts. Unlike its process's number it comes once."""
        return f"process-{os.getpid()}-{_host_mark()}{secrets.token_hex(4)}.json"

    def write(self, name: str, snapshot: Snapshot) -> None:
        """Raises OSError."""
        self._put(name, snapshot)

    def others(self, own_name: str) -> Iterator[Snapshot]:
        """What all others have told; of those that no longer live, their totals."""
        ended = self._read(ENDED) or Snapshot()
        yield ended
        for path in self._path.glob(PATTERN):
            if path.name == own_name or path.name in ended.includes:
                continue
            snapshot = self._read(path.name)
            if snapshot is not None:
                yield snapshot if snapshot.told_at > now().timestamp() - LIVES_SECONDS else snapshot.without_levels()

    def forget(self, pid: int) -> None:
        """Raises OSError."""
        self._forget(path.name for path in self._path.glob(f"process-{pid}-{_host_mark()}*.json"))

    def forget_silent(self) -> None:
        """Raises OSError."""
        told_before = now().timestamp() - FORGOTTEN_SECONDS
        self._forget([path.name for path in self._path.glob(PATTERN) if path.stat().st_mtime < told_before])

    def _forget(self, candidates: Iterable[str]) -> None:
        """One at a time: whoever wrote what he had read before another wrote would lose what that one has added."""
        with self._locked():
            self._put_together(candidates)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Raises TimeoutError."""
        with (self._path / LOCK).open("ab") as file:
            end = time.monotonic() + LOCK_SECONDS_MAX
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise TimeoutError("another process puts what has ended together") from None
                    time.sleep(0.01)
            yield

    def _put_together(self, candidates: Iterable[str]) -> None:
        ended = self._read(ENDED) or Snapshot()
        names = [name for name in candidates if name not in ended.includes]
        found = [snapshot for name in names if (snapshot := self._read(name)) is not None]
        if not found:
            return
        kept = [name for name in ended.includes if (self._path / name).exists()]
        whole = added([ended, *found])
        self._put(ENDED, Snapshot(totals=whole.totals, includes=[*kept, *names]))
        for name in names:
            (self._path / name).unlink()

    def _put(self, name: str, snapshot: Snapshot) -> None:
        part = self._path / f"{name}.part"
        part.write_bytes(orjson.dumps(snapshot.as_json()))
        part.replace(self._path / name)

    def _read(self, name: str) -> Snapshot | None:
        """None where it is gone, or no file of ours."""
        try:
            return Snapshot.from_json(orjson.loads((self._path / name).read_bytes()))
        except (OSError, ValueError, TypeError, KeyError):
            return None
