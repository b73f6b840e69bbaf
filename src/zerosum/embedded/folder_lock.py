"""One process per data folder, and who it is."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from zerosum.embedded.errors import DataDirInUse
from zerosum.embedded.ownership import NOT_FOLLOWED, read_untrusted, require_own_descriptor

HOLDER_BYTES_MAX = 4096

LOCK_ATTEMPTS_MAX = 3
LOCK_PAUSE_SECONDS = 0.05
"""Whoever asks `holder_of` touches the lock for an instant; that must not look like another user."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a data folder. Each part is None as long as it has not been written down."""

    pid: int | None
    base_url: str | None


class FolderLock:
    """Held from construction until `release`, or until the process ends, however it ends.

    A forked child gives up its copy at once: otherwise a worker that outlives its killed supervisor would keep the
    next one out.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | NOT_FOLLOWED, 0o600)
        try:
            require_own_descriptor(self._descriptor, path)
            if not _lock(self._descriptor):
                holder = read_holder(path)
                raise DataDirInUse(str(path.parent), pid=holder.pid, base_url=holder.base_url)
            self.write_holder(base_url=None)
        except BaseException:
            self.release()
            raise
        os.register_at_fork(after_in_child=self.release)

    def write_holder(self, *, base_url: str | None) -> None:
        if self._descriptor is None:
            raise ValueError("The lock has been released.")
        text = json.dumps({"pid": os.getpid(), "base_url": base_url}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def release(self) -> None:
        # Closing a copy that a fork made leaves the parent's lock alone; an explicit unlock would not.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock file at `path` now, or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | NOT_FOLLOWED)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(path)
    finally:
        os.close(descriptor)
    return None


def read_holder(path: Path) -> Holder:
    """What the lock file says. It may be half-written at this moment: then nothing is known."""
    try:
        facts = json.loads(read_untrusted(path, HOLDER_BYTES_MAX) or b"")
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        return Holder(pid=None, base_url=None)
    pid, base_url = facts.get("pid"), facts.get("base_url")
    return Holder(
        pid=pid if isinstance(pid, int) else None,
        base_url=base_url if isinstance(base_url, str) else None,
    )


def _lock(descriptor: int) -> bool:
    for attempt in range(LOCK_ATTEMPTS_MAX):
        if attempt:
            time.sleep(LOCK_PAUSE_SECONDS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False
