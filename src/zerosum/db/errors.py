"""What PostgreSQL's failures mean for a batch, told by SQLSTATE and type, never by message text."""

from __future__ import annotations

import socket
from enum import Enum

import asyncpg


class FailureKind(Enum):
    CONNECTION = "connection"
    """The server or the way to it is gone: nothing was done, unless COMMIT had been sent."""
    BUSY = "busy"
    """A row stayed locked for longer than the lock time-out."""
    TRANSIENT = "transient"
    """Rolled back for a reason that a second try with the same keys settles (another process took a key…)."""
    DEFECT = "defect"
    """A guard or constraint said no: a fault of ours, or data it cannot store. Trying again cannot help."""


_CONNECTION_CLASSES = ("08", "28", "57P", "58")  # 28: a password that is just being changed
_CONNECTION_STATES = ("25006", "53300", "3D000")  # read-only (a demoted primary); too many connections; no database
_BUSY_STATES = ("55P03",)  # lock_not_available
_TRANSIENT_STATES = (
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "23505",  # unique_violation: somebody else was first; the next try finds it
    "57014",  # query_canceled by statement_timeout
    "53100",  # disk_full
    "53200",  # out_of_memory
)


def classify(error: BaseException) -> FailureKind:
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in _BUSY_STATES:
            return FailureKind.BUSY
        if state in _TRANSIENT_STATES:
            return FailureKind.TRANSIENT
        if state.startswith(_CONNECTION_CLASSES) or state in _CONNECTION_STATES:
            return FailureKind.CONNECTION
        return FailureKind.DEFECT
    # InternalClientError: the client lost track of a connection that broke in the middle of an exchange.
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | CommitOutcomeUnknown):
        return FailureKind.CONNECTION
    return FailureKind.DEFECT


def words_of(error: BaseException) -> str:
    """The first line of what it says, or its name."""
    if isinstance(error, socket.gaierror):
        return f"its host is unknown: {error.strerror}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).strip().partition("\n")[0] or type(error).__name__


class CommitOutcomeUnknown(Exception):
    """COMMIT was sent, and what became of it cannot be told on this connection any more."""


class CommitRefused(Exception):
    """The transaction had failed before, which nobody had noticed: nothing of it is there."""


class Unfit(Exception):
    """A database cannot be used as it is set up. In one line: what is wrong, and where it can be mended."""


class Failed(Unfit):
    """It may be otherwise next time: a full disk, a lock that was not to be had."""


def says_refused(error: BaseException) -> bool:
    """Whether what a COMMIT raised tells that nothing of it is there. Whatever else it raises, nobody knows."""
    if isinstance(error, asyncpg.PostgresError):
        return classify(error) is not FailureKind.CONNECTION
    return isinstance(error, CommitRefused)
