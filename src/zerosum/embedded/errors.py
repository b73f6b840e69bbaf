"""Why a private server, or the folder it lives in, cannot be used. Each message is one line, fit for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class EmbeddedError(Exception):
    """Base of what the embedded servers and their supervisor report. The message needs no traceback beside it."""


class DataDirInUse(EmbeddedError):
    """Another process holds the data folder. `base_url` is known once that process has announced it."""

    def __init__(self, path: str, *, pid: int | None, base_url: str | None) -> None:
        by = f"process {pid}" if pid is not None else "another process"
        at = f", which serves {base_url}" if base_url else ""
        super().__init__(f"The data folder {path} is in use by {by}{at}.")
        self.pid = pid
        self.base_url = base_url


class DataDirNotOurs(EmbeddedError):
    """The folder holds things Zerosum did not put there, or data of another data folder."""


class PathNotOurs(EmbeddedError):
    """What would be used belongs to another account, can be replaced by one, or leads elsewhere."""

    def __init__(self, fact: str) -> None:
        super().__init__(f"{fact}.")


class PostgresNotFound(EmbeddedError):
    """No PostgreSQL that can be used."""


class PostgresTooOld(EmbeddedError):
    """PostgreSQL was found, but too old. `version` is the version found."""

    def __init__(self, program: str, *, version: str, major_min: int) -> None:
        super().__init__(f"{program} is PostgreSQL {version}; {major_min} or newer is needed.")
        self.version = version


class ValkeyNotUsable(EmbeddedError):
    """The Valkey or Redis server that was asked for does not run, or is too old."""


class ServerDidNotStart(EmbeddedError):
    """The server stopped, or did not answer in time. `log_tail` is the end of its log, of this start only."""

    def __init__(self, message: str, *, log_tail: str) -> None:
        super().__init__(message)
        self.log_tail = log_tail


class GaveUp(EmbeddedError):
    """A child kept failing right after the start, so the supervisor stopped everything."""


@contextmanager
def told_in_one_line(doing: str) -> Iterator[None]:
    """A full disk, a read-only folder or a missing right becomes an EmbeddedError that says what was being done."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise EmbeddedError(f"Cannot {doing}: {error.strerror or error}{where}.") from error
